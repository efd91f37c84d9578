"""Runs a plan and keeps the ledger true to what happened."""

import random
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from itertools import takewhile
from typing import TypeVar

from runner.core.certainty import Certainty, behind
from runner.core.migration import Migration
from runner.core.model import LedgerState, MigrationFile
from runner.core.naming import LEDGER_FILE
from runner.core.retry import explained, retry_of
from runner.core.sqlstates import CANCELED, LOCK_TIMEOUT
from runner.core.steps import Retry, Session, StepResult
from runner.errors import Cancelled, DatabaseUnusable, Finding, Level, Outcome
from runner.postgres.ahead import Unit, can_be_sent_ahead, run_ahead
from runner.postgres.execution import Execution
from runner.postgres.failures import lost, not_ours
from runner.postgres.nontransactional import run_nontransactional
from runner.postgres.opening import opening
from runner.postgres.recovery import committed
from runner.postgres.session import Connection, reconnect, usable
from runner.postgres.signals import audible
from runner.postgres.transactional import run_waiting

T = TypeVar("T")

KNOWN = {Certainty.COUNTED, Certainty.REPEATABLE}  # what the ledger alone tells the next run
SECOND, NO_TIME = timedelta(seconds=1), timedelta()
PATIENCE = timedelta(seconds=10)  # for a server that restarts, or a process that is slow to end
MOMENT = timedelta(milliseconds=400)  # for either when the run has been told to end
GRACE = timedelta(milliseconds=300)  # a sample of the watcher's may be so much older than what it is asked for
UNTOLD = "the ledger could not be told: its row still says running, and the next run settles that"


