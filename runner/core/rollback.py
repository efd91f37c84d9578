"""The ways back from a run: what it left in the database, the commands that undo it, and what can be restored.

psql executes its -f and -c in the order in which they are given, with --single-transaction in one transaction, and with
ON_ERROR_STOP nothing behind the first error: https://www.postgresql.org/docs/current/app-psql.html
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile

from runner.core.model import PRODUCTION, BackupMode, Migration, MigrationFile, Report, StepResult
from runner.core.naming import LEDGER_FILE
from runner.core.parse import ParsePolicy, parse_down
from runner.errors import InputError, Outcome

PSQL = 'psql -X -d "$DATABASE_URL"'
NEXT_LINE = " \\\n  "
MOST_LISTED = 8  # versions of a list that is written out
PLAIN_WORD = re.compile(r"[A-Za-z0-9_@%+=:,./-]+")
SPECIAL_IN_QUOTES = re.compile(r'([\\"$`])')


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreTarget:
    """A moment before the run's first migration."""

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
    """The ways back from a run that executed migrations, when it failed or was cancelled, or in production. None where
    there is nothing to go back from.
    """
    if report.command != "migrate" or not report.steps:
        return None
    if report.outcome is Outcome.APPLIED and report.environment != PRODUCTION:
        return None
    run = _Run(report)
    if not (run.staying or run.uncertain or run.undone):
        return RollbackInstructions(state=(*run.state(), "Nothing of this run remains: there is nothing to undo."))
    return RollbackInstructions(
        state=tuple(run.state()),
        question=run.question(),
        commands=tuple(run.commands()),
        cautions=tuple(run.cautions()),
        restore=_restore_target(report),
        from_backup=_from_backup(report),
    )


def in_short(back: RollbackInstructions) -> Iterator[str]:
    """The same for a log: the state, the first command, and what can be restored; a line each."""
    yield from back.state
    if back.question:
        yield _block("The ledger tells", back.question)
    if back.commands:
        first, *rest = back.commands
        yield _block("What undoes it", first)
        if rest:
            yield f"  … and {len(rest)} more like it, the last migration first: see the job summary, or its down files"
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


class _Run:
    """A run's migrations, by what became of them."""

    def __init__(self, report: Report) -> None:
        self._report = report
        undoing = report.undoing
        self.undone = undoing.undone if undoing else ()
        self.stuck = undoing.failed if undoing else None  # what could not be undone
        done = [step.migration for step in report.steps if step.completed]
        self.staying = [migration for migration in done if migration.version not in self.undone]
        self.failed = next((step for step in report.steps if not step.completed), None)
        touched = {step.migration.version for step in report.steps}
        pending = report.plan.pending if report.plan else ()
        self.rest = [file.version for file in pending if file.version not in touched]
        self._undoable, in_the_way = _undoable(self.to_undo(), report.tracking_schema)
        self._in_the_way = self._only_restored(*in_the_way) if in_the_way else ""

    @property
    def uncertain(self) -> bool:
        """Something of the failed one stays, or may: even its first statement, when that is no transaction either."""
        return self.failed is not None and not (self.failed.sure and self.failed.migration.transactional)

    @property
    def _in_the_air(self) -> StepResult | None:
        """One of which nobody knows whether it was committed."""
        return self.failed if self.failed and self.failed.migration.transactional and not self.failed.sure else None

    def to_undo(self) -> list[Migration]:
        """What stays, the last one first; the half done one before it."""
        half = [self.failed.migration] if self.failed and self.uncertain else []
        return half + self.staying[::-1]

    def state(self) -> Iterator[str]:
        """What is in the database, and what is not."""
        if self.staying:
            stays = "" if self._report.outcome is Outcome.APPLIED else ", and staying"
            yield f"Applied by this run{stays}: {_listed([each.version for each in self.staying])}."
        if self.undone:
            by = "its down file" if len(self.undone) == 1 else "their down files, in this order"
            yield f"Applied by this run, and undone by {by}: {_listed(self.undone)}."
        if self.stuck:
            yield _what_remains_of_undoing(self.stuck)
        if self._report.undoing and self._report.undoing.why_not:
            yield f"Nothing was undone: {self._report.undoing.why_not.rstrip('.')}."
        if self.failed:
            yield _what_remains(self.failed)
        if self.rest:
            yield from self._of_the_rest()

    def _of_the_rest(self) -> Iterator[str]:
        unknown, known = self._unknown, self.rest[len(self._unknown) :]
        if unknown and self._in_the_air:
            yield f"The same goes for what was under way with it: of {_listed(unknown)} only the ledger can tell."
        elif unknown:
            yield f"Nobody knows yet what became of {_listed(unknown)}: the ledger tells."
        if known:
            yield f"Not applied: {_listed(known)}."

    @property
    def _unknown(self) -> list[str]:
        """Those that may have been committed. One outside of a transaction is begun when all before it is known."""
        if self._in_the_air:
            outside = {each.version for each in self._report.migrations if not each.transactional}
            return list(takewhile(lambda version: version not in outside, self.rest))
        return [] if self.failed or self._report.outcome is Outcome.CANCELLED else self.rest

    def question(self) -> str:
        """The command that shows what the ledger has of this run, where nobody knows."""
        if not (self._in_the_air or self._unknown or self._undoing_in_the_air):
            return ""
        table = f"{_identifier(self._report.tracking_schema)}.schema_migrations"
        run = f"run_id = '{self._report.context.run_id}'"
        sql = f"SELECT version, status FROM {table} WHERE {run} ORDER BY version"  # noqa: S608 - for people to run, and quoted
        return NEXT_LINE.join((PSQL, f"-c {_shell(sql)}"))

    @property
    def _undoing_in_the_air(self) -> bool:
        """Whether only the ledger knows if it was undone; of a down file outside of a transaction it does not."""
        return self.stuck is not None and self.stuck.migration.transactional and not self.stuck.sure

    def commands(self) -> Iterator[str]:
        """What undoes the run, as far as down files do."""
        for migration, command in self._undoable:
            yield self._remark(migration) + command

    def _remark(self, migration: Migration) -> str:
        if self._in_the_air and migration is self._in_the_air.migration:
            return f"# {migration.version} only when it is completed:\n"
        if self.failed and migration is self.failed.migration and not self.failed.half_done:
            return f"# {migration.version} only when it has left something\n"
        if (
            self.failed
            and migration is self.failed.migration
            and self.failed.statements_done < migration.statement_count
        ):
            return f"# {migration.version} is half done: see first what of its down file fits\n"
        if self.stuck and migration.version == self.stuck.migration.version:
            return f"# {migration.version} could not be undone: see first why\n"
        return ""

    def cautions(self) -> Iterator[str]:
        """What the commands cost, and what they cannot do."""
        if self._undoable:
            yield (
                "Undoing drops what was written since into the tables and columns that these migrations made. `verify` "
                "then tells of a changed schema, until the next run has applied something."
            )
        elif self.undone and not self.to_undo():
            yield "What was written meanwhile into the tables and columns that they had made went with them."
        if self._unknown:
            yield "Whatever else is completed is undone before that, the last one first, in the same way."
        if any("--single-transaction" not in command for _, command in self._undoable):
            yield (
                "A command without `--single-transaction` is not all or nothing: when it fails, look at what is left "
                "before you repeat it."
            )
        if self._in_the_way:
            yield self._in_the_way

    def _only_restored(self, migration: Migration, *before: Migration) -> str:
        why = "has a down file without a statement" if migration.file.down else "has no down file"
        half = self.failed and migration is self.failed.migration
        way = "what it has left goes by hand, or by a restore" if half else "only a restore takes it back"
        below = ""
        if before:
            versions = _listed([each.version for each in reversed(before)])
            below = f" {versions} came before it, and can only be undone after it."
        return f"Migration {migration.version} {why}: {way}.{below}"


