"""Files and ledger side by side: where each migration stands."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import PurePosixPath

from runner.core.checksum import checksum
from runner.core.model import Applied, MigrationFile, Status
from runner.core.naming import VersionOrder
from runner.core.plan import comes_late, compare
from runner.core.table import moment
from runner.errors import Finding

SHORT_ID = 8  # characters of a run's id at the end of the name that its sessions have


class State(StrEnum):
    """Where a migration stands."""

    COMPLETED = "completed"
    PENDING = "pending"
    OUT_OF_ORDER = "out of order"  # pending, and behind it one is completed
    RUNNING = "running"
    DEAD = "dead"  # begun by a run that died, and nothing of it is known to stay
    FAILED = "failed"  # nothing of it stays
    HALF_DONE = "half done"  # outside of a transaction; what is done of it stays
    UNDOING = "undoing"  # a rollback is in the middle of its down file, outside of a transaction
    HALF_UNDONE = "half undone"  # one has stopped there
    UNKNOWN = "unknown"  # the ledger has a word, or a version, that is not ours


class Change(StrEnum):
    """What became of the file of a migration that the ledger has."""

    MODIFIED = "modified"
    EDITED = "edited"  # in comments or layout only
    MISSING = "missing"


class DownFrom(StrEnum):
    """Where the SQL that undoes a migration is known from."""

    LEDGER = "ledger"
    FILE = "file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded(Applied):
    """A row of `schema_migrations` with all that is told of it."""

    statements_total: int | None = None
    down_kept: bool = False  # the ledger has the text of its down file
    down_checksum: str | None = None  # SHA-256, hex, of that file, as it was when the migration was applied
    run_id: str | None = None  # that touched it last


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The session that holds the mutex."""

    pid: int
    application: str  # the name that it gave itself: "db-migrate watcher f049c5d2"
    role: str
    since: datetime | None = None  # when it connected; None where this role may not see that