def apply(
    execution: Execution, migrations: Sequence[Migration], ledger_state: LedgerState
) -> Generator[StepResult, None, None]:
    """Run the migrations in order and yield what happened to each; the first failure is the last result. The run's
    own row is begun here, and ended unless all went well: then it is the caller's to end, once it has looked. Close the
    generator when it is left early.

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
    with begun(execution, [migration.file for migration in waiting]) as all_done:
        if (yield from _Run(execution, waiting).all()):
            all_done()


@contextmanager
def begun(execution: Execution, planned: Sequence[MigrationFile]) -> Iterator[Callable[[], None]]:
    """The run's own row: written before the block, and ended behind it, unless the block has said that all is done;
    then it is the caller's to end, once it has looked. Raises Cancelled, and DatabaseUnusable with nothing written.
    """
    outcome: Outcome | None = Outcome.FAILED

    def all_done() -> None:
        nonlocal outcome
        outcome = None

    try:
        with audible():
            execution.ledger.begin_run(
                execution.worker,
                planned,
                mutex=execution.mutex,
                wal=execution.tells_wal,
                plan_digest=execution.plan_digest,
                restore_point=execution.restore_point,
            )
    except Cancelled:  # it may be begun
        end_run(execution, Outcome.CANCELLED)
        raise
    try:
        yield all_done
    except (Cancelled, GeneratorExit):
        outcome = Outcome.CANCELLED
        raise
    finally:
        if outcome:
            end_run(execution, outcome)


class _Run:
    """The migrations that still have to run, and what was tried."""

    def __init__(self, execution: Execution, migrations: Sequence[Migration]) -> None:
        self._execution = execution
        self._waiting = deque(migrations)
        self._done = dict(execution.done)
        self._tried: list[tuple[Migration, Retry]] = []  # attempts since a migration was completed, and who failed
        self._cancelled: Cancelled | None = None

    def all(self) -> Generator[StepResult, None, bool]:
        """Run them in order, and those again that others were in the way of. Returns whether all are done. Raises
        Cancelled.
        """
        while self._waiting:
            failed = yield from self._attempted()
            attempt, reason = len(self._tried) + 1, self._reason()
            if failed and self._execution.worker.closed:
                failed = yield from self._settled(failed)
            elif failed and not self._cancelled:
                retry = _retry(self._execution, failed, reason, attempt=attempt)
                if retry and self._paused(failed.migration, retry):
                    continue
                if self._cancelled:
                    failed = replace(failed, failure=_cancelled(self._cancelled, failed.migration))
            if failed:
                yield self._with_retries(self._recorded(failed, reason, attempts=attempt))
            if self._cancelled:
                raise self._cancelled
            if failed:
                return False
        return True

    def _attempted(self) -> Generator[StepResult, None, StepResult | None]:
        """One attempt at as many as go the same way; what failed."""
        failed = None
        self._reason()  # of a cancel that came too late for the attempt before
        try:
            for step in _attempt(self._execution, self._waiting, self._done, again=bool(self._tried)):
                if step.failure:
                    failed = step
                else:
                    yield self._completed(step)
        except Cancelled as cancelled:
            self._cancelled = cancelled
        return failed

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
        retries = tuple(retry for migration, retry in self._tried if migration is step.migration)
        return replace(step, retries=retries) if retries else step

    def _settled(self, failed: StepResult) -> Generator[StepResult, None, StepResult | None]:
        """What is true of those under way when the connection was lost; returns the failure that is left."""
        execution = self._execution
        if self._cancelled:  # the server did not answer: what it has not proved yet must fail at its proof
            execution.mutex.connection.close()
        try:
            with _fresh(execution, in_a_hurry=self._cancelled is not None) as fresh:
                patience = MOMENT if self._cancelled else PATIENCE
                versions, said = committed(
                    execution.ledger, fresh, backend=execution.backend, xid=failed.xid, patience=patience
                )
        except DatabaseUnusable as error:
            return replace(_with_detail(failed, f"what became of it cannot be asked: {error}"), sure=False)
        except Cancelled as cancelled:
            self._cancelled = cancelled
            return replace(failed, sure=False)
        while self._waiting and self._waiting[0].version in versions:
            migration = self._waiting[0]
            done = StepResult(migration=migration, duration=NO_TIME, statements_done=migration.statement_count)
            yield self._completed(done)
        return self._left(failed, said)

    def _left(self, failed: StepResult, said: str) -> StepResult | None:
        """The failure of what is not committed; `said`: what PostgreSQL says of its transaction."""
        if not self._waiting:
            return None
        if failed.migration not in self._waiting:
            first = self._waiting[0]
            return StepResult(migration=first, duration=NO_TIME, failure=lost(first))
        if not said:
            return failed
        return _with_detail(failed, f"PostgreSQL says that its transaction {failed.xid} was {said}")

    def _paused(self, migration: Migration, retry: Retry) -> bool:
        """Make way for others; False when somebody cancelled meanwhile."""
        self._tried.append((migration, retry))
        self._execution.retrying(migration, retry)
        try:
            with audible():
                time.sleep(retry.pause / SECOND)
        except Cancelled as cancelled:
            self._cancelled = cancelled
        return self._cancelled is None

    def _recorded(self, failed: StepResult, reason: str, *, attempts: int) -> StepResult:
        """Write a failure to the ledger; returns what is true."""
        execution = self._execution
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
            try:
                return _with_live_connection(execution, record, in_a_hurry=self._cancelled is not None)
            except Cancelled as cancelled:  # it came just now; once more, on another connection
                self._cancelled = cancelled
                return _with_live_connection(execution, record, in_a_hurry=True)
        except (DatabaseUnusable, Cancelled):
            return _with_detail(failed, UNTOLD)


def _attempt(
    execution: Execution, waiting: Sequence[Migration], done: dict[str, int], *, again: bool
) -> Iterator[StepResult]:
    """Run the first that waits, which failed before when it is tried `again`, and with it as many as go the same way.
    A failure is the last result. Raises Cancelled behind the last result.
    """
    first = waiting[0]
    if execution.release:
        whole = tuple(waiting)
        return _run_ahead(execution, [whole]) if all(map(can_be_sent_ahead, whole)) else run_waiting(execution, whole)
    if not first.transactional:
        return _run_counted(execution, first, done, failed=again or first.version in execution.failed)
    if ahead := [(migration,) for migration in takewhile(can_be_sent_ahead, waiting)]:
        return _run_ahead(execution, ahead)
    return run_waiting(execution, (first,))


def _run_ahead(execution: Execution, units: Sequence[Unit]) -> Iterator[StepResult]:
    """As many as can be, and behind them the one that has to wait after all."""
    if unit := (yield from run_ahead(execution, units)):
        named = unit[0].version if len(unit) == 1 else f"{unit[0].version} to {unit[-1].version}"
        execution.tell(f"{named}: changes prepared statements, or the ledger's tables: rolled back, and run once more")
        yield from run_waiting(execution, unit)


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


def _with_detail(failed: StepResult, said: str) -> StepResult:
    assert failed.failure is not None  # noqa: S101 - it failed
    detail = "\n".join(filter(None, (failed.failure.detail, said)))
    return replace(failed, failure=replace(failed.failure, detail=detail))


def end_run(execution: Execution, outcome: Outcome) -> None:
    """Keep in the ledger how the run ended; what prevents that is a warning. Raises Cancelled behind it."""

    def write() -> None:
        _with_live_connection(
            execution,
            lambda connection: execution.ledger.end_run(connection, outcome, wal=execution.tells_wal),
            in_a_hurry=outcome is Outcome.CANCELLED,
        )

    try:
        try:
            write()
        except Cancelled:  # it came just now, and no second one will
            outcome = Outcome.CANCELLED
            write()
            raise
    except DatabaseUnusable as error:
        execution.warn(Finding(f"the end of this run could not be recorded: {error}", level=Level.WARNING))


def _with_live_connection(execution: Execution, use: Callable[[Connection], T], *, in_a_hurry: bool) -> T:
    """Use the worker's connection, or a new one when that is, or gets, lost. Raises DatabaseUnusable, and Cancelled
    with the worker's closed, as nobody knows what is still under way there.
    """
    worker = execution.worker
    if not worker.closed:
        try:
            with audible(), usable(worker):
                return use(worker)
        except DatabaseUnusable:
            if not worker.closed:
                raise
        except Cancelled:
            worker.close()
            raise
    with _fresh(execution, in_a_hurry=in_a_hurry) as fresh, usable(fresh):
        return use(fresh)


@contextmanager
def _fresh(execution: Execution, *, in_a_hurry: bool) -> Iterator[Connection]:
    """A new connection in place of the worker's; waits for a server that restarts, unless a signal has been heard: then
    no more than moments are left. Raises DatabaseUnusable.
    """
    if not in_a_hurry:
        with audible(), reconnect(execution.reconnect, patience=PATIENCE) as connection:
            yield connection
        return
    with audible(), opening(execution.reconnect) as opened:
        try:
            connection = opened.result(timeout=MOMENT / SECOND)
        except TimeoutError:
            raise DatabaseUnusable(Finding("the server does not answer")) from None
        yield connection
