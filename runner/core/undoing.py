"""What undoes migrations: their down files, the last one first, all of them or none."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath

from runner.core.certainty import NOBODY_KNOWS, certainty, step_behind
from runner.core.checksum import checksum
from runner.core.drift import diff_of
from runner.core.migration import Migration
from runner.core.model import Applied, MigrationFile, Plan, SourceFile, Status
from runner.core.naming import LEDGER_FILE, VersionOrder
from runner.core.parse import ORDINARY, parse_down
from runner.core.plan import compare
from runner.core.plural import counted
from runner.core.policies import BackPolicy, ParsePolicy
from runner.core.resume import begins_alike, settled
from runner.core.session_state import lost_with_the_session
from runner.core.statements import read_statements
from runner.core.status import half_done
from runner.core.versions import BEGINNING
from runner.errors import Finding, InputError, Level, Refused

DOWN = ".down.sql"
SHOWN = 10  # versions of a hint
THERE = "run this in a checkout of the commit that has applied it"
FINISH = "run `db-migrate` first, which goes on with it; or undo by hand what it has done, and tell the ledger:"
BY_HAND = "undo by hand what the migration did: see docs/rollback.md#undoing-by-hand"
KEPT_COUNTS = (
    "the ledger's belongs to what was applied; to run another one, undo by hand (docs/rollback.md#undoing-by-hand)"
)
BEGUN_TO_UNDO = "it was begun, outside of a transaction, and no run has told how it ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """What the ledger kept of a migration's files, when it was applied."""

    up: str | None = None
    down: str | None = None
    down_checksum: str | None = None
    later: bool = False  # there was no down file then; `down` is one in whose middle a rollback has stopped since


NOTHING_KEPT = Kept()


def behind(applied: Sequence[Applied], policy: BackPolicy, order: VersionOrder, schema: str) -> tuple[Applied, ...]:
    """The rows of the migrations that are to be undone, the last one first. The ledger's own file is none of them:
    without the ledger nobody could tell what was undone. `0` is the beginning; `00` the migration of that number, and
    the beginning only where there is none. `schema`: of the ledger.

    Raises InputError when the database is not, and cannot have been, where the policy says; Refused when a migration is
    half done there, as what its down file would find is not what it was written for, and when the one that would stay
    is half undone.
    """
    rows = sorted((row for row in applied if row.version.isdecimal()), key=lambda row: order.key(row.version))
    done = [row for row in rows if row.completed and not _makes_the_ledger(row)]
    floor = _stays(rows, done, policy)
    above = [row for row in rows if floor is None or order.key(row.version) > order.key(floor.version)]
    if half := _half_done([*above, *([floor] if floor else [])], schema):
        raise Refused(*half)
    if floor is not None and not floor.completed:
        raise InputError(_not_applied(policy, done))
    if floor is not None and floor.half_undone:
        raise Refused(*half_undone([floor], schema))
    return tuple(row for row in reversed(above) if row.completed and not _makes_the_ledger(row))


def plan_back(
    undone: Sequence[Applied],
    files: Sequence[MigrationFile],
    applied: Sequence[Applied],
    kept: Mapping[str, Kept],
    order: VersionOrder,
    folder: PurePosixPath,
) -> Plan:
    """What undoes these rows, in this order: each migration as it was applied, with the down file that runs. That is
    the one which the ledger kept, by version in `kept`: it belongs to what was applied, and a checkout of an earlier
    release does not have it. Where it kept none it is the checkout's, if that has the migration as it was applied.
    `folder` is where a file would be that the checkout does not have.
    """
    here = {int(file.version): file for file in files}
    pending: list[MigrationFile] = []
    findings = list(_applied_later(undone, applied))
    for row in undone:
        texts, file = kept.get(row.version, NOTHING_KEPT), here.get(int(row.version))
        pending.append(_as_applied(row, texts, file, folder))
        findings += _differs(file, texts)
    return Plan(
        pending=tuple(pending),
        applied=compare(files, applied, order).applied,
        order=order,
        findings=tuple(findings),
    )


def parse_back(
    pending: Sequence[MigrationFile], files: Sequence[MigrationFile], policy: ParsePolicy = ORDINARY
) -> list[Migration]:
    """The down files of `plan_back`, parsed. Raises Refused with every migration that has none, and InputError when
    all have one, with everything in them that cannot run.
    """
    here = {int(file.version): file for file in files}
    downs: list[Migration] = []
    missing: list[Finding] = []
    wrong: list[Finding] = []
    for file in pending:
        if file.down is None and not _has_worked(file):
            file = _undone_by_nothing(file)  # noqa: PLW2901 - the same, with what undoes it
        if file.down is None:
            missing.append(_without_a_down_file(file, here.get(int(file.version))))
            continue
        try:
            down = parse_down(file, policy)
        except InputError as error:
            wrong += error.findings
            continue
        if not down.statements and _has_worked(file):  # its row would go, and its work stay
            missing.append(_cannot_be_undone(file, "its down file has no statement", file.down, hint=BY_HAND))
        downs.append(down)
    if missing:
        raise Refused(*missing, *wrong)
    if wrong:
        raise InputError(*wrong)
    return downs


