"""Migrations undone by their down files."""

import random
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import timedelta

from runner.core.certainty import Certainty, behind, certainty
from runner.core.course import AGAIN
from runner.core.migration import Migration
from runner.core.model import LedgerState
from runner.core.retry import explained, retry_of
from runner.core.session_state import settings_to_repeat
from runner.core.slowest import Slowest
from runner.core.sqlstates import CANCELED, LOCK_TIMEOUT
from runner.core.statements import joined, remaining
from runner.core.steps import Retry, Session, StepResult
from runner.errors import Cancelled, DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.ahead import FORGET, patience
from runner.postgres.execute import begun
from runner.postgres.execution import Execution
from runner.postgres.failures import deferred, of_the_ledger
from runner.postgres.recovery import committed
from runner.postgres.sending import AS_OURSELVES, DEFERRED, failing_at, limit, send
from runner.postgres.session import Connection, reconnect, recover, settle, usable
from runner.postgres.signals import audible
from runner.postgres.step import Steps

SECOND = timedelta(seconds=1)
PATIENCE = timedelta(seconds=10)  # for a server that restarts, or a process that is slow to end
GRACE = timedelta(milliseconds=300)  # a sample of the watcher's may be so much older than what it is asked for
KNOWN = {Certainty.COUNTED, Certainty.REPEATABLE}  # what the count alone tells
UNTOLD = "the history could not be told"


def roll_back(
    execution: Execution, downs: Sequence[Migration], ledger_state: LedgerState
) -> Generator[StepResult, None, None]:
    """The same as a run of its own: its row is begun here, and ended unless all went well; then it is the caller's to
    end, once it has looked. A ledger of an older shape is brought to the current one first.

    Raises what `undo_all` does, and DatabaseUnusable when the ledger cannot be written.
    """
    worker, ledger = execution.worker, execution.ledger
    if ledger_state is not LedgerState.CURRENT:
        with usable(worker), audible():
            ledger.install(worker)
    with begun(execution, ()) as all_done:
        done = 0
        for step in undo_all(execution, downs):
            done += step.completed
            yield step
        if done == len(downs):
            all_done()


def undo_all(execution: Execution, downs: Sequence[Migration]) -> Generator[StepResult, None, None]:
    """Run down files in this order and take their migrations out of the ledger; yield what happened to each. The first
    failure is the last result. A file and its row are one transaction, or with `release` all of them are; it proves
    before its end that the mutex is held. A file outside of a transaction proves it with each of its steps, and what is
    done of it stays. Close the generator when it is left early.

    Raises Cancelled behind the result of the one under way.
    """
    for unit in [tuple(downs)] if execution.release else [(down,) for down in downs]:
        undoing = _Undoing(execution, unit)
        steps = undoing.run()
        yield from steps
        if undoing.cancelled:
            raise undoing.cancelled
        if steps[-1].failure:
            return


