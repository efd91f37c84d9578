"""What is said when a migration ends for a reason that is not in its file."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import psycopg

from runner.errors import Finding

if TYPE_CHECKING:
    from runner.core.migration import Migration


def not_ours(migration: Migration) -> Finding:
    """Its row was changed, or somebody else may run by now."""
    return Finding(
        "the ledger no longer has this migration as one of this run, or its mutex is lost: it was not executed",
        path=migration.file.path,
        hint="another run, or a migration, changed the ledger, or the watcher's connection was cut: look at the ledger "
        "and run again",
    )


def mutex_lost(migration: Migration | None = None) -> Finding:
    """Somebody else may run by now."""
    return Finding(
        f"this run no longer holds the mutex; {'the migration was rolled back' if migration else 'nothing was begun'}",
        path=migration.file.path if migration else None,
        hint="the watcher's connection was cut or ended by the server; run again when that is mended",
    )


def of_the_ledger(migration: Migration, said: Finding) -> Finding:
    """A statement of ours failed in the middle of a migration, through no fault of one of its lines."""
    return replace(
        said,
        message=f"the ledger's row could not be written: {said.message}",
        path=migration.file.path,
        line=None,
        column=None,
        frame="",
        hint="look at what the file changes for its transaction, and at the rights on the ledger",
    )


def deferred(said: Finding, *, of_several: bool) -> Finding:
    """What was put off until the end of the transaction failed there."""
    when = "when all files were to be committed, one of which is the cause" if of_several else "at its end"
    return replace(said, message=f"{when}: {said.message}", line=None, column=None, frame="")


def lost(migration: Migration, error: psycopg.Error | None = None) -> Finding:
    """The connection broke while the migration was under way, or before that."""
    said = ": " + " ".join(str(error).split()) if error else ""
    return Finding(f"the connection to the database was lost{said}", path=migration.file.path)
