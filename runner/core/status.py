"""Files and ledger side by side: the state of each migration, for people."""

from collections.abc import Sequence
from datetime import timedelta

from runner.core.checksum import sql_digest
from runner.core.durations import in_words
from runner.core.model import Applied, MigrationFile, Status
from runner.core.naming import VersionOrder
from runner.errors import Finding

HEADINGS = ("version", "name", "state", "applied at", "by", "took")
MODIFIED = "completed, file modified"
EDITED = "completed, file edited in comments or layout"
MISSING = "file missing"


def status_rows(
    files: Sequence[MigrationFile], applied: Sequence[Applied], order: VersionOrder
) -> list[tuple[str, ...]]:
    """One row a migration that a file or the ledger knows, under HEADINGS."""
    by_number = {int(file.version): file for file in files}
    recorded = {int(row.version): row for row in applied if row.version.isdecimal()}
    versions = {number: file.version for number, file in by_number.items()}
    versions |= {number: row.version for number, row in recorded.items() if number not in versions}
    return [
        _row(by_number.get(number), recorded.get(number))
        for number in sorted(versions, key=lambda number: order.key(versions[number]))
    ]


def half_done(applied: Sequence[Applied]) -> list[Finding]:
    """What stays of migrations outside of a transaction that did not come to their end, or are under way."""
    return [
        Finding(
            f"migration {row.version} is {row.status} in the ledger, outside of a transaction, with "
            f"{row.statements_done or 0} statements done",
            hint="unless a run is under way, run `db-migrate`: it goes on there, or says what to look at",
        )
        for row in applied
        if row.transactional is False
        and (row.status == Status.RUNNING or (row.status == Status.FAILED and row.statements_done))
    ]


def _row(file: MigrationFile | None, row: Applied | None) -> tuple[str, ...]:
    if row is None:
        assert file is not None  # noqa: S101 - a row is made for what either side knows
        return (file.version, file.name, Status.PENDING, "", "", "")
    state = row.status
    if file is None:
        state = f"{row.status}, {MISSING}"
    elif row.completed and row.checksum != file.checksum:
        state = EDITED if row.sql_digest and row.sql_digest == sql_digest(file.up.data) else MODIFIED
    when = row.applied_at.strftime("%Y-%m-%d %H:%M:%S %Z") if row.applied_at else ""
    took = in_words(timedelta(milliseconds=row.execution_time_ms)) if row.execution_time_ms is not None else ""
    return (row.version, row.name, state, when, row.applied_by or "", took)