class _Undoing:
    """Migrations being undone: those of one transaction, or one outside of that."""

    def __init__(self, execution: Execution, unit: Sequence[Migration]) -> None:
        self._execution, self._unit, self._down = execution, unit, unit[0]
        self._results: list[StepResult] = []  # of those of the transaction under way that are behind us
        self._retries: list[tuple[Migration, Retry]] = []  # and who was under way
        self._announced: str | None = None  # the entry of the history that says that it was begun
        self._begun = execution.done.get(unit[0].version, 0)  # statements that an earlier run has done
        self._began, self._done, self._slowest = time.monotonic(), self._begun, Slowest()
        settled = unit[0].version not in execution.done or unit[0].version in execution.failed
        self._sure = unit[0].transactional or settled  # that the statement behind those was not done
        self.cancelled: Cancelled | None = None

    def run(self) -> list[StepResult]:
        """Try as often as the policy allows. What happened to all of them, or the failure of one, which is in the
        history as well.
        """
        while True:
            step = self._attempted()
            reason = self._execution.watch.take_reason() if self._execution.watch else ""
            retry = self._retry(step, reason)
            if retry is None or not self._paused(retry):
                break
        if self.cancelled and step.failure:
            step = replace(step, failure=Finding(str(self.cancelled), path=self._down.source.path))
        if step.failure:
            step = self._recorded(step, reason)
        return [self._with_retries(each) for each in ([step] if step.failure else [*self._results, step])]

    def _with_retries(self, step: StepResult) -> StepResult:
        return replace(step, retries=tuple(retry for down, retry in self._retries if down is step.migration))

    def _attempted(self) -> StepResult:
        """What happened to the last one that was under way."""
        self._results.clear()
        failure: Finding | None = None
        try:
            with audible():
                if self._down.transactional:
                    self._in_one_transaction()
                else:
                    self._step_by_step()
        except (MigrationFailed, DatabaseUnusable) as error:
            failure = error.findings[0]
            failure = failure if failure.path else replace(failure, path=self._down.source.path)
        except Cancelled as cancelled:
            self.cancelled = cancelled
            failure = Finding(str(cancelled), path=self._down.source.path)
        try:
            recover(self._execution.worker)
        except Cancelled as cancelled:
            self.cancelled = cancelled
        return self._result(failure)

    def _begin(self, down: Migration, done: int = 0) -> None:
        self._down, self._began, self._done, self._slowest = down, time.monotonic(), done, Slowest()
        self._execution.begin(down)

    def _result(self, failure: Finding | None = None) -> StepResult:
        return StepResult(
            migration=self._down,
            duration=timedelta(seconds=time.monotonic() - self._began),
            statements_done=self._done,
            failure=failure,
            sure=self._sure,
            slowest=self._slowest.times(),
        )

    def _in_one_transaction(self) -> None:
        worker = self._execution.worker
        self._begin(self._unit[0])
        with failing_at(self._unit[-1].source), worker.transaction():
            for down in self._unit:
                if down is not self._unit[0]:
                    self._results.append(self._result())
                    for command in FORGET:
                        worker.execute(command)
                    settle(worker)
                    self._begin(down)
                self._run(down)
                self._record(worker)

    def _run(self, down: Migration) -> None:
        """The statements of one, inside of the transaction that is open."""
        execution, worker = self._execution, self._execution.worker
        limit(worker, execution.timeouts.of(down), local=True)
        for place, step in enumerate(joined(down.steps)):
            for command in patience(execution, down, place):
                worker.execute(command)
            began = time.monotonic()
            send(worker, down.source, step)
            self._slowest.add(step.line, timedelta(seconds=time.monotonic() - began))
            self._done += step.count
        if down is self._unit[-1]:
            try:
                with failing_at(down.source):
                    worker.execute(DEFERRED)
            except MigrationFailed as error:
                raise MigrationFailed(deferred(error.findings[0], of_several=len(self._unit) > 1)) from None

    def _record(self, connection: Connection) -> None:
        """Take it out of the ledger, inside of the transaction that is open."""
        execution, down = self._execution, self._down
        try:
            with failing_at(down.source):
                connection.execute(b"; ".join(AS_OURSELVES))
                undone = execution.ledger.record_undone(connection, self._result(), execution.mutex, self._announced)
        except MigrationFailed as error:
            raise MigrationFailed(of_the_ledger(down, error.findings[0])) from None
        if not undone:
            raise MigrationFailed(_not_undone(down))

    def _step_by_step(self) -> None:
        """What is begun, and how much of it is done, is in the ledger, so that the next run knows of one that died."""
        execution, down, worker = self._execution, self._down, self._execution.worker
        limits, begun = execution.timeouts.of(down), self._begun
        again = down.version in execution.done
        self._begin(down, begun)
        with usable(worker):
            announced = execution.ledger.announce_undoing(worker, down, execution.mutex, begun, self._announced)
            if announced is None:
                raise MigrationFailed(_not_undone(down))
            self._announced = announced
            limit(worker, limits, local=False)
        steps = Steps(
            connection=worker,
            watcher=execution.mutex.connection,
            migration=down,
            schema=execution.ledger.schema,
            lock_timeout=limits.lock,
            finished=self._finished,
            count=self._count,
            alone=lambda _: None,
            tell=execution.tell,
            slowest=self._slowest,
        )
        for step in settings_to_repeat(down, begun):
            send(worker, down.source, step)
        for step, position in remaining(down.steps, begun):
            course = steps.course(step, failed=down.version in execution.failed) if again else AGAIN
            tried = self._sure or not course.stop  # else nothing is known that was not known before
            again, self._sure = False, False
            try:
                steps.run(step, position, course)
            except (MigrationFailed, DatabaseUnusable):
                in_parts = certainty(down.statements, step) is Certainty.IN_PARTS
                self._sure = tried and not in_parts and not worker.closed
                raise
            self._sure = True
        recover(worker)  # the rows are written as who we are
        with usable(worker), worker.transaction():
            self._record(worker)

    def _finished(self, done: int) -> None:
        self._done = done

    def _count(self, connection: Connection, done: int) -> None:
        """Keep how many statements are done, in the transaction of a step where it has one, and prove with that that
        this run may go on.
        """
        with usable(connection):
            if not self._execution.ledger.count_undone(connection, self._down, done, self._execution.mutex):
                raise MigrationFailed(_not_undone(self._down))

    def _retry(self, step: StepResult, reason: str) -> Retry | None:
        """What comes after an attempt that failed; None when it would fail again, or begin in the middle."""
        halfway = not self._down.transactional and (step.statements_done > self._begun or not step.sure)
        if step.failure is None or self.cancelled or halfway or self._execution.worker.closed:
            return None
        return retry_of(
            self._execution.retry,
            attempt=len(self._retries) + 1,
            sqlstate=step.failure.sqlstate,
            reason=reason,
            lock_timeout=self._execution.timeouts.of(self._down).lock,
            in_the_way=self._in_the_way(step),
            jitter=random.random(),  # noqa: S311 - no secret
        )

    def _in_the_way(self, step: StepResult) -> tuple[Session, ...]:
        watch, failure = self._execution.watch, step.failure
        if watch is None or failure is None or failure.sqlstate not in {LOCK_TIMEOUT, CANCELED}:
            return ()
        return watch.in_the_way(time.monotonic() - (step.duration + GRACE) / SECOND)

    def _paused(self, retry: Retry) -> bool:
        """Make way for others; False when somebody cancelled meanwhile."""
        self._retries.append((self._down, retry))
        self._execution.retrying(self._down, retry)
        try:
            with audible():
                time.sleep(retry.pause / SECOND)
        except Cancelled as cancelled:
            self.cancelled = cancelled
        return self.cancelled is None

    def _recorded(self, step: StepResult, reason: str) -> StepResult:
        """Write a failure to the ledger; returns what is true: the COMMIT may have come before the failure."""
        execution = self._execution
        assert step.failure is not None  # noqa: S101 - it failed
        in_the_way, attempts = self._in_the_way(step), len(self._retries) + 1
        failure = explained(step.failure, attempts=attempts, reason=reason, in_the_way=in_the_way)
        step = replace(step, failure=failure.scrubbed(execution.scrub), in_the_way=in_the_way)
        try:
            if not execution.worker.closed:
                with usable(execution.worker):
                    return self._told(execution.worker, step)
            if self.cancelled:  # no time is left to ask: what is under way must fail at its proof of the mutex
                execution.mutex.connection.close()
                return _untold(step, "the server did not answer to the cancel")
            with audible(), reconnect(execution.reconnect, patience=PATIENCE) as fresh, usable(fresh):
                committed(execution.ledger, fresh, backend=execution.backend, xid="", patience=PATIENCE)
                return self._told(fresh, step)
        except DatabaseUnusable as error:
            return _untold(step, str(error))
        except Cancelled as cancelled:
            self.cancelled = cancelled
            return _untold(step, str(cancelled))

    def _told(self, connection: Connection, step: StepResult) -> StepResult:
        """The step once the ledger knows of it."""
        ledger, mutex = self._execution.ledger, self._execution.mutex
        if not step.migration.transactional:
            done = max(step.statements_done, ledger.undone_so_far(connection, step.migration.version))
            step = replace(step, statements_done=done, sure=step.sure or behind(step.migration, done) in KNOWN)
        kept = ledger.record_not_undone(connection, step, str(step.failure), mutex, self._announced)
        in_doubt = self.cancelled is not None or self._execution.worker.closed
        at_the_end = step.migration is self._unit[-1]
        return step if kept or not (in_doubt and at_the_end) else replace(step, failure=None, sure=True)


def _not_undone(down: Migration) -> Finding:
    return Finding(
        "the ledger does not have this migration as completed, or this run no longer holds the mutex: it is not undone",
        path=down.source.path,
        hint="another run, or the file itself, changed the ledger, or the watcher's connection was cut: look at the "
        "ledger",
    )


def _untold(step: StepResult, why: str) -> StepResult:
    assert step.failure is not None  # noqa: S101 - it failed
    detail = "\n".join(filter(None, (step.failure.detail, f"{UNTOLD}: {why}")))
    return replace(step, failure=replace(step.failure, detail=detail), sure=False)
