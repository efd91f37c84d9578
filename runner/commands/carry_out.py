"""Carrying out a plan, stage by stage: approved, tried, reviewed, and alone at work."""

import time
from dataclasses import dataclass, replace
from datetime import timedelta

from runner.commands.alone import end_dead, holding_mutex
from runner.commands.approve import approve, still_open
from runner.commands.change import Change, Checkout, Ground, Unfinished, Work
from runner.commands.drift import keep_schema, schema_before
from runner.commands.dry_run import dry_run
from runner.commands.judging import passing
from runner.commands.run import Run
from runner.commands.safeguards import back_up, mark_restore_point
from runner.commands.stages import watching
from runner.core.model import DryRunMode, Plan, Target
from runner.core.restore_point import RestorePointFacts
from runner.errors import Cancelled, Finding, MigrationFailed, Outcome, Refused, RunnerError
from runner.gates.environment import check_environment
from runner.gates.target import check_target
from runner.postgres.execute import end_run
from runner.postgres.execution import Execution
from runner.postgres.ledger import survey
from runner.postgres.opening import opening
from runner.postgres.pooler import refuse_transaction_pooling
from runner.postgres.session import Connection, settle, usable
from runner.postgres.signals import deaf
from runner.postgres.validity import validity
from runner.postgres.watch import Watch
from runner.postgres.watcher import Mutex

SECOND = timedelta(seconds=1)
CHANGED = "the database changed while this run waited: what would run is not what was shown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What was found before the mutex was taken, and goes on under it."""

    ground: Ground
    plan: Plan
    restorable: RestorePointFacts | None  # None when no restore point is wanted


def carry_out(run: Run, change: Change, checkout: Checkout, ground: Ground, plan: Plan) -> Outcome:
    """Everything that follows a plan with something to do. Raises a RunnerError, or Cancelled, with everything up to
    there in the journal.
    """
    config, work, worker, target = run.config, change.work(), ground.worker, ground.target
    if config.dry_run and config.dry_run_mode is not DryRunMode.REHEARSE:
        approve(run, work, ground, plan, checkout.tests)
        dry_run(run, worker, None, target, half_way=work.half_way(ground))
        return _only_tried(run, work)
    with opening(lambda: run.open_connection("watcher")) as watcher:  # while the files are read
        facts = approve(run, work, ground, plan, checkout.tests)
        _take_sessions(run, worker, target, watcher.result())
        dry_run(run, worker, watcher.result(), target, half_way=work.half_way(ground))
        if config.dry_run:
            return _only_tried(run, work)
        _review(run)
        with holding_mutex(run, watcher.result()) as mutex:
            return _under_mutex(run, change, work, Shown(ground=ground, plan=plan, restorable=facts), mutex)


def _only_tried(run: Run, work: Work) -> Outcome:
    run.journal.skip(work.verb, run.config.dry_run_reason or "this is a dry run")
    return Outcome.DRY_RUN


def _under_mutex(run: Run, change: Change, work: Work, shown: Shown, mutex: Mutex) -> Outcome:
    """Nobody else is at work now: is everything still as it was shown, then do it."""
    worker = shown.ground.worker
    still_open(run)
    end_dead(run, worker)
    ground = _survey_again(run, change, shown.ground)
    fresh = change.plan(ground)
    if not fresh.plan.pending:
        run.journal.plan, run.journal.migrations = fresh.standing, ()
        change.nothing_to_do(fresh.plan, ground)
        return Outcome.UP_TO_DATE
    if not fresh.plan.same_as(shown.plan):
        raise Refused(Finding(CHANGED, hint="run again to see and approve the new plan"))
    unfinished = work.unfinished(ground)
    back_up(run, worker)
    still_open(run)
    before, valid_before = schema_before(run, worker), validity(worker)
    mark_restore_point(run, worker, shown.restorable)
    watch = watching(run, ground.target.backend, mutex)
    execution = _execution(run, ground, mutex, watch, unfinished)
    try:
        with watch:
            work.execute(execution, ground)
        work.verify(execution, valid_before)
        work.smoke_test(execution)
        with deaf():
            end_run(execution, work.outcome)
    except (RunnerError, Cancelled) as error:
        if work.complete:  # else executing has told the ledger itself
            with deaf():
                end_run(execution, error.outcome)
        if isinstance(error, MigrationFailed) or (work.complete and not isinstance(error, Cancelled)):
            keep_schema(run, execution, before)  # a cancel leaves no time for it
        raise
    keep_schema(run, execution, before)
    return work.outcome


def _execution(run: Run, ground: Ground, mutex: Mutex, watch: Watch, unfinished: Unfinished) -> Execution:
    config, console = run.config, run.console
    return Execution(
        worker=ground.worker,
        backend=ground.target.backend,
        ledger=run.ledger,
        mutex=mutex,
        watch=watch,
        timeouts=run.timeouts,
        tells_wal=ground.target.tells_wal,
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
        done=unfinished.done,
        failed=unfinished.failed,
    )


def _take_sessions(run: Run, worker: Connection, target: Target, watcher: Connection) -> None:
    """See to it that both connections have a session of their own on the server, and settle those."""
    with run.journal.stage("sessions") as tell:
        pid = target.backend.pid
        refuse_transaction_pooling(worker, watcher, worker_pid=pid, open_rival=lambda: run.open_connection("rival"))
        for connection in (worker, watcher):
            with usable(connection):
                settle(connection)
        tell("two, and nobody else's")


def _survey_again(run: Run, change: Change, before: Ground) -> Ground:
    """Target and ledger as they are under the mutex."""
    config = run.config

    def fit(target: Target) -> None:
        check_target(target, config.tracking_schema)

    target, rows = survey(before.worker, run.ledger, fit=fit, whole=change.whole, expected=before.target.ledger)
    passing(check_environment(config.environment, rows.environment))
    return replace(before, target=target, rows=rows)


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
