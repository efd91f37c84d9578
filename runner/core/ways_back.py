"""The ways back from a run: what it left in the database, the commands that undo it, and what can be restored.

psql executes a file up to its first error with ON_ERROR_STOP: https://www.postgresql.org/docs/current/app-psql.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from runner.core.migration import Migration
from runner.core.model import PRODUCTION, BackupMode, Report
from runner.core.naming import LEDGER_FILE
from runner.core.phrases import OF_A_MIGRATION, OF_A_ROLLBACK
from runner.core.steps import StepResult
from runner.core.versions import version_below
from runner.errors import Outcome

USUAL_SCHEMA, USUAL_FOLDER = "public", "migrations"
GONE = "What was written into the tables and columns that are undone is gone with them."
MOST_LISTED = 8  # versions of a list that is written out
PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
SPECIAL_IN_QUOTES = re.compile(r'([\\"$`])')


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTarget:
    """A moment before the run changed anything."""

    at: datetime  # UTC, in whole seconds, and not later than the moment
    name: str = ""  # of the point in the write-ahead log; empty when none was made
    lsn: str = ""  # its position there; empty when that is not known
    marked: bool = True  # False: the run marked none, and this is when it began, by its own clock
    archived: bool | None = None  # the server archives its log; None when that is not known

    @property
    def time(self) -> str:
        """As people and PostgreSQL read it: `2026-11-22 12:00:00 UTC`."""
        return f"{self.at:%Y-%m-%d %H:%M:%S} UTC"

    @property
    def stamp(self) -> str:
        """As RFC 3339 has it: `2026-11-22T12:00:00Z`."""
        return f"{self.at:%Y-%m-%dT%H:%M:%S}Z"

    @property
    def seconds(self) -> int:
        """Since 1970."""
        return int(self.at.timestamp())

    @property
    def setting(self) -> str:
        """What says it to a server that recovers. A name is exact, and a position when what begins there stays out.

        https://www.postgresql.org/docs/current/runtime-config-wal.html#RUNTIME-CONFIG-WAL-RECOVERY-TARGET
        """
        if self.name:
            return f"recovery_target_name = '{self.name}'"
        if self.lsn:
            return f"recovery_target_lsn = '{self.lsn}'\nrecovery_target_inclusive = off"
        return f"recovery_target_time = '{self.time}'"


@dataclass(frozen=True, slots=True, kw_only=True)
class RollbackInstructions:
    """What is true after a run, and the ways back. In the sentences `such words` are code."""

    state: tuple[str, ...]  # what is in the database and what is not, a sentence or two each
    question: str = ""  # the command that tells what nobody knows yet, for a shell
    commands: tuple[str, ...] = ()  # that undo, for a shell in the checkout, each only when the one before succeeded
    cautions: tuple[str, ...] = ()  # what they cost, and what they cannot do
    restore: RestoreTarget | None = None  # None where nothing is left of the run
    from_backup: str = ""  # commands that restore the run's own dump into a new database


def rollback_instructions(report: Report) -> RollbackInstructions | None:
    """The ways back from a run that executed migrations or undid some, when it failed or was cancelled, or in
    production. None where there is nothing to go back from.
    """
    if not report.has_executed:
        return None
    if ended_well(report) and report.environment != PRODUCTION:
        return None
    return _from_a_rollback(report) if report.command == "rollback" else _Run(report).instructions()


def ended_well(report: Report) -> bool:
    """It did what it was asked for. A migration that was undone behind a failed smoke test has not."""
    return report.outcome is (Outcome.ROLLED_BACK if report.command == "rollback" else Outcome.APPLIED)


def goes_on(stuck: StepResult) -> bool:
    """Whether a later run can go on with undoing that stopped: what its finished statements left in their session is
    lost.
    """
    from runner.core.session_state import lost_with_the_session

    return stuck.migration.transactional or lost_with_the_session(stuck.migration, stuck.statements_done) is None


def settle_undone(report: Report, version: str) -> str:
    """The command that tells the ledger that nothing of a migration is left."""
    return _db_migrate(report, "repair", f"--settle={version}=undone", confirmed=OF_A_MIGRATION)


def in_short(back: RollbackInstructions) -> Iterator[str]:
    """The same for a log: the state, the commands, and what can be restored; a line each."""
    yield from back.state
    if back.question:
        yield _block("The ledger tells", back.question)
    if back.commands:
        yield _block("What undoes it", " &&\n".join(back.commands))
    yield from back.cautions
    if back.restore:
        yield f"Restore target: {describe_target(back.restore)}; a restore loses what was written since."


def _block(heading: str, command: str) -> str:
    return "\n".join((f"{heading}:", *(f"  {line}" for line in command.split("\n"))))


def describe_target(target: RestoreTarget) -> str:
    """`db_migrate_1a2b3c4d, WAL position 0/16B3748, 2026-11-22 12:00:00 UTC`."""
    position = f"WAL position {target.lsn}" if target.lsn else ""
    when = target.time if target.marked else f"{target.time}, when the run began by its own clock"
    return ", ".join(filter(None, (f"`{target.name}`" if target.name else "", position, when)))


def _from_a_rollback(report: Report) -> RollbackInstructions:
    """What it has undone, and how it goes on."""
    stuck, undone = _stuck(report), report.undone
    gone = set(undone)
    left = [migration for migration in report.migrations if migration.version not in gone]
    unclear = stuck.migration.version if stuck and (stuck.half_done or not stuck.sure) else ""
    staying = [migration for migration in left[::-1] if migration.version != unclear]
    state = [
        f"Undone by this run{', in this order' if undone[1:] else ''}: {_listed(undone)}." if undone else "",
        f"Not undone: {_versions(staying)}." if staying else "",
        _what_remains_of_undoing(stuck) if stuck else "",
    ]
    changed = bool(undone or unclear)
    return RollbackInstructions(
        state=tuple(filter(None, state)),
        question=_db_migrate(report, "status") if _undoing_in_the_air(stuck) else "",
        commands=(*_what_goes_first(report, stuck), *_undoing(report, _undoable(left, stuck))),
        cautions=(GONE,) if undone else (),
        restore=_restore_target(report) if changed else None,
        from_backup=_from_backup(report) if changed else "",
    )


class _Run:
    """A run's migrations, by what became of them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._stuck, undone = _stuck(report), set(report.undone)
        done = [step.migration for step in report.steps if step.completed]
        self._staying = [migration for migration in done if migration.version not in undone]
        self._failed = next((step for step in report.steps if not step.completed), None)
        in_one = self._failed is not None and self._failed.migration.transactional
        self._half = None if in_one else self._failed  # it may have left something, even of its first statement
        self._in_the_air = self._failed if in_one and self._failed and not self._failed.sure else None  # committed?
        touched = {step.migration.version for step in report.steps}
        self._rest = [migration for migration in report.migrations if migration.version not in touched]
        self._unknown = self._perhaps_committed()

    def _perhaps_committed(self) -> Sequence[Migration]:
        """Those of the rest that may have been. One outside of a transaction is begun when all before it is known."""
        if self._in_the_air:
            return list(takewhile(lambda migration: migration.transactional, self._rest))
        return [] if self._failed or self._report.outcome is Outcome.CANCELLED else self._rest

    def instructions(self) -> RollbackInstructions:
        """The ways back from it."""
        report, state = self._report, tuple(self._state())
        if not (self._staying or self._half or self._in_the_air or report.undone):
            return RollbackInstructions(state=(*state, "Nothing of this run remains: there is nothing to undo."))
        to_undo, in_the_way = self._as_far_as_it_goes()
        in_doubt = bool(self._in_the_air or self._unknown or _undoing_in_the_air(self._stuck))
        by_hand = tuple(_by_hand(report, self._half)) if self._half else _what_goes_first(report, self._stuck)
        cautions = [
            GONE if report.undone else "",
            "Undoing drops what was written since into the tables and columns that these migrations made."
            if to_undo
            else "",
            "A rollback undoes what the ledger has as completed, and nothing else." if to_undo and in_doubt else "",
            _of_what_goes_by_hand(self._half.migration) if self._half else "",
            in_the_way,
        ]
        return RollbackInstructions(
            state=state,
            question=_db_migrate(report, "status") if in_doubt else "",
            commands=(*by_hand, *_undoing(report, _undoable(to_undo, self._stuck))),
            cautions=tuple(filter(None, cautions)),
            restore=_restore_target(report),
            from_backup=_from_backup(report),
        )

    def _state(self) -> Iterator[str]:
        """What is in the database, and what is not."""
        undone, undoing = self._report.undone, self._report.undoing
        if self._staying:
            stays = "" if self._report.outcome is Outcome.APPLIED else ", and staying"
            yield f"Applied by this run{stays}: {_versions(self._staying)}."
        if undone:
            by = "its down file" if len(undone) == 1 else "their down files, in this order"
            yield f"Applied by this run, and undone by {by}: {_listed(undone)}."
        if self._stuck:
            yield _what_remains_of_undoing(self._stuck)
        if undoing and undoing.why_not:
            yield f"Nothing was undone: {undoing.why_not.rstrip('.')}."
        if self._failed:
            yield _what_remains(self._failed)
        if self._unknown and self._in_the_air:
            yield f"The same goes for what was under way with it, {_versions(self._unknown)}: only the ledger can tell."
        elif self._unknown:
            yield f"Nobody knows yet what became of {_versions(self._unknown)}: the ledger tells."
        if known := self._rest[len(self._unknown) :]:
            yield f"Not applied: {_versions(known)}."

    def _as_far_as_it_goes(self) -> tuple[Sequence[Migration], str]:
        """What a rollback undoes of it, the last one first, as far as the first that it cannot; and why it cannot."""
        in_the_air = [self._in_the_air.migration] if self._in_the_air else []
        applied = [*self._staying, *in_the_air, *self._unknown]
        waiting = [migration for migration in applied[::-1] if migration.file.path.name != LEDGER_FILE]
        for number, migration in enumerate(waiting):
            if why := self._why_not(migration):
                below = _versions(waiting[:number:-1])
                return waiting[:number], f"{why} {below} can only be undone after it." if below else why
        return waiting, ""

    def _why_not(self, migration: Migration) -> str:
        """What keeps a rollback from undoing this migration, in a sentence; empty when nothing is seen. It looks closer
        itself, before it undoes anything.
        """
        version, plan = migration.version, self._report.plan
        if lack := _lack(migration):
            return f"Migration {version} {lack}: what it did goes by hand, or by a restore."
        if plan is None or not plan.applied or plan.order.key(plan.applied[-1]) < plan.order.key(version):
            return ""
        later = [each for each in plan.applied if plan.order.key(each) > plan.order.key(version)]
        return (
            f"Migration {version} came late: a rollback goes by version, and would undo {_listed(later)} as well, "
            "which this run did not apply."
        )