def half_undone(applied: Sequence[Applied], schema: str) -> list[Finding]:
    """Of what rollbacks have left in the middle of a down file, unless one is under way. `schema`: of the ledger."""
    return [
        Finding(
            f"migration {row.version} is completed in the ledger, and undoing it has failed: {why_half_undone(row)}",
            hint="unless a run is under way, roll back again: that goes on there. Or undo by hand what is left of it, "
            f"and say so: {settled(schema, row.version, None)}",
        )
        for row in applied
        if row.half_undone
    ]


def why_half_undone(row: Applied) -> str:
    """How it ended, as far as the row was read, and what is done of it."""
    done = row.statements_undone or 0
    ended = row.error_message or (BEGUN_TO_UNDO if row.undoing == Status.RUNNING else "")
    so_far = f"{counted(done, 'statement')} of its down file {'is' if done == 1 else 'are'} done" if done else ""
    return "; ".join(filter(None, (ended, so_far)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """How far an earlier run has come in a down file outside of a transaction."""

    done: int  # statements
    failed: bool  # the one behind them is known to have ended in an error


def begun_before(down: Migration, row: Applied, body: str | None, schema: str) -> Begun | Finding:
    """Where undoing goes on that the row says was begun; or why that cannot be told. Of the statement behind those that
    are done the catalog may have to be asked, which is not done here. Asked while nobody else can be at it. `body` is
    the text of which they were the first, where the ledger has it; else that is the down file's. `schema`: of the
    ledger.
    """
    done, running = row.statements_undone or 0, row.undoing == Status.RUNNING
    edited = body is not None and body != down.source.text
    other = (done or running) and edited and not begins_alike(down, body, done, running=running)
    if other or done > down.statement_count:
        why = "would go on in a file that was edited in statements which have run, or may have"
        return _stuck(down, 1, why, schema, first="restore those, and mend what comes behind them; or ")
    if done and down.transactional:
        why = f"would be one transaction now, with {counted(done, 'statement')} of its file done before"
        return _stuck(down, 1, why, schema, first="give that run's inputs again, `own-transactions` above all; or ")
    if lost := lost_with_the_session(down, done):
        why = "would go on in a new session, without what this statement left in that before"
        return _stuck(down, lost.line, why, schema)
    step, _ = step_behind(down.steps, done)
    if running and step and certainty(down.statements, step) in NOBODY_KNOWS:
        return _stuck(down, step.line, "was begun, and nobody knows whether this statement was done", schema)
    return Begun(done=done, failed=not running)


def undoable(done: Sequence[Migration], policy: ParsePolicy = ORDINARY) -> tuple[Migration, ...] | str:
    """What undoes these migrations, in the order in which it must run; or, in a sentence, why nothing can be undone:
    each migration in the way, and what is wrong with its down file. A file that makes the ledger stays: without it
    nobody could tell what was undone.
    """
    downs: list[Migration] = []
    reasons: list[str] = []
    for migration in reversed([each for each in done if each.file.path.name != LEDGER_FILE]):
        down = _down(migration, policy)
        if isinstance(down, str):
            reasons.append(down)
        else:
            downs.append(down)
    if reasons:
        return "; ".join(reversed(reasons))
    return tuple(downs) or "nothing was applied that could be undone"


def _down(migration: Migration, policy: ParsePolicy) -> Migration | str:
    """What undoes a migration, or why that is not possible."""
    file = migration.file if migration.file.down or migration.statements else _undone_by_nothing(migration.file)
    if file.down is None:
        return f"migration {migration.version} has no down file"
    try:
        down = parse_down(file, policy)
    except InputError as error:
        return f"the down file of migration {migration.version} cannot run: {', '.join(map(str, error.findings))}"
    if migration.statements and not down.statements:  # its row would go, and its work stay
        return f"the down file of migration {migration.version} has no statement"
    return down


def _stuck(down: Migration, line: int, why: str, schema: str, *, first: str = "") -> Finding:
    by_hand = f"do by hand what is left of this file, and tell the ledger: {settled(schema, down.version, None)}"
    return Finding(
        f"undoing migration {down.version} {why}", path=down.source.path, line=line, hint=f"{first}{by_hand}"
    )


def _makes_the_ledger(row: Applied) -> bool:
    return f"{row.version}_{row.name}.sql" == LEDGER_FILE


def _stays(rows: Sequence[Applied], done: Sequence[Applied], policy: BackPolicy) -> Applied | None:
    """The last row that stays; None for the beginning. Raises InputError."""
    if policy.to == BEGINNING:
        return None
    if policy.to is None:
        steps = policy.steps or 0
        if steps > len(done):
            raise InputError(_too_many(steps, len(done)))
        return done[-steps - 1] if steps < len(done) else None
    number = int(policy.to)
    named = next((row for row in rows if int(row.version) == number and not _makes_the_ledger(row)), None)
    if named is None and number:
        raise InputError(_not_applied(policy, done))
    return named


def _too_many(steps: int, done: int) -> Finding:
    how_many = f"{done} of them {'is' if done == 1 else 'are'} applied" if done else "none is applied to this database"
    at_most = f'give {done} at most; `to: "0"` goes back to the beginning'
    hint = at_most if done else "look at `database-url` and `tracking-schema`: is this the database that you mean?"
    return Finding(f"steps: {counted(steps)} cannot be undone, as {how_many}", hint=hint)


def _not_applied(policy: BackPolicy, done: Sequence[Applied]) -> Finding:
    last = ", ".join(row.version for row in done[-SHOWN:])
    hint = f'the last versions that are applied: {last}; `to: "0"` is the beginning' if last else "no migration is"
    return Finding(f"to: migration {policy.to} is not applied to this database", hint=hint)


def _half_done(rows: Sequence[Applied], schema: str) -> list[Finding]:
    return [
        replace(finding, hint=f"{FINISH} {settled(schema, row.version, None)}")
        for row in rows
        for finding in half_done([row])
    ]


def _applied_later(undone: Sequence[Applied], applied: Sequence[Applied]) -> Iterator[Finding]:
    """A warning when what stays was applied after something that goes: it may need that."""
    going = {row.version for row in undone}
    first = min((row.applied_at for row in undone if row.applied_at), default=None)
    later = [
        row.version
        for row in applied
        if row.completed and row.version not in going and row.applied_at and first and row.applied_at > first
    ]
    if later:
        yield Finding(
            f"applied after some of what is undone, and staying: {', '.join(later[-SHOWN:])}",
            level=Level.WARNING,
            hint="a rollback goes by version, not by when a migration was applied: to undo these as well, give `to` a "
            "version below them",
        )


def _as_applied(row: Applied, kept: Kept, file: MigrationFile | None, folder: PurePosixPath) -> MigrationFile:
    """The migration of a row; without a text where nobody has the one that was applied."""
    same = file if file and file.checksum == row.checksum else None
    path = file.path if file else folder / f"{row.version}_{row.name}.sql"
    up = kept.up if kept.up is not None else same.up.text if same else ""
    down = _that_runs(kept, same.down if same else None)
    return MigrationFile(
        version=row.version,
        name=row.name,
        up=SourceFile(path=path, data=up.encode()),
        checksum=row.checksum,
        down=None if down is None else SourceFile(path=path.with_suffix(DOWN), data=down.encode()),
    )


def _that_runs(kept: Kept, here: SourceFile | None) -> str | None:
    """The down file as it was when the migration was applied; or, where there was none, the one that the checkout has
    now. One that a rollback has begun may be mended there.
    """
    if kept.down is not None and not kept.later:
        return kept.down
    if here and kept.down_checksum in {None, checksum(here.data)}:
        return here.text
    return kept.down


def _differs(file: MigrationFile | None, kept: Kept) -> Iterator[Finding]:
    """A notice when the checkout has another down file than the one that runs."""
    if file is None or file.down is None or kept.down is None or kept.later or file.down.text == kept.down:
        return
    path = file.down.path
    yield Finding(
        f"the down file of migration {file.version} is not the one that the ledger kept, which is what runs",
        level=Level.NOTICE,
        path=path,
        line=1,
        hint=KEPT_COUNTS,
        diff=diff_of(kept.down, file.down.text, f"{path} (kept)", f"{path} (here)"),
    )


def _without_a_down_file(file: MigrationFile, here: MigrationFile | None) -> Finding:
    if here is None:
        why = "the ledger kept no down file of it, and this checkout does not have the migration"
        return _cannot_be_undone(file, why, hint=THERE)
    if here.checksum != file.checksum:
        why = "the ledger kept no down file of it, and this checkout does not have it as it was applied"
        return _cannot_be_undone(file, why, here.up, hint=THERE)
    if here.down:
        why = "the ledger kept no text of its down file, and this checkout has another one than when it was applied"
        return _cannot_be_undone(file, why, here.down, hint=THERE)
    down = here.path.with_suffix(DOWN)
    hint = f"write {down}, which takes back what it did; or restore the database (docs/rollback.md#the-restore-target)"
    return _cannot_be_undone(file, "it has no down file", here.up, hint=hint)


def _cannot_be_undone(file: MigrationFile, why: str, source: SourceFile | None = None, *, hint: str) -> Finding:
    return Finding(
        f"migration {file.version} ({file.name}) cannot be undone: {why}",
        path=source.path if source else None,
        line=1 if source else None,
        hint=hint,
    )


def _undone_by_nothing(file: MigrationFile) -> MigrationFile:
    """A migration that has no statement, with the down file that it does not need: only its row goes."""
    return replace(file, down=SourceFile(path=file.path.with_suffix(DOWN), data=b""))


def _has_worked(file: MigrationFile) -> bool:
    """Whether a migration had a statement. One whose text nobody has may have had."""
    return checksum(file.up.data) != file.checksum or bool(read_statements(file.up, [], []))
