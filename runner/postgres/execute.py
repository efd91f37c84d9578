"""Runs a plan and keeps the ledger true to what happened."""

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar

from runner.core.certainty import Certainty, behind
from runner.core.model import LedgerState, Migration, Retry, Session, StepResult
from runner.core.naming import LEDGER_FILE
from runner.core.retry import CANCELED, LOCK_TIMEOUT, explained, retry_of
from runner.errors import Cancelled, DatabaseUnusable, Finding, Level, Outcome
from runner.postgres.ahead import can_be_sent_ahead, run_ahead
from runner.postgres.execution import Execution
from runner.postgres.failures import lost, not_ours
from runner.postgres.nontransactional import run_nontransactional
from runner.postgres.recovery import PATIENCE, committed
from runner.postgres.session import Connection, usable
from runner.postgres.signals import audible
from runner.postgres.transactional import run_waiting

T = TypeVar("T")

KNOWN = {Certainty.COUNTED, Certainty.REPEATABLE}  # what the ledger alone tells the next run
SECOND, NO_TIME = timedelta(seconds=1), timedelta()
GRACE = timedelta(milliseconds=300)  # a sample of the watcher's may be so much older than what it is asked for
UNTOLD = "the ledger could not be told: its row still says running, and the next run settles that"


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
        [step] = run_waiting(execution, (waiting.pop(0),), mark=False)
        yield replace(step, failure=step.failure.scrubbed(execution.scrub)) if step.failure else step
        if step.failure:
            return
    elif ledger_state is not LedgerState.CURRENT:
        with usable(worker), audible():
            ledger.install(worker)
    outcome = Outcome.FAILED
    try:
        with usable(worker), audible():
            ledger.begin_run(worker, [migration.file for migration in waiting], wal=execution.tells_wal)
        if (yield from _Run(execution, waiting).all()):
            outcome = Outcome.APPLIED
    except (Cancelled, GeneratorExit):
        outcome = Outcome.CANCELLED
        raise
    finally:
        _end_run(execution, outcome)


class _Run:
    """The migrations that still have to run, and what was tried."""

    def __init__(self, execution: Execution, migrations: Sequence[Migration]) -> None:
        self._execution = execution
        self._waiting = deque(migrations)
        self._done = dict(execution.done)
        self._tried: list[tuple[Migration, Retry]] = []  # attempts since a migration was completed, and who failed

    def all(self) -> Generator[StepResult, None, bool]:
        """Run them in order, and those again that others were in the way of. Returns whether all are done. Raises
        Cancelled.
        """
        while self._waiting:
            failed, cancelled = yield from self._attempted()
            attempt, reason = len(self._tried) + 1, self._reason()
            if failed and self._execution.worker.closed:
                failed = yield from self._settled(failed, patience=NO_TIME if cancelled else PATIENCE)
            elif failed and not cancelled and (retry := _retry(self._execution, failed, reason, attempt=attempt)):
                cancelled = self._paused(failed.migration, retry)
                if not cancelled:
                    continue
                failed = replace(failed, failure=_cancelled(cancelled, failed.migration))
            if failed:
                yield self._with_retries(_recorded(self._execution, failed, reason, attempts=attempt))
            if cancelled:
                raise cancelled
            if failed:
                return False
        return True

    def _attempted(self) -> Generator[StepResult, None, tuple[StepResult | None, Cancelled | None]]:
        """One attempt at as many as go the same way; what failed, and whether somebody cancelled."""
        failed = None
        self._reason()  # of a cancel that came too late for the attempt before
        try:
            for step in _attempt(self._execution, self._waiting, self._done, again=bool(self._tried)):
                if step.failure:
                    failed = step
                else:
                    yield self._completed(step)
        except Cancelled as cancelled:
            return failed, cancelled
        return failed, None

    def _completed(self, step: StepResult) -> StepResult:
        """Take the first that waits off the list."""
        self._waiting.popleft()
        step = self._with_retries(step)
        self._tried = [(migration, retry) for migration, retry in self._tried if migration is not step.migration]
        return step

    def _reason(self) -> str:
        """Why the watcher cancelled the attempt, if it did."""
        return self._execution.watch.take_reason() if self._execution.watch else ""

    def _with_retries(self, step: StepResult) -> StepResult:
        return replace(step, retries=tuple(retry for migration, retry in self._tried if migration is step.migration))

    def _settled(self, failed: StepResult, *, patience: timedelta) -> Generator[StepResult, None, StepResult | None]:
        """What is true of those under way when the connection was lost; returns the failure that is left."""
        completed, left = _truth(self._execution, failed, self._waiting, patience=patience)
        for step in completed:
            yield self._completed(step)
        return left

    def _paused(self, migration: Migration, retry: Retry) -> Cancelled | None:
        """Make way for others; returns what ended that early."""
        self._tried.append((migration, retry))
        self._execution.retrying(migration, retry)
        try:
            with audible():
                time.sleep(retry.pause / SECOND)
        except Cancelled as cancelled:
            return cancelled
        return None


def _attempt(
    execution: Execution, waiting: Sequence[Migration], done: dict[str, int], *, again: bool
) -> Iterator[StepResult]:
    """Run the first that waits, which failed before when it is tried `again`, and with it as many as go the same way.
    A failure is the last result. Raises Cancelled behind the last result.
    """
    first = waiting[0]
    if execution.release:
        whole = tuple(waiting)
        return run_ahead(execution, [whole]) if all(map(can_be_sent_ahead, whole)) else run_waiting(execution, whole)
    if not first.transactional:
        return _run_counted(execution, first, done, failed=again or first.version in execution.failed)
    if ahead := [(migration,) for migration in takewhile(can_be_sent_ahead, waiting)]:
        return run_ahead(execution, ahead)
    return run_waiting(execution, (first,))