def _stuck(report: Report) -> StepResult | None:
    """What could not be undone."""
    return report.undoing.failed if report.undoing else None


def _undoing_in_the_air(stuck: StepResult | None) -> bool:
    """Whether the ledger knows if it was undone, and nobody else. Of the half of a down file it knows nothing."""
    return stuck is not None and stuck.migration.transactional and not stuck.sure


def _what_goes_first(report: Report, stuck: StepResult | None) -> tuple[str, ...]:
    """What comes before a rollback that cannot go on where the one before has stopped."""
    if stuck is None or goes_on(stuck):
        return ()
    version = stuck.migration.version
    return (f"# when nothing of {version} is left\n{settle_undone(report, version)}",)


def _undoable(migrations: Sequence[Migration], stuck: StepResult | None) -> Sequence[Migration]:
    """Those that a rollback can undo, or go on with."""
    by_hand = "" if stuck is None or goes_on(stuck) else stuck.migration.version
    return [migration for migration in migrations if migration.version != by_hand]


def _undoing(report: Report, migrations: Sequence[Migration]) -> Iterator[str]:
    """The command that undoes these, of which the last one is undone first."""
    if migrations:
        to = version_below(report, migrations[-1].version)
        yield _db_migrate(report, "rollback", f"--to={to}", confirmed=OF_A_ROLLBACK)


