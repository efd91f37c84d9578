"""`db-migrate`: bring the database to what the checkout has."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import timedelta

from runner.commands.approve import admit, approve, still_open
from runner.commands.drift import keep_schema, schema_before
from runner.commands.dry_run import dry_run
from runner.commands.release import release
from runner.commands.run import Run
from runner.commands.safeguards import back_up, mark_restore_point
from runner.commands.smoke import ask_again, read_smoke_tests, smoke_test
from runner.commands.stages import passing, refused_for
from runner.core.headline import counted
from runner.core.model import (
    DryRunMode,
    LedgerRows,
    LedgerState,
    MigrationFile,
    Plan,
    SmokeTest,
    Status,
    Target,
    Verdict,
)
from runner.core.plan import changed_versions, compare, make_plan
from runner.core.restore_point import RestorePointFacts
from runner.core.resume import resumption
from runner.core.validity import Validity
from runner.core.validity import findings as validity_findings
from runner.errors import (
    Cancelled,
    DatabaseUnusable,
    Finding,
    MigrationFailed,
    Outcome,
    Refused,
    RunnerError,
)
from runner.gates.environment import check_environment
from runner.gates.health import GATE as HEALTH
from runner.gates.health import check_target
from runner.postgres.execute import apply, end_run
from runner.postgres.execution import Execution
from runner.postgres.ledger import survey
from runner.postgres.opening import opening
from runner.postgres.orphans import end_dead_workers
from runner.postgres.pooler import refuse_statement_pooling, refuse_transaction_pooling
from runner.postgres.session import Connection, reading, settle, usable
from runner.postgres.signals import deaf
from runner.postgres.validity import ask_validity, validity
from runner.postgres.watch import Watch
from runner.postgres.watcher import Mutex, release_mutex, take_mutex
from runner.workspace import discover

SECOND = timedelta(seconds=1)
FILES_AND_LEDGER = "files and ledger"
CHANGED = "the database changed while this run waited: what would run is not what was shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was found before the mutex was taken, and goes on under it."""

    files: Sequence[MigrationFile]
    tests: Sequence[SmokeTest]
    target: Target
    plan: Plan
    restorable: RestorePointFacts | None  # None when no restore point is wanted


def migrate(run: Run) -> Outcome:
    """One run, stage by stage. Raises a RunnerError, or Cancelled, with everything up to there in the journal."""
    config, journal = run.config, run.journal
    with journal.stage("files") as tell:
        files, warnings = discover(run.checkout, config.migrations_path, config.plan.version_order)
        journal.findings += warnings
        tests = read_smoke_tests(run)
        tell(f"{len(files)} in {config.migrations_path}")
    with _connected(run) as (worker, target, rows):
        admit(run, worker, rows)
        plan = _plan(run, files, rows, worker)
        if not plan.pending:
            outcome = _nothing_to_do(run, plan, worker, tests, rows)
            release(run, worker, files)
            return outcome
        if config.dry_run and config.dry_run_mode is not DryRunMode.REHEARSE:
            approve(run, worker, target, rows, tests, plan)
            dry_run(run, worker, None, target)
            return _only_tried(run)
        with opening(lambda: run.open_connection("watcher")) as watcher:  # while the files are read
            facts = approve(run, worker, target, rows, tests, plan)
            _take_sessions(run, worker, target, watcher.result())
            dry_run(run, worker, watcher.result(), target)
            if config.dry_run:
                return _only_tried(run)
            _review(run)
            with _mutex(run, watcher.result()) as mutex:
                shown = Shown(files=files, tests=tests, target=target, plan=plan, restorable=facts)
                outcome = _under_mutex(run, shown, worker, mutex)
            release(run, worker, files)
            return outcome


def _only_tried(run: Run) -> Outcome:
    run.journal.skip("apply", run.config.dry_run_reason or "this is a dry run")
    return Outcome.DRY_RUN


def _under_mutex(run: Run, shown: Shown, worker: Connection, mutex: Mutex) -> Outcome:
    """Nobody else migrates now: is everything still as it was shown, then apply it."""
    still_open(run)
    _end_dead_workers(run, worker)
    again, rows, fresh = _plan_again(run, shown.files, worker, shown.target.ledger)
    if not fresh.pending:
        run.journal.plan, run.journal.migrations = fresh, ()
        return _nothing_to_do(run, fresh, worker, shown.tests, rows)
    if not fresh.same_as(shown.plan):
        raise Refused(Finding(CHANGED, hint="run again to see and approve the new plan"))
    done = _done(run, rows, worker)
    back_up(run, worker)
    still_open(run)
    before, valid_before = schema_before(run, worker), validity(worker)
    mark_restore_point(run, worker, shown.restorable)
    watch = _watch(run, again, mutex)
    execution = _execution(run, worker, again, mutex, watch, rows, done)
    try:
        with watch:
            _apply(execution, run, again)
        _verify(run, execution, valid_before)
        smoke_test(run, execution, shown.tests, lambda: _watch(run, again, mutex))
        with deaf():
            end_run(execution, Outcome.APPLIED)
    except (RunnerError, Cancelled) as error:
        all_applied = [step.migration for step in run.journal.steps if step.completed] == list(run.journal.migrations)
        if all_applied:  # else applying has told the ledger itself
            with deaf():
                end_run(execution, error.outcome)
        if isinstance(error, MigrationFailed) or (all_applied and not isinstance(error, Cancelled)):
            keep_schema(run, execution, before)  # a cancel leaves no time for it
        raise
    keep_schema(run, execution, before)
    return Outcome.APPLIED


