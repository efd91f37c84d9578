"""What is said when a migration ends for a reason that is not in its file."""

import psycopg

from runner.core.model import Migration
from runner.errors import Finding


def not_ours(migration: Migration) -> Finding:
    """Its row was changed, or somebody else may run by now."""
    return Finding(
        "the ledger no longer has this migration as one of this run, or its mutex is lost: it was not executed",
        path=migration.file.path,
        hint="another run, or a migration, changed the ledger, or the watcher's connection was cut: look at the ledger "
        "and run again",
    )


def mutex_lost(migration: Migration) -> Finding:
    """Somebody else may run by now."""
    return Finding(
        "this run no longer holds the mutex; the migration was rolled back",
        path=migration.file.path,
        hint="the watcher's connection was cut or ended by the server; run again when that is mended",
    )


def lost(migration: Migration, error: psycopg.Error | None = None) -> Finding:
    """The connection broke while the migration was under way, or before that."""
    said = ": " + " ".join(str(error).split()) if error else ""
    return Finding(f"the connection to the database was lost{said}", path=migration.file.path)