def _by_hand(report: Report, half: StepResult) -> Iterator[str]:
    """What takes back a migration outside of a transaction that has failed."""
    version, down = half.migration.version, half.migration.file.down
    if down and not _lack(half.migration):
        what = "see first what fits of the down file of" if half.half_done else "only when something is left of"
        yield f'# {what} {version}\npsql -X -d "$DATABASE_URL" -v ON_ERROR_STOP=1 -f {_shell(str(down.path))}'
    if half.half_done:
        yield f"# when nothing of {version} is left\n{settle_undone(report, version)}"


def _of_what_goes_by_hand(migration: Migration) -> str:
    if lack := _lack(migration):
        return f"Migration {migration.version} {lack}: what it has left goes by hand, or by a restore."
    return (
        "psql stops at the first error, and what it did before stays: look at what is left before you repeat it. It "
        "does not hold the mutex: see to it that nobody migrates meanwhile."
    )


def _db_migrate(report: Report, command: str, *options: str, confirmed: str = "") -> str:
    """A command of ours, for the same database, ledger and files."""
    folder = str(report.migrations[0].file.path.parent) if report.migrations else USUAL_FOLDER
    words = ["db-migrate", command, f"--environment={report.environment}", *options]
    if folder != USUAL_FOLDER:
        words.append(f"--migrations-path={folder}")
    if report.tracking_schema != USUAL_SCHEMA:
        words.append(f"--tracking-schema={report.tracking_schema}")
    if confirmed and report.environment == PRODUCTION:
        words.append(f"--confirmation={confirmed}")
    return " ".join(map(_shell, words))