def _undoable(migrations: Sequence[Migration], schema: str) -> tuple[list[tuple[Migration, str]], Sequence[Migration]]:
    """The commands for these, as far as the first that no file undoes; that one, and those behind it. The ledger's own
    file is passed over: nobody could tell without it what was undone.
    """
    found: list[tuple[Migration, str]] = []
    waiting = [each for each in migrations if each.file.path.name != LEDGER_FILE]
    for number, migration in enumerate(waiting):
        command = _command(migration, schema)
        if not command:
            return found, waiting[number:]
        found.append((migration, command))
    return found, ()


def _command(migration: Migration, schema: str) -> str:
    """Run the down file and take the migration out of the ledger; empty when there is no such file, or nothing in it
    though there was something to undo.
    """
    file = migration.file
    if file.down is None:
        return ""
    together = _in_one_transaction(file, schema)
    if together is None and migration.statements:
        return ""
    table = f"{_identifier(schema)}.schema_migrations"
    sql = f"DELETE FROM {table} WHERE version = '{file.version}'"  # noqa: S608 - for people to run, and quoted
    options = f"{PSQL} -v ON_ERROR_STOP=1{'' if together is False else ' --single-transaction'}"
    return NEXT_LINE.join((options, f"-f {_shell(str(file.down.path))}", f"-c {_shell(sql)}"))


def _in_one_transaction(file: MigrationFile, schema: str) -> bool | None:
    """Whether psql may put the down file between BEGIN and COMMIT; None when it has no statement. One that cannot be
    read here psql may read: in a transaction it does no harm when it fails.
    """
    try:
        down = parse_down(file, ParsePolicy(tracking_schema=schema, own_transactions=True))
    except InputError:
        return True
    if not down.statements:
        return None
    return down.transactional and not any(statement.traits.control for statement in down.statements)


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
    """Of a down file that failed."""
    version, down = stuck.migration.version, stuck.migration
    failed = f"Undoing {version} failed: {str(stuck.failure).rstrip('.')}."
    if down.transactional and not stuck.sure:
        return f"{failed} Nobody can tell yet whether it was committed: while its row is there, it was not."
    if down.transactional:
        return f"{failed} PostgreSQL rolled it back: migration {version} stays as it was."
    of = f"{stuck.statements_done} of {down.statement_count} statements of its down file"
    unknown = "" if stuck.sure else "; of the one behind them nobody knows yet"
    return f"{failed} {of} are done{unknown}. The ledger still has migration {version}."


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


def _listed(versions: Sequence[str]) -> str:
    """`01, 02, 03`; of many the ends and the number."""
    if len(versions) <= MOST_LISTED:
        return ", ".join(versions)
    return f"{versions[0]}, {versions[1]} … {versions[-1]} ({len(versions)} migrations)"


def _identifier(name: str) -> str:
    """A name as SQL takes it; any but the most common one could be a keyword."""
    return name if name == "public" else '"{}"'.format(name.replace('"', '""'))


def _shell(text: str) -> str:
    """One word for a POSIX shell, and for bash as people type into it: there `!` is special in double quotes."""
    if PLAIN_WORD.fullmatch(text):
        return text
    if "'" not in text:
        return f"'{text}'"
    if "!" not in text:
        return '"{}"'.format(SPECIAL_IN_QUOTES.sub(r"\\\1", text))
    return "'{}'".format(text.replace("'", "'\\''"))
