"""What is taken as applied without running: by a baseline, or because another tool has applied it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from runner.core.migration import Headers, Migration
from runner.core.model import Applied, MigrationFile, Plan
from runner.core.naming import VersionOrder
from runner.core.sql_digest import sql_digest
from runner.core.status import half_done
from runner.core.table import Table
from runner.errors import Finding, Refused

HEADINGS = ("version", "name", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """A migration that the ledger is to have as completed. What is None nobody knows: then it is now, and this run."""

    migration: Migration
    applied_at: datetime | None = None  # by the other tool
    applied_by: str | None = None
    note: str = ""  # what the history keeps of where it came from


def to_record(joined: Sequence[Joined], applied: Sequence[Applied], order: VersionOrder) -> tuple[Joined, ...]:
    """Those that the ledger does not have as completed. What failed there, and was rolled back, somebody may well have
    done by hand since.

    Raises Refused when a migration is half done, and when the ledger says that the database is further.
    """
    completed = {int(row.version): row.version for row in applied if row.completed and row.version.isdecimal()}
    waiting = tuple(each for each in joined if int(each.migration.version) not in completed)
    if not waiting:
        return ()
    if half := half_done(applied):
        hint = "nobody can tell whether the database has it: finish it with `db-migrate`, or settle it with `repair`"
        raise Refused(*(replace(finding, hint=hint) for finding in half))
    head = max(completed.values(), key=order.key, default=None)
    last = max((each.migration.version for each in joined), key=order.key)
    if head is not None and order.key(head) > order.key(last):
        raise Refused(
            Finding(
                f"the ledger has {head} as completed, and {waiting[0].migration.version}, which comes before it, not",
                hint=f"a database that is at {head} joins with `baseline --version {head}`; `db-migrate history` tells "
                "how it came there",
            )
        )
    return waiting


def taken_as_it_is(file: MigrationFile) -> Migration:
    """A file that cannot run here, and never will: of what it does nothing is known."""
    return Migration(
        file=file, source=file.up, headers=Headers(), statements=(), steps=(), sql_digest=sql_digest(file.up.data)
    )


def recorded_in(plan: Plan, recorded: Sequence[Joined]) -> Plan:
    """The plan once these are in the ledger."""
    versions = [each.migration.version for each in recorded]
    return replace(
        plan,
        pending=tuple(file for file in plan.pending if file.version not in versions),
        applied=tuple(sorted((*plan.applied, *versions), key=plan.order.key)),
    )


def table_of(joined: Sequence[Joined]) -> Table:
    """What is, or would be, recorded."""
    files = [each.migration.file for each in joined]
    return Table(headings=HEADINGS, rows=tuple((file.version, file.name, str(file.path)) for file in files))
