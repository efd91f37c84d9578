"""What is wrong with a ledger and can be mended there: each with what would be changed."""

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import accumulate

from runner.core.drift import judge_change
from runner.core.model import Applied, LedgerRows, MigrationFile, Status
from runner.core.parse import parse
from runner.core.plural import counted
from runner.core.policies import ParsePolicy, RepairPolicy
from runner.core.resume import settled
from runner.core.table import Table
from runner.core.undoing import why_half_undone
from runner.errors import Finding, InputError, Level, Refused

DEVELOPMENT = "development"  # the environment in which a migration may be forgotten
HEADINGS = ("what", "before", "after")
AGAIN = "no row: it is pending again"
NO_ENVIRONMENT = "none recorded"  # no name of an environment has a blank
UNFINISHED = frozenset({Status.PENDING, Status.RUNNING, Status.FAILED})


class Mending(Enum):
    """What a repair does to the ledger."""

    MOVE = auto()  # the database belongs to another environment
    RETEXT = auto()  # checksum and body become those of the file, which does the same
    REMOVE = auto()  # the row goes: nothing of the migration is in the database
    COUNT = auto()  # so many of its statements are done, and the next run goes on there
    KEEP = auto()  # it stays as it is: what was to undo it has left all of it
    FORGET = auto()  # row and history go, whatever is in the database


