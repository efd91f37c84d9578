"""`db-migrate`: bring the database to what the checkout has."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from pathlib import Path

from runner.commands.journal import Journal
from runner.commands.stages import linted, parsed, passing
from runner.config import Config
from runner.console import Console
from runner.core.headline import counted
from runner.core.model import LedgerRows, LedgerState, Migration, MigrationFile, Plan, Status, Target
from runner.core.plan import changed_versions, compare, make_plan
from runner.core.resume import resumption
from runner.errors import DatabaseUnusable, Finding, InputError, MigrationFailed, Outcome, Refused
from runner.gates.confirmation import check_confirmation
from runner.gates.environment import check_environment
from runner.gates.health import check_target
from runner.gates.release import check_release
from runner.postgres.execute import apply
from runner.postgres.execution import Execution
from runner.postgres.ledger import Ledger, survey
from runner.postgres.opening import opening
from runner.postgres.orphans import end_dead_workers
from runner.postgres.pooler import refuse_statement_pooling, refuse_transaction_pooling
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, settle, usable
from runner.postgres.signals import deaf
from runner.postgres.syntax import check_syntax
from runner.postgres.watch import Watch
from runner.postgres.watcher import Mutex, release_mutex, take_mutex
from runner.workspace import discover

Open = Callable[[str], Connection]
SECOND = timedelta(seconds=1)
CHANGED = "the database changed while this run waited: what would run is not what was shown"


def migrate(
    config: Config,
    journal: Journal,
    console: Console,
    *,
    checkout: Path,
    open_connection: Open,
    scrub: Callable[[str], str],
) -> Outcome:
    """One run, stage by stage. `open_connection` takes the part that the connection plays, for its name on the server.

    Raises a RunnerError, or Cancelled, with everything up to there in the journal.
    """
    ledger = Ledger(schema=config.tracking_schema, context=journal.context, environment=config.environment)
    with journal.stage("files") as tell:
        files, warnings = discover(checkout, config.migrations_path, config.plan.version_order)
        journal.findings += warnings
        tell(f"{len(files)} in {config.migrations_path}")
    with _connected(config, journal, ledger, open_connection) as (worker, target, rows):
        worker.add_notice_handler(lambda notice: console.detail(f"{notice.severity}: {notice.message_primary}"))
        plan = _plan(config, journal, files, rows, _bodies(worker, ledger, files, rows))
        if not plan.pending:
            return _nothing_to_do(config, journal, plan)
        if config.dry_run:
            _approve(config, journal, console, worker, checkout)
            journal.skip("apply", config.dry_run_reason or "this is a dry run")
            return Outcome.DRY_RUN
        with opening(lambda: open_connection("watcher")) as watcher:  # while the files are read
            _approve(config, journal, console, worker, checkout)
            _take_sessions(journal, worker, target, watcher.result(), lambda: open_connection("rival"))
            _review(config, journal, console)
            with _mutex(config, journal, console, watcher.result()) as mutex:
                _end_dead_workers(config, console, worker)
                again, fresh_rows, fresh = _plan_again(config, files, worker, ledger, target.ledger)
                if not fresh.pending:
                    journal.plan, journal.migrations = fresh, ()
                    return _nothing_to_do(config, journal, fresh)
                if not fresh.same_as(plan):
                    raise Refused(Finding(CHANGED, hint="run again to see and approve the new plan"))
                with _watch(config, journal, console, again, mutex, scrub) as watch:
                    execution = Execution(
                        worker=worker,
                        backend=again.backend,
                        ledger=ledger,
                        mutex=mutex,
                        watch=watch,
                        timeouts=Timeouts(lock=config.timing.lock_timeout, statement=config.timing.statement_timeout),
                        tells_wal=again.tells_wal,
                        release=config.release,
                        retry=config.retry,
                        starting=console.starting,
                        retrying=console.retrying,
                        tell=lambda text: console.say(f"    {text}", "yellow"),
                        scrub=scrub,
                        warn=journal.findings.append,
                        reconnect=lambda: open_connection("worker"),
                        done=_done(config, journal.migrations, fresh_rows, worker, ledger),
                        failed=frozenset(row.version for row in fresh_rows.applied if row.status == Status.FAILED),
                    )
                    _apply(execution, journal, console, again)
                _verify(journal, execution)
                return Outcome.APPLIED


@contextmanager
def _connected(
    config: Config, journal: Journal, ledger: Ledger, open_connection: Open
) -> Iterator[tuple[Connection, Target, LedgerRows]]:
    """The worker's connection, once its server and role are found fit, and what the ledger holds."""
    with ExitStack() as stack:
        with journal.stage("connect") as tell:
            worker = stack.enter_context(open_connection("worker"))

            def fit(target: Target) -> None:
                journal.target = target
                journal.findings += check_target(target, config.tracking_schema, dry_run=config.dry_run)

            try:
                target, rows = survey(worker, ledger, fit=fit)
            except DatabaseUnusable:
                if worker.closed:  # as a pooler does that has not even transactions
                    refuse_statement_pooling(lambda: open_connection("probe"))
                raise
            tell(f"{target.server}, database {target.database}, role {target.role}")
        yield worker, target, rows