def _run_counted(
    execution: Execution, migration: Migration, done: dict[str, int], *, failed: bool
) -> Iterator[StepResult]:
    """One outside of a transaction. `done` is kept, for another attempt; `failed`: the last one is known to have."""
    worker, ledger, version = execution.worker, execution.ledger, migration.version
    again = version in done
    done.setdefault(version, 0)
    try:
        with audible():
            with usable(worker):
                marked = ledger.mark_running(worker, migration, execution.mutex, done[version])
            if not marked:
                yield StepResult(migration=migration, duration=NO_TIME, failure=not_ours(migration))
                return
            execution.begin(migration)
            step = run_nontransactional(
                worker,
                ledger,
                migration,
                mutex=execution.mutex,
                timeouts=execution.timeouts,
                done=done[version],
                again=again,
                failed=failed,
                counted=lambda number: done.update({version: number}),
                tell=execution.tell,
            )
    except Cancelled as error:
        yield StepResult(
            migration=migration,
            duration=NO_TIME,
            statements_done=done[version],
            failure=_cancelled(error, migration),
            sure=behind(migration, done[version]) in KNOWN,
        )
        raise
    yield step


def _retry(execution: Execution, failed: StepResult, reason: str, *, attempt: int) -> Retry | None:
    """What comes after an attempt that failed, with who was in its way; None when it would only fail again. `reason`:
    why the watcher cancelled it, or empty.
    """
    if failed.failure is None or not failed.sure:
        return None
    return retry_of(
        execution.retry,
        attempt=attempt,
        sqlstate=failed.failure.sqlstate,
        reason=reason,
        lock_timeout=execution.timeouts.of(failed.migration).lock,
        in_the_way=_in_the_way(execution, failed),
        jitter=random.random(),  # noqa: S311 - no secret
    )


def _in_the_way(execution: Execution, failed: StepResult) -> tuple[Session, ...]:
    if execution.watch is None or failed.failure is None or failed.failure.sqlstate not in {LOCK_TIMEOUT, CANCELED}:
        return ()
    return execution.watch.in_the_way(time.monotonic() - (failed.duration + GRACE) / SECOND)


def _cancelled(cancelled: Cancelled, migration: Migration) -> Finding:
    return Finding(str(cancelled), path=migration.file.path)


def _truth(
    execution: Execution, failed: StepResult, waiting: Sequence[Migration], *, patience: timedelta
) -> tuple[list[StepResult], StepResult | None]:
    """What became of the migrations under way when the connection was lost: those that were committed after all, and
    the failure of the one behind them.
    """
    if not patience:  # the server does not answer: what it may still do must fail at its proof of the mutex
        execution.mutex.connection.close()
    try:
        with audible():
            versions, transaction = committed(
                execution.ledger, execution.reconnect, backend=execution.backend, xid=failed.xid, patience=patience
            )
    except (DatabaseUnusable, Cancelled) as error:
        return [], replace(_with_detail(failed, f"what became of it cannot be asked: {error}"), sure=not patience)
    completed = [
        StepResult(migration=migration, duration=NO_TIME, statements_done=migration.statement_count)
        for migration in takewhile(lambda migration: migration.version in versions, waiting)
    ]
    if len(completed) == len(waiting):
        return completed, None
    first = waiting[len(completed)]
    if first is not failed.migration:
        failed = StepResult(migration=first, duration=NO_TIME, failure=lost(first))
    elif transaction:
        failed = _with_detail(failed, f"PostgreSQL says that its transaction {failed.xid} was {transaction}")
    return completed, failed


def _recorded(execution: Execution, failed: StepResult, reason: str, *, attempts: int) -> StepResult:
    """Write a failure to the ledger; returns what is true."""
    assert failed.failure is not None  # noqa: S101 - it failed
    in_the_way = _in_the_way(execution, failed)
    explanation = explained(failed.failure, attempts=attempts, reason=reason, in_the_way=in_the_way)
    failure = explanation.scrubbed(execution.scrub)
    failed = replace(failed, failure=failure, in_the_way=in_the_way)

    def record(connection: Connection) -> StepResult:
        recorded = execution.ledger.record_failed(connection, failed, str(failure))
        if recorded is not None:
            return failed if failed.migration.transactional else replace(failed, statements_done=recorded)
        # A signal may have come between its COMMIT and the answer.
        completed = failed.migration.version in execution.ledger.completed_by_this_run(connection)
        return replace(failed, failure=None) if completed else failed

    try:
        return _with_live_connection(execution, record)
    except (DatabaseUnusable, Cancelled):
        return _with_detail(failed, UNTOLD)


def _with_detail(failed: StepResult, said: str) -> StepResult:
    assert failed.failure is not None  # noqa: S101 - it failed
    detail = "\n".join(filter(None, (failed.failure.detail, said)))
    return replace(failed, failure=replace(failed.failure, detail=detail))


def _end_run(execution: Execution, outcome: Outcome) -> None:
    def write() -> None:
        _with_live_connection(
            execution, lambda connection: execution.ledger.end_run(connection, outcome, wal=execution.tells_wal)
        )

    try:
        try:
            write()
        except Cancelled:  # it came just now, and no second one will
            write()
            raise
    except DatabaseUnusable as error:
        execution.warn(Finding(f"the end of this run could not be recorded: {error}", level=Level.WARNING))


def _with_live_connection(execution: Execution, use: Callable[[Connection], T]) -> T:
    """Use the worker's connection, or a new one when that is lost. Raises DatabaseUnusable, and Cancelled."""
    with audible():
        if not execution.worker.closed:
            with usable(execution.worker):
                return use(execution.worker)
        with execution.reconnect() as fresh, usable(fresh):
            return use(fresh)
