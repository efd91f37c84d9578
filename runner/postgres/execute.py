"""Runs a plan, one migration after the other, and keeps the ledger true to what happened."""

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import TypeVar

from runner.core.model import LedgerState, Migration, StepResult
from runner.core.naming import LEDGER_FILE
from runner.errors import Cancelled, DatabaseUnusable, Finding, Level, MigrationFailed, Outcome
from runner.postgres.ledger import Ledger
from runner.postgres.nontransactional import run_nontransactional
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, reset, usable
from runner.postgres.transactional import run_transactional
from runner.postgres.watcher import Mutex

T = TypeVar("T")

NOT_OURS = "the ledger no longer has this migration as one of this run: another run, or a migration, changed it"
UNTOLD = "the ledger could not be told: its row still says running, and the next run settles that"


@dataclass(frozen=True, slots=True, kw_only=True)
class Execution:
    """What the migrations of a run share."""

    worker: Connection
    ledger: Ledger
    mutex: Mutex
    timeouts: Timeouts
    starting: Callable[[Migration], None]  # told before each migration
    scrub: Callable[[str], str]  # what the server says goes through it before anybody, the ledger included, hears it
    warn: Callable[[Finding], None]  # told what went wrong beside the migrations
    reconnect: Callable[[], Connection]  # for the ledger's sake, when the worker's connection is lost
    done: Mapping[str, int] = field(default_factory=dict)  # statements that an earlier run finished, by version


def apply(
    execution: Execution, migrations: Sequence[Migration], ledger_state: LedgerState
) -> Generator[StepResult, None, None]:
    """Run the migrations in order and yield what happened to each; the first failure is the last result. The run's
    own row is begun and ended here. Close the generator when it is left early.

    Raises Cancelled, with the migration under way rolled back and recorded as failed, and DatabaseUnusable when the
    ledger cannot be written.
    """
    worker, ledger = execution.worker, execution.ledger
    waiting = list(migrations)
    if ledger_state is LedgerState.ABSENT and waiting and waiting[0].file.path.name == LEDGER_FILE:
        # A ledger file of the user's own makes the table that its row goes into.
        first = waiting.pop(0)
        execution.starting(first)
        step = run_transactional(worker, ledger, first, mutex=execution.mutex, timeouts=execution.timeouts)
        if step.failure:
            yield replace(step, failure=step.failure.scrubbed(execution.scrub))
            return
        yield step
        reset(worker)
    elif ledger_state is not LedgerState.CURRENT:
        with usable(worker), worker.transaction():
            ledger.install(worker)
    outcome = Outcome.FAILED
    try:
        with usable(worker):
            ledger.begin_run(worker, [migration.file for migration in waiting])
        for migration in waiting:
            execution.starting(migration)
            step, cancelled = _run_recorded(execution, migration)
            yield step
            if cancelled:
                raise cancelled
            if step.failure:
                return
            reset(worker)
        outcome = Outcome.APPLIED
    except (Cancelled, GeneratorExit):
        outcome = Outcome.CANCELLED
        raise
    finally:
        _end_run(execution, outcome)


def _run_recorded(execution: Execution, migration: Migration) -> tuple[StepResult, Cancelled | None]:
    """Run one migration and see to it that the ledger knows how it ended. Raises MigrationFailed, without running it,
    when its row is not this run's any more.
    """
    worker, ledger = execution.worker, execution.ledger
    cancelled = None
    done = execution.done.get(migration.version, 0)

    def counted(number: int) -> None:
        nonlocal done
        done = number

    try:
        with usable(worker):
            owned = ledger.mark_running(worker, migration, done)
        if not owned:
            raise MigrationFailed(Finding(NOT_OURS, path=migration.file.path, hint="look at the ledger, and run again"))
        step = _run(execution, migration, done, counted)
    except Cancelled as error:
        cancelled = error
        step = StepResult(
            migration=migration,
            duration=timedelta(),
            statements_done=done,
            failure=Finding(str(error), path=migration.file.path),
            sure=migration.transactional,
        )
    if step.failure:
        step = _record_failure(execution, step, step.failure.scrubbed(execution.scrub))
    return step, cancelled


def _run(execution: Execution, migration: Migration, done: int, counted: Callable[[int], None]) -> StepResult:
    worker, ledger, mutex, timeouts = execution.worker, execution.ledger, execution.mutex, execution.timeouts
    if migration.transactional:
        return run_transactional(worker, ledger, migration, mutex=mutex, timeouts=timeouts)
    return run_nontransactional(worker, ledger, migration, mutex=mutex, timeouts=timeouts, done=done, counted=counted)


def _end_run(execution: Execution, outcome: Outcome) -> None:
    def write() -> None:
        _with_live_connection(execution, lambda connection: execution.ledger.end_run(connection, outcome))

    try:
        try:
            write()
        except Cancelled:  # it came just now, and no second one will
            write()
            raise
    except DatabaseUnusable as error:
        execution.warn(Finding(f"the end of this run could not be recorded: {error}", level=Level.WARNING))


def _record_failure(execution: Execution, step: StepResult, failure: Finding) -> StepResult:
    """Write a failure to the ledger; returns what is true."""
    step = replace(step, failure=failure)
    lost = execution.worker.closed

    def record(connection: Connection) -> bool:
        """Whether the migration completed after all: the answer to COMMIT was lost, the commit was not."""
        recorded = execution.ledger.record_failed(connection, step, str(failure))
        return not recorded and lost and execution.ledger.completed_by_this_run(connection, step.migration)

    try:
        completed = _with_live_connection(execution, record)
    except DatabaseUnusable:
        detail = "\n".join(filter(None, (failure.detail, UNTOLD)))
        return replace(step, failure=replace(failure, detail=detail))
    return replace(step, failure=None) if completed else step


def _with_live_connection(execution: Execution, use: Callable[[Connection], T]) -> T:
    """Use the worker's connection, or a new one when that is lost. Raises DatabaseUnusable."""
    if not execution.worker.closed:
        with usable(execution.worker):
            return use(execution.worker)
    with execution.reconnect() as fresh, usable(fresh):
        return use(fresh)