def _approve(config: Config, journal: Journal, console: Console, worker: Connection, checkout: Path) -> None:
    """Everything that may keep the plan from running, and the preview of what would."""
    assert journal.plan is not None  # noqa: S101 - this comes after it
    journal.migrations = migrations = _parsed(config, journal, journal.plan, worker)
    if config.release:
        passing(journal.judge(check_release(migrations)))
    verdict = linted(config, journal, console, checkout, migrations, pg_version=_pg_version(journal.target))
    _show_plan(console, migrations)
    passing(verdict)
    if not config.dry_run:
        _ask_for_confirmation(config, journal)
    with journal.stage("dry run") as tell:
        tell(f"preview: {counted(len(migrations))} in this order, nothing executed")


def _take_sessions(
    journal: Journal, worker: Connection, target: Target, watcher: Connection, open_rival: Callable[[], Connection]
) -> None:
    """See to it that both connections have a session of their own on the server, and settle those."""
    with journal.stage("sessions") as tell:
        refuse_transaction_pooling(worker, watcher, worker_pid=target.backend.pid, open_rival=open_rival)
        for connection in (worker, watcher):
            with usable(connection):
                settle(connection)
        tell("two, and nobody else's")


def _watch(
    config: Config, journal: Journal, console: Console, target: Target, mutex: Mutex, scrub: Callable[[str], str]
) -> Watch:
    return Watch(
        mutex.connection,
        worker=target.backend.pid,
        policy=config.watch,
        tell=console.progress,
        warn=journal.findings.append,
        scrub=scrub,
        limit=config.timing.lock_timeout,
    )


def _bodies(worker: Connection, ledger: Ledger, files: Sequence[MigrationFile], rows: LedgerRows) -> Mapping[str, str]:
    """The applied texts of files that changed since. Most runs have none, and do not ask."""
    changed = changed_versions(files, rows.applied)
    return ledger.bodies(worker, changed) if changed else {}


def _plan(
    config: Config, journal: Journal, files: Sequence[MigrationFile], rows: LedgerRows, bodies: Mapping[str, str]
) -> Plan:
    with journal.stage("environment") as tell:
        tell(passing(journal.judge(check_environment(config.environment, rows.environment))).reason)
    with journal.stage("plan") as tell:
        journal.plan = compare(files, rows.applied, config.plan.version_order)  # told when the next line refuses
        journal.plan = plan = make_plan(files, rows.applied, config.plan, bodies)
        journal.findings += plan.findings
        later = f", {len(plan.later)} left for later" if plan.later else ""
        tell(f"{len(plan.pending)} to run, {len(plan.applied)} applied before{later}")
    return plan


def _plan_again(
    config: Config, files: Sequence[MigrationFile], worker: Connection, ledger: Ledger, expected: LedgerState
) -> tuple[Target, LedgerRows, Plan]:
    """Target, ledger and plan as they are under the mutex."""

    def fit(target: Target) -> None:
        check_target(target, config.tracking_schema)

    target, rows = survey(worker, ledger, fit=fit, expected=expected)
    passing(check_environment(config.environment, rows.environment))
    return target, rows, make_plan(files, rows.applied, config.plan, _bodies(worker, ledger, files, rows))


def _done(
    config: Config, migrations: Sequence[Migration], rows: LedgerRows, worker: Connection, ledger: Ledger
) -> Mapping[str, int]:
    """How many statements earlier runs finished of migrations outside of a transaction. Raises Refused where nobody
    can tell.
    """
    begun = {int(row.version): row for row in rows.applied if row.transactional is False and not row.completed}
    bodies = ledger.bodies(worker, [row.version for row in begun.values()]) if begun else {}
    done = {
        migration.version: resumption(migration, row, config.tracking_schema, bodies.get(row.version))
        for migration in migrations
        if (row := begun.get(int(migration.version)))
    }
    if unknown := [answer for answer in done.values() if isinstance(answer, Finding)]:
        raise Refused(*unknown)
    return {version: answer for version, answer in done.items() if isinstance(answer, int)}