def _lack(migration: Migration) -> str:
    """What a migration lacks to be undone; empty when nothing is seen."""
    down = migration.file.down
    if down is None:
        return "has no down file" if migration.statements else ""
    from runner.core.split import SplitError, split

    try:
        empty = next(split(down.data), None) is None
    except SplitError:
        return ""
    return "has a down file without a statement" if empty and migration.statements else ""


def _what_remains(failed: StepResult) -> str:
    """Of a migration that did not complete."""
    version, done = failed.migration.version, failed.statements_done
    if failed.migration.transactional and not failed.sure:
        return (
            f"Nobody can tell yet whether migration {version} was committed: its work and its row in the ledger are "
            "one transaction, and there together or not at all."
        )
    if failed.migration.transactional:
        return f"What this run did in migration {version} was rolled back by PostgreSQL: nothing of it remains."
    of = f"{done} of {failed.migration.statement_count} statements"
    if failed.sure and done == failed.migration.statement_count:
        return (
            f"Migration {version} does not run in one transaction: all of its statements are done and stay; its check "
            "failed, and the next run asks that again."
        )
    if failed.sure:
        return (
            f"Migration {version} does not run in one transaction: {of} are done and stay; the next run goes on there. "
            "The statement that failed may have left something, such as an invalid index."
        )
    return (
        f"Migration {version} does not run in one transaction: {of} are done and stay; of the one behind them nobody "
        "knows yet."
    )


def _what_remains_of_undoing(stuck: StepResult) -> str:
    """Of a migration whose down file failed."""
    version, down = stuck.migration.version, stuck.migration
    failed = f"Undoing {version} failed: {str(stuck.failure).rstrip('.')}."
    if down.transactional and not stuck.sure:
        return f"{failed} Nobody can tell yet whether it was committed: while its row is there, it was not."
    if down.transactional:
        return f"{failed} PostgreSQL rolled it back: migration {version} stays as it was."
    of = f"{stuck.statements_done} of {down.statement_count} statements of its down file"
    unknown = "" if stuck.sure else "; of the one behind them nobody knows yet"
    done = f"{failed} {of} are done{unknown}."
    if goes_on(stuck):
        return f"{done} While the ledger has migration {version}, a rollback goes on there."
    return f"{done} No run goes on there, as it would lack what they left in their session: the rest goes by hand."


def _restore_target(report: Report) -> RestoreTarget:
    point = report.restore_point
    if point is None:
        return RestoreTarget(at=_whole_second(report.started_at), marked=False)
    return RestoreTarget(at=_whole_second(point.at), name=point.name, lsn=point.lsn, archived=point.archived)


def _whole_second(moment: datetime) -> datetime:
    """In UTC, and never later: a provider takes no more than seconds."""
    return moment.astimezone(UTC).replace(microsecond=0)


def _from_backup(report: Report) -> str:
    """Into a new database, so that nothing is lost when the dump turns out to be the wrong one."""
    backup = report.backup
    if backup is None or backup.mode is not BackupMode.DUMP:
        return ""
    name = f"{report.target.database if report.target else 'database'}_restored"
    return "\n".join(
        (
            f'createdb --maintenance-db="$DATABASE_URL" --template=template0 {_shell(name)}',
            "# RESTORED_URL: the same URL with the name of the new database; not as a superuser, add --no-owner",
            f'pg_restore --exit-on-error --dbname="$RESTORED_URL" {_shell(str(backup.path))}',
        )
    )


def _versions(migrations: Sequence[Migration]) -> str:
    return _listed([migration.version for migration in migrations])


def _listed(versions: Sequence[str]) -> str:
    """`01, 02, 03`; of many the ends and the number."""
    if len(versions) <= MOST_LISTED:
        return ", ".join(versions)
    return f"{versions[0]}, {versions[1]} … {versions[-1]} ({len(versions)} migrations)"


def _shell(text: str) -> str:
    """One word for a POSIX shell, and for bash as people type into it: there `!` is special in double quotes."""
    if PLAIN_WORD.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    if "!" not in text:
        return '"{}"'.format(SPECIAL_IN_QUOTES.sub(r"\\\1", text))
    return "'{}'".format(text.replace("'", "'\\''"))