def _execution(
    run: Run,
    worker: Connection,
    target: Target,
    mutex: Mutex,
    watch: Watch,
    rows: LedgerRows,
    done: Mapping[str, int],
) -> Execution:
    config, console = run.config, run.console
    return Execution(
        worker=worker,
        backend=target.backend,
        ledger=run.ledger,
        mutex=mutex,
        watch=watch,
        timeouts=run.timeouts,
        tells_wal=target.tells_wal,
        plan_digest=run.journal.plan_document.digest if run.journal.plan_document else "",
        restore_point=run.journal.restore_point.text if run.journal.restore_point else "",
        release=config.release,
        retry=config.retry,
        starting=console.starting,
        retrying=console.retrying,
        tell=lambda text: console.say(f"    {text}", "yellow"),
        scrub=run.scrub,
        warn=run.journal.findings.append,
        reconnect=lambda: run.open_connection("worker"),
        done=done,
        failed=frozenset(row.version for row in rows.applied if row.status == Status.FAILED),
    )


@contextmanager
def _connected(run: Run) -> Iterator[tuple[Connection, Target, LedgerRows]]:
    """The worker's connection, once its server and role are found fit, and what the ledger holds."""
    config, journal = run.config, run.journal
    with ExitStack() as stack:
        with journal.stage("connect") as tell:
            worker = stack.enter_context(run.open_connection("worker"))

            def fit(target: Target) -> None:
                journal.target = target
                try:
                    journal.findings += check_target(target, config.tracking_schema, dry_run=config.dry_run)
                except DatabaseUnusable as error:
                    journal.judge(refused_for(HEALTH, error.findings))
                    raise

            try:
                target, rows = survey(worker, run.ledger, fit=fit)
            except DatabaseUnusable:
                if worker.closed:  # as a pooler does that has not even transactions
                    refuse_statement_pooling(lambda: run.open_connection("probe"))
                raise
            tell(f"{target.server}, database {target.database}, role {target.role}")
        worker.add_notice_handler(lambda notice: run.console.detail(f"{notice.severity}: {notice.message_primary}"))
        yield worker, target, rows


def _take_sessions(run: Run, worker: Connection, target: Target, watcher: Connection) -> None:
    """See to it that both connections have a session of their own on the server, and settle those."""
    with run.journal.stage("sessions") as tell:
        pid = target.backend.pid
        refuse_transaction_pooling(worker, watcher, worker_pid=pid, open_rival=lambda: run.open_connection("rival"))
        for connection in (worker, watcher):
            with usable(connection):
                settle(connection)
        tell("two, and nobody else's")


def _watch(run: Run, target: Target, mutex: Mutex) -> Watch:
    return Watch(
        mutex.connection,
        worker=target.backend.pid,
        policy=run.config.watch,
        tell=run.console.progress,
        warn=run.journal.findings.append,
        scrub=run.scrub,
        limit=run.config.timing.lock_timeout,
    )


def _bodies(run: Run, worker: Connection, files: Sequence[MigrationFile], rows: LedgerRows) -> Mapping[str, str]:
    """The applied texts of files that changed since. Most runs have none, and do not ask."""
    changed = changed_versions(files, rows.applied)
    return run.ledger.bodies(worker, changed) if changed else {}


def _plan(run: Run, files: Sequence[MigrationFile], rows: LedgerRows, worker: Connection) -> Plan:
    config, journal = run.config, run.journal
    bodies = _bodies(run, worker, files, rows)
    with journal.stage("plan") as tell:
        journal.plan = compare(files, rows.applied, config.plan.version_order)  # told when the next line refuses
        try:
            journal.plan = plan = make_plan(files, rows.applied, config.plan, bodies)
        except RunnerError as error:
            journal.judge(refused_for(FILES_AND_LEDGER, error.findings))
            raise
        journal.judge(Verdict(gate=FILES_AND_LEDGER, passed=True, reason="they agree"))
        journal.findings += plan.findings
        later = f", {len(plan.later)} left for later" if plan.later else ""
        tell(f"{len(plan.pending)} to run, {len(plan.applied)} applied before{later}")
    return plan