@dataclass(frozen=True, slots=True, kw_only=True)
class Repair:
    """One change of the ledger, made only while all is as it was seen."""

    mending: Mending
    before: str  # in words; of MOVE the environment itself, or NO_ENVIRONMENT
    after: str
    note: str  # what the history keeps of it; in ASCII, as not every database holds other signs
    row: Applied | None = None  # as it was seen; None of MOVE
    file: MigrationFile | None = None  # of RETEXT
    done: int = 0  # statements, of COUNT

    @property
    def what(self) -> str:
        return f"migration {self.row.version}" if self.row else "environment"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledgered:
    """What the ledger and the checkout have."""

    schema: str  # of the ledger
    rows: LedgerRows
    files: Sequence[MigrationFile]
    bodies: Mapping[str, str]  # the applied texts of changed versions, as far as the ledger kept them
    under_way: bool  # another run holds the mutex

    @property
    def in_order(self) -> list[Applied]:
        """The rows, those of an older tool that are no numbers as well."""
        return sorted(self.rows.applied, key=lambda row: (len(row.version.lstrip("0")), row.version.lstrip("0")))

    @property
    def unfinished(self) -> list[Applied]:
        """The rows that are not completed. While another run holds the mutex, they may be its."""
        return [row for row in self._not_completed if _is_ours(row)]

    @property
    def strange(self) -> list[Applied]:
        """The rows that no run has written: of another tool's migrations, or in words of somebody else."""
        return [row for row in self._not_completed if not _is_ours(row)]

    @property
    def _not_completed(self) -> list[Applied]:
        return [row for row in self.in_order if not row.completed and not self.under_way]

    @property
    def half_undone(self) -> list[Applied]:
        """The rows of which a part is undone, or may be. While another run holds the mutex, it may be at that."""
        return [row for row in self.in_order if row.half_undone and not self.under_way]

    def settled(self, row: Applied, done: int | None) -> str:
        """The command that settles how much of a migration is done."""
        return settled(self.schema, row.version, done)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What can be mended, and what cannot."""

    repairs: tuple[Repair, ...] = ()
    left: tuple[Finding, ...] = ()  # what only a run or a person can settle
    unsafe: tuple[Finding, ...] = ()  # files whose SQL is not what was applied

    @property
    def table(self) -> Table:
        """The repairs, for people."""
        return Table(headings=HEADINGS, rows=tuple((each.what, each.before, each.after) for each in self.repairs))


def find_repairs(policy: RepairPolicy, ledger: Ledgered) -> Found:
    """What the user asked for, or else all that can be mended safely. Raises InputError when what was asked for does
    not fit to what the ledger has, and Refused when only development may have it.
    """
    if policy.environment:
        return Found(repairs=_moved(policy.environment, ledger.rows))
    if policy.forget:
        return Found(repairs=(_forgotten(policy.forget, ledger.rows),))
    if policy.settle:
        return Found(repairs=_settled(*policy.settle, ledger))
    changes = _changes(ledger)
    return Found(
        repairs=(*(_retext(*change) for change, judged in changes if judged.level is Level.WARNING), *_removed(ledger)),
        left=(*_half_done(ledger), *_half_undone(ledger), *_strange(ledger)),
        unsafe=tuple(judged for _, judged in changes if judged.level is Level.ERROR),
    )


def _moved(wanted: str, rows: LedgerRows) -> tuple[Repair, ...]:
    before = rows.environment or NO_ENVIRONMENT
    note = f"from {before} to {wanted}"
    return () if before == wanted else (Repair(mending=Mending.MOVE, before=before, after=wanted, note=note),)


def _forgotten(version: str, rows: LedgerRows) -> Repair:
    if rows.environment != DEVELOPMENT:
        raise Refused(
            Finding(
                f"forget: this database is {rows.environment}, and only one of {DEVELOPMENT} forgets what was applied",
                hint="undo it with `db-migrate rollback`, or put the change into a new migration",
            )
        )
    row = _row("forget", version, rows)
    after = "no row and no history: it runs again, on what it has left"
    note = f"forgotten with its history: {_state(row)}"
    return Repair(mending=Mending.FORGET, before=_state(row), after=after, note=note, row=row)


def _settled(version: str, done: int | None, ledger: Ledgered) -> tuple[Repair, ...]:
    """By the word of a person who has looked."""
    row = _row("settle", version, ledger.rows)
    if row.completed:
        return (_settled_undoing(row, done, ledger),)
    if row.transactional is not False:
        raise InputError(
            Finding(
                f"settle: migration {row.version} runs in one transaction, so that nothing of it is half done",
                hint="run `db-migrate`: it begins with it; or take its row out with `db-migrate repair`",
            )
        )
    if done is None:
        return (_said_to_be_undone(row, _state(row)),)
    total = _check_count(row, done, ledger)
    if row.status == Status.FAILED and row.statements_done == done:
        return ()
    after = f"failed, with {counted(done, 'statement')} done: the next run goes on there"
    note = f"{done} of {total} statements said to be done; before: {_state(row)}"
    return (Repair(mending=Mending.COUNT, before=_state(row), after=after, note=note, row=row, done=done),)


def _settled_undoing(row: Applied, done: int | None, ledger: Ledgered) -> Repair:
    """Of a migration that was completed and to be undone: nothing of it is left, or all is."""
    if not row.half_undone:
        raise InputError(
            Finding(
                f"settle: migration {row.version} is completed, and nothing about it is unsettled",
                hint="to undo it: `db-migrate rollback`",
            )
        )
    before = _state(row)
    if done is None:
        return _said_to_be_undone(row, before)
    if done != (row.statements_done or 0):
        raise InputError(
            Finding(
                f"settle: migration {row.version} was to be undone, and is now there as a whole or not at all",
                hint=f"bring it to one of the two. When all is there: {ledger.settled(row, row.statements_done or 0)}; "
                f"when nothing is: {ledger.settled(row, None)}",
            )
        )
    note = f"all of it is said to be there; before: {before}"
    return Repair(mending=Mending.KEEP, before=before, after="completed", note=note, row=row)


def _said_to_be_undone(row: Applied, before: str) -> Repair:
    note = f"removed, and said to be undone: {before}"
    return Repair(mending=Mending.REMOVE, before=before, after=AGAIN, note=note, row=row)


def _check_count(row: Applied, done: int, ledger: Ledgered) -> int:
    """Whether so many statements can be done: what runs as one step is done as a whole. Returns how many there are.
    Raises InputError.
    """
    file = next((file for file in ledger.files if int(file.version) == int(row.version)), None)
    if file is None:
        raise InputError(
            Finding(
                f"settle: the file of migration {row.version} is not in this checkout",
                hint=f"restore it, as the next run goes on in it; or, when what it did is undone: "
                f"{ledger.settled(row, None)}",
            )
        )
    steps = parse(file, ParsePolicy(tracking_schema=ledger.schema, own_transactions=True)).steps
    ends = [0, *accumulate(step.count for step in steps)]
    last, behind = ends[-1], bisect_left(ends, done)
    if done in ends:
        return last
    hint = f"it is a number from 0 to {last}"
    if done < last:
        hint = f"it is {ends[behind - 1]} or {ends[behind]}: what is between is one step"
    message = f"settle: migration {row.version} has {counted(last, 'statement')}, of which {done} cannot be done"
    raise InputError(Finding(message, path=file.path, line=1, hint=hint))


def _changes(ledger: Ledgered) -> list[tuple[tuple[Applied, MigrationFile], Finding]]:
    """The files that are not what was applied, each with what is to be said of it."""
    recorded = {int(row.version): row for row in ledger.rows.applied if row.completed and row.version.isdecimal()}
    pairs = [(row, file) for file in ledger.files if (row := recorded.get(int(file.version)))]
    return [
        ((row, file), judge_change(file, row, ledger.bodies.get(row.version)))
        for row, file in pairs
        if row.checksum != file.checksum
    ]


def _retext(row: Applied, file: MigrationFile) -> Repair:
    """A down file is another matter: what it did when it was applied stays what a rollback runs."""
    before = f"the text with checksum {_short(row.checksum)}"
    after = f"that of {file.path}, {_short(file.checksum)}: the same SQL"
    note = f"checksum from {_short(row.checksum)} to {_short(file.checksum)}: edited in comments or layout"
    return Repair(mending=Mending.RETEXT, before=before, after=after, note=note, row=row, file=file)


def _short(checksum: str) -> str:
    return checksum[:8]


def _removed(ledger: Ledgered) -> list[Repair]:
    """The rows of migrations that did not come to their end, and of which a transaction has left nothing."""
    return [
        Repair(mending=Mending.REMOVE, before=_state(row), after=AGAIN, note=f"removed: {_state(row)}", row=row)
        for row in ledger.unfinished
        if row.transactional is not False
    ]


def _half_done(ledger: Ledgered) -> list[Finding]:
    return [
        Finding(
            f"migration {row.version} is not mended: {_state(row)}, outside of a transaction, and what it did stays",
            level=Level.WARNING,
            hint="run `db-migrate`: it goes on there, or says what to look at. Or undo by hand what it did, and say "
            f"so: {ledger.settled(row, None)}",
        )
        for row in ledger.unfinished
        if row.transactional is False
    ]


def _half_undone(ledger: Ledgered) -> list[Finding]:
    return [
        Finding(
            f"migration {row.version} is not mended: it is completed, and undoing it has failed: "
            f"{why_half_undone(row)}",
            level=Level.WARNING,
            hint="roll back again: that goes on there. Or look at what is left of it; when nothing is: "
            f"{ledger.settled(row, None)}, when all of it is: {ledger.settled(row, row.statements_done or 0)}",
        )
        for row in ledger.half_undone
    ]


def _strange(ledger: Ledgered) -> list[Finding]:
    return [
        Finding(
            f"migration {row.version} is not mended: its row, of status `{row.status}`, is not one that runs write",
            level=Level.WARNING,
            hint="find out who wrote it and what it means, and correct or delete it in "
            f"{ledger.schema}.schema_migrations",
        )
        for row in ledger.strange
    ]


def _is_ours(row: Applied) -> bool:
    return row.version.isdecimal() and row.status in UNFINISHED


def _row(name: str, version: str, rows: LedgerRows) -> Applied:
    """The row of a version, however many zeros either is written with. Raises InputError."""
    known = [row for row in rows.applied if row.version.isdecimal()]
    row = next((row for row in known if int(row.version) == int(version)), None)
    if row is None:
        raise InputError(
            Finding(
                f"{name}: the ledger has no migration {version}",
                hint="`db-migrate status` shows what it has; what is not there runs by itself",
            )
        )
    return row


def _state(row: Applied) -> str:
    if row.half_undone:
        return f"completed, with {counted(row.statements_undone or 0, 'statement')} of its down file done"
    if row.completed:
        return "completed"
    if row.transactional is False:
        return f"{row.status}, with {counted(row.statements_done or 0, 'statement')} done"
    match row.status:
        case Status.FAILED:
            return "failed, and was rolled back"
        case Status.RUNNING:
            return "running, and its run has died"
        case Status.PENDING:
            return "pending, for a run that has ended"
        case other:
            return other