@dataclass(frozen=True, slots=True, kw_only=True)
class LastRun:
    """The latest row of `migration_runs`."""

    run_id: str
    command: str
    environment: str
    actor: str | None
    run_url: str | None
    started_at: datetime
    finished_at: datetime | None
    outcome: str | None  # None while it lasts, and for ever when its process was killed


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """All that the database says of where it stands."""

    rows: tuple[Recorded, ...] = ()
    environment: str | None = None  # that it belongs to
    holder: Holder | None = None  # of the mutex: a run is under way
    last_run: LastRun | None = None
    tells_runs: bool = True  # False: this role may not read of runs, or the ledger has an earlier shape
    standby: bool = False  # where nobody sees who holds a lock on the primary

    @property
    def run_under_way(self) -> LastRun | None:
        """The run that holds the mutex, once it has told of itself."""
        run, holder = self.last_run, self.holder
        return run if run and holder and holder.application.endswith(f" {run.run_id[:SHORT_ID]}") else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrated:
    """One migration, and where it stands."""

    version: str
    name: str
    state: State
    row: Recorded | None = None
    path: PurePosixPath | None = None  # of its file
    change: Change | None = None
    down: DownFrom | None = None
    note: str = ""  # what else there is to say: an error, how much is done, by whom it runs

    @property
    def plain(self) -> bool:
        """It is applied, and nothing more is to be said."""
        return self.state is State.COMPLETED and not self.change and not self.note

    @property
    def took(self) -> timedelta | None:
        """How long it ran, as far as somebody has counted."""
        ms = self.row.execution_time_ms if self.row else None
        return None if ms is None else timedelta(milliseconds=ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judge:
    """What the rows of one ledger are judged by."""

    standing: Standing
    order: VersionOrder
    head: str  # the highest version that is completed

    def migrated(self, file: MigrationFile | None, row: Recorded | None) -> Migrated:
        """Where a migration stands that a file, the ledger or both know."""
        known = row or file
        assert known is not None  # noqa: S101 - one side knows it
        state, note = self._state(file, row)
        return Migrated(
            version=known.version,
            name=known.name,
            state=state,
            row=row,
            path=file.path if file else None,
            change=_change(file, row) if row else None,
            down=_down(file, row),
            note=note,
        )

    def _state(self, file: MigrationFile | None, row: Recorded | None) -> tuple[State, str]:
        if row and not row.version.isdecimal():
            return State.UNKNOWN, "its version is no number"
        match row.status if row else Status.PENDING:
            case Status.PENDING:
                return self._waiting(file)
            case Status.COMPLETED if row and row.undoing:
                return self._undoing(row)
            case Status.COMPLETED:
                return State.COMPLETED, ""
            case Status.RUNNING if row:
                return self._running(row)
            case Status.FAILED if row:
                half = row.transactional is False and row.statements_done
                return (State.HALF_DONE, _and(_done(row), _error(row))) if half else (State.FAILED, _error(row))
            case word:
                return State.UNKNOWN, f"the ledger says `{word}`"

    def _waiting(self, file: MigrationFile | None) -> tuple[State, str]:
        if file and comes_late(file, self.head, self.order):
            return State.OUT_OF_ORDER, f"the database already has {self.head}"
        return State.PENDING, ""

    def _running(self, row: Recorded) -> tuple[State, str]:
        outside = row.transactional is False
        if self.standing.standby:
            return State.RUNNING, "or dead: only the primary knows whether its run is alive"
        if self.standing.holder:
            return State.RUNNING, _and(by_whom(self.standing), _done(row) if outside else "")
        if outside and row.statements_done:
            return State.HALF_DONE, _and(f"{_done(row)}, and perhaps the next", _error(row))
        stays = "its first statement may be done" if outside else "nothing of it stays, and the next run begins it anew"
        return State.DEAD, _and(f"its run died: {stays}", _error(row))

    def _undoing(self, row: Recorded) -> tuple[State, str]:
        done = f"{row.statements_undone or 0} of its down file's statements done"
        if row.undoing == Status.RUNNING and self.standing.standby:
            return State.UNDOING, _and(done, "or stopped there: only the primary knows whether its run is alive")
        if row.undoing == Status.RUNNING and self.standing.holder:
            return State.UNDOING, _and(by_whom(self.standing), done)
        if row.undoing == Status.RUNNING:
            return State.HALF_UNDONE, _and(f"{done}, and perhaps the next", _error(row))
        if row.half_undone:
            return State.HALF_UNDONE, _and(done, _error(row))
        return State.COMPLETED, f"undoing it failed at its first statement: {_error(row)}"


def migrated(files: Sequence[MigrationFile], standing: Standing, order: VersionOrder) -> list[Migrated]:
    """Every migration that a file or the ledger knows, in order; behind them the rows of which nobody knows what they
    are.
    """
    by_number = {int(file.version): file for file in files}
    recorded = {int(row.version): row for row in standing.rows if row.version.isdecimal()}
    strange = sorted((row for row in standing.rows if not row.version.isdecimal()), key=lambda row: row.version)
    judge = _Judge(
        standing=standing,
        order=order,
        head=compare(files, standing.rows, order).current_version,
    )
    known = [judge.migrated(by_number.get(number), recorded.get(number)) for number in by_number | recorded]
    known.sort(key=lambda each: order.key(each.version))
    return [*known, *(judge.migrated(None, row) for row in strange)]


def by_whom(standing: Standing) -> str:
    """Who holds the mutex, and since when: `by ada since 2026-11-22 12:00:00 UTC`. Empty when nobody does."""
    run, holder = standing.run_under_way, standing.holder
    if holder is None:
        return ""
    who, since = (run.actor or holder.role, run.started_at) if run else (holder.role, holder.since)
    return f"by {who}{f' since {moment(since)}' if since else ''}"


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


def first_line(text: str) -> str:
    """Of an error what a table has room for."""
    return text.strip().partition("\n")[0]


def _change(file: MigrationFile | None, row: Recorded) -> Change | None:
    if file is None:
        return Change.MISSING
    if not row.completed or row.checksum == file.checksum:
        return None
    from runner.core.sql_digest import sql_digest

    return Change.EDITED if row.sql_digest and row.sql_digest == sql_digest(file.up.data) else Change.MODIFIED


def _down(file: MigrationFile | None, row: Recorded | None) -> DownFrom | None:
    """A completed migration is undone by what was kept when it was applied; the file counts where it is the same."""
    if row and row.completed and row.down_kept:
        return DownFrom.LEDGER
    if file is None or file.down is None:
        return None
    if row is None or not row.completed:
        return DownFrom.FILE
    same = row.checksum == file.checksum and row.down_checksum in {None, checksum(file.down.data)}
    return DownFrom.FILE if same else None


def _done(row: Recorded) -> str:
    of = f" of {row.statements_total}" if row.statements_total is not None else ""
    return f"{row.statements_done or 0}{of} statements done"


def _error(row: Recorded) -> str:
    return first_line(row.error_message or "")


def _and(first: str, second: str) -> str:
    return "; ".join(filter(None, (first, second)))