def _plan_again(
    run: Run, files: Sequence[MigrationFile], worker: Connection, expected: LedgerState
) -> tuple[Target, LedgerRows, Plan]:
    """Target, ledger and plan as they are under the mutex."""
    config = run.config

    def fit(target: Target) -> None:
        check_target(target, config.tracking_schema)

    target, rows = survey(worker, run.ledger, fit=fit, expected=expected)
    passing(check_environment(config.environment, rows.environment))
    return target, rows, make_plan(files, rows.applied, config.plan, _bodies(run, worker, files, rows))


def _done(run: Run, rows: LedgerRows, worker: Connection) -> Mapping[str, int]:
    """How many statements earlier runs finished of migrations outside of a transaction. Raises Refused where nobody
    can tell.
    """
    begun = {int(row.version): row for row in rows.applied if row.transactional is False and not row.completed}
    bodies = run.ledger.bodies(worker, [row.version for row in begun.values()]) if begun else {}
    done = {
        migration.version: resumption(migration, row, run.config.tracking_schema, bodies.get(row.version))
        for migration in run.journal.migrations
        if (row := begun.get(int(migration.version)))
    }
    if unknown := [answer for answer in done.values() if isinstance(answer, Finding)]:
        raise Refused(*unknown)
    return {version: answer for version, answer in done.items() if isinstance(answer, int)}


def _nothing_to_do(run: Run, plan: Plan, worker: Connection, tests: Sequence[SmokeTest], rows: LedgerRows) -> Outcome:
    upto = f" up to {run.config.plan.version}" if run.config.plan.version else ""
    run.journal.skip("apply", f"nothing to do{upto}: the database is at {plan.current_version or 'the beginning'}")
    if rows.last_outcome not in {None, Outcome.APPLIED} and not plan.later and not run.config.dry_run:
        ask_again(run, worker, tests, rows)
    return Outcome.UP_TO_DATE


def _review(run: Run) -> None:
    journal, console, delay = run.journal, run.console, run.config.timing.review_delay
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
def _mutex(run: Run, watcher: Connection) -> Iterator[Mutex]:
    """The mutex, held by the watcher's connection while the block runs."""
    with run.journal.stage("mutex") as tell:
        mutex = take_mutex(
            watcher,
            run.config.tracking_schema,
            wait=run.config.timing.lock_wait,
            tell=lambda text: run.console.say(f"  {text}", "yellow"),
        )
        tell("held: nobody else migrates this database now")
    try:
        yield mutex
    finally:
        if not watcher.closed and (lost := release_mutex(mutex)):
            run.journal.findings.append(lost)


def _end_dead_workers(run: Run, worker: Connection) -> None:
    """Nothing of a run that died may go on beside this one."""
    if ended := end_dead_workers(worker, run.config.tracking_schema):
        pids = ", ".join(f"pid {pid}" for pid in ended)
        run.console.say(f"  ended what the server still executed for a run that died: {pids}", "yellow")


def _apply(execution: Execution, run: Run, target: Target) -> None:
    journal = run.journal
    with journal.stage("apply") as tell, deaf(), closing(apply(execution, journal.migrations, target.ledger)) as steps:
        try:
            for step in steps:
                journal.record(step)
                run.console.finished(step)
        finally:
            journal.watched = execution.watch.watched if execution.watch else None
        if failure := next((step.failure for step in journal.steps if step.failure), None):
            raise MigrationFailed(failure)
        tell(counted(len(journal.migrations)))


def _verify(run: Run, execution: Execution, before: Validity) -> None:
    """Read back: what the run says is what the database says, and what it has built is valid."""
    journal = run.journal
    with journal.stage("verify") as tell, ExitStack() as stack:
        worker = execution.worker
        if worker.closed:  # lost behind the last COMMIT
            worker = stack.enter_context(execution.reconnect())
        with usable(worker):
            with reading(worker):
                ledger, valid = execution.ledger.ask(worker), ask_validity(worker)
            recorded, after = {row.version: row for row in ledger().applied}, valid()
        wrong = [
            Finding(f"the ledger does not have migration {migration.version} as completed", path=migration.file.path)
            for migration in journal.migrations
            if not (row := recorded.get(migration.version))
            or not row.completed
            or (row.checksum, row.sql_digest) != (migration.file.checksum, migration.sql_digest)
        ]
        wrong += journal.errors_of(validity_findings(after, before=before, migrations=journal.migrations))
        if wrong:
            raise MigrationFailed(*wrong)
        tell("every migration is completed in the ledger, with its digest; what was built is valid")