def _parsed(config: Config, journal: Journal, plan: Plan, worker: Connection) -> list[Migration]:
    """The pending files, parsed; all that is wrong with them in one error."""
    with journal.stage("parse") as tell:
        migrations, problems = parsed(config, journal, plan.pending)
        problems += check_syntax(worker, migrations)
        if problems:
            raise InputError(*problems)
        tell(counted(sum(migration.statement_count for migration in migrations), "statement"))
    return migrations


def _pg_version(target: Target | None) -> str | None:
    """As squawk takes it: "17.0"."""
    return f"{target.server_version // 10000}.0" if target else None


def _show_plan(console: Console, migrations: Sequence[Migration]) -> None:
    width = max(len(str(migration.file.path)) for migration in migrations)
    for migration in migrations:
        console.say(f"  {migration.file.path!s:<{width}}  {migration.headers.purpose}".rstrip())
        if migration.headers.breaking:
            console.say(f"  {'':<{width}}  breaking: {migration.headers.breaking}", "yellow")
        if migration.why:
            console.say(f"  {'':<{width}}  outside of a transaction: {migration.why}", "yellow")


def _nothing_to_do(config: Config, journal: Journal, plan: Plan) -> Outcome:
    upto = f" up to {config.plan.version}" if config.plan.version else ""
    journal.skip("apply", f"nothing to do{upto}: the database is at {plan.current_version or 'the beginning'}")
    return Outcome.UP_TO_DATE


def _ask_for_confirmation(config: Config, journal: Journal) -> None:
    with journal.stage("confirmation") as tell:
        tell(passing(journal.judge(check_confirmation(config.confirmation))).reason)


def _review(config: Config, journal: Journal, console: Console) -> None:
    delay = config.timing.review_delay
    if not delay:
        journal.skip("review window", "none: `review-delay` is 0")
        return
    with journal.stage("review window") as tell:
        console.say("  the plan above runs when the review window closes; cancel the job to stop it")
        ends = time.monotonic() + delay / SECOND
        while (remaining := ends - time.monotonic()) > 0:
            console.countdown(timedelta(seconds=remaining))
            time.sleep(min(1, remaining))
        tell("closed, nobody cancelled")


@contextmanager
def _mutex(config: Config, journal: Journal, console: Console, watcher: Connection) -> Iterator[Mutex]:
    """The mutex, held by the watcher's connection while the block runs."""
    with journal.stage("mutex") as tell:
        mutex = take_mutex(
            watcher,
            config.tracking_schema,
            wait=config.timing.lock_wait,
            tell=lambda text: console.say(f"  {text}", "yellow"),
        )
        tell("held: nobody else migrates this database now")
    try:
        yield mutex
    finally:
        if not watcher.closed and (lost := release_mutex(mutex)):
            journal.findings.append(lost)


def _end_dead_workers(config: Config, console: Console, worker: Connection) -> None:
    """Nothing of a run that died may go on beside this one."""
    if ended := end_dead_workers(worker, config.tracking_schema):
        pids = ", ".join(f"pid {pid}" for pid in ended)
        console.say(f"  ended what the server still executed for a run that died: {pids}", "yellow")


def _apply(execution: Execution, journal: Journal, console: Console, target: Target) -> None:
    with journal.stage("apply") as tell, deaf(), closing(apply(execution, journal.migrations, target.ledger)) as steps:
        try:
            for step in steps:
                journal.record(step)
                console.finished(step)
        finally:
            journal.watched = execution.watch.watched if execution.watch else None
        if failure := next((step.failure for step in journal.steps if step.failure), None):
            raise MigrationFailed(failure)
        tell(counted(len(journal.migrations)))


def _verify(journal: Journal, execution: Execution) -> None:
    """Read the ledger back: what the run says is what the database says."""
    with journal.stage("verify") as tell, ExitStack() as stack:
        worker = execution.worker
        if worker.closed:  # lost behind the last COMMIT
            worker = stack.enter_context(execution.reconnect())
        with usable(worker):
            recorded = {row.version: row for row in execution.ledger.rows(worker).applied}
        wrong = [
            Finding(f"the ledger does not have migration {migration.version} as completed", path=migration.file.path)
            for migration in journal.migrations
            if not (row := recorded.get(migration.version))
            or not row.completed
            or row.checksum != migration.file.checksum
        ]
        if wrong:
            raise MigrationFailed(*wrong)
        tell("the ledger has every migration as completed, with its checksum")
