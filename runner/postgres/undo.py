"""Migrations undone by their down files."""

import random
import time
from collections.abc import Generator, Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import accumulate

from runner.core.certainty import Certainty, certainty
from runner.core.course import AGAIN
from runner.core.model import Migration, Retry, Session, StepResult
from runner.core.retry import CANCELED, LOCK_TIMEOUT, explained, retry_of
from runner.core.slowest import Slowest
from runner.errors import Cancelled, DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.ahead import patience
from runner.postgres.execution import Execution
from runner.postgres.failures import deferred, of_the_ledger
from runner.postgres.recovery import committed
from runner.postgres.sending import AS_OURSELVES, DEFERRED, failing_at, limit, send
from runner.postgres.session import Connection, reconnect, recover, usable
from runner.postgres.signals import audible
from runner.postgres.step import Steps

SECOND = timedelta(seconds=1)
PATIENCE = timedelta(seconds=10)  # for a server that restarts, or a process that is slow to end
GRACE = timedelta(milliseconds=300)  # a sample of the watcher's may be so much older than what it is asked for
UNTOLD = "the history could not be told"


def undo_all(execution: Execution, downs: Sequence[Migration]) -> Generator[StepResult, None, None]:
    """Run down files in this order and take their migrations out of the ledger; yield what happened to each. The first
    failure is the last result. A file and its row are one transaction, which proves before its end that the mutex is
    held; one outside of a transaction proves it with each of its steps, and what is done of it stays. Close the
    generator when it is left early.

    Raises Cancelled behind the result of the one under way.
    """
    for down in downs:
        undoing = _Undoing(execution, down)
        step = undoing.run()
        yield step
        if undoing.cancelled:
            raise undoing.cancelled
        if step.failure:
            return


class _Undoing:
    """One migration being undone."""

    def __init__(self, execution: Execution, down: Migration) -> None:
        self._execution, self._down = execution, down
        self._retries: list[Retry] = []
        self._announced: str | None = None  # the entry of the history that says that it was begun
        self._sure = True
        self.cancelled: Cancelled | None = None

    def run(self) -> StepResult:
        """Try as often as the policy allows. A failure is in the result, and in the history."""
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
        return replace(step, retries=tuple(self._retries))

    def _attempted(self) -> StepResult:
        self._began, self._done, self._slowest = time.monotonic(), 0, Slowest()
        failure: Finding | None = None
        try:
            with audible():
                self._execution.begin(self._down)
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
        execution, down, worker = self._execution, self._down, self._execution.worker
        with failing_at(down.source), worker.transaction():
            limit(worker, execution.timeouts.of(down), local=True)
            for place, step in enumerate(down.steps):
                for command in patience(execution, down, place):
                    worker.execute(command)
                began = time.monotonic()
                send(worker, down.source, step)
                self._slowest.add(step.line, timedelta(seconds=time.monotonic() - began))
                self._done += step.count
            try:
                with failing_at(down.source):
                    worker.execute(DEFERRED)
            except MigrationFailed as error:
                raise MigrationFailed(deferred(error.findings[0], of_several=False)) from None
            self._record(worker)

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
        """What is begun is in the history before the first step, so that a run that dies leaves a word of it."""
        execution, down, worker = self._execution, self._down, self._execution.worker
        limits = execution.timeouts.of(down)
        self._prove(worker)
        with usable(worker):
            self._announced = self._announced or execution.ledger.announce_undoing(worker, down)
            limit(worker, limits, local=False)
        steps = Steps(
            connection=worker,
            watcher=execution.mutex.connection,
            migration=down,
            schema=execution.ledger.schema,
            lock_timeout=limits.lock,
            finished=self._finished,
            count=self._prove,
            alone=lambda _: None,
            tell=execution.tell,
            slowest=self._slowest,
        )
        for step, position in zip(down.steps, accumulate(step.count for step in down.steps), strict=True):
            self._sure = False
            try:
                steps.run(step, position, AGAIN)
            except (MigrationFailed, DatabaseUnusable):
                self._sure = not worker.closed and certainty(down.statements, step) is not Certainty.IN_PARTS
                raise
            self._sure = True
        recover(worker)  # the rows are written as who we are
        with usable(worker), worker.transaction():
            self._record(worker)

    def _finished(self, done: int) -> None:
        self._done = done

    def _prove(self, connection: Connection, _: int = 0) -> None:
        """That this run may go on; with a step, in its transaction."""
        with usable(connection):
            if not self._execution.ledger.may_undo(connection, self._down, self._execution.mutex):
                raise MigrationFailed(_not_undone(self._down))

    def _retry(self, step: StepResult, reason: str) -> Retry | None:
        """What comes after an attempt that failed; None when it would fail again, or begin in the middle."""
        halfway = not self._down.transactional and (step.statements_done > 0 or not step.sure)
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
        self._retries.append(retry)
        self._execution.retrying(self._down, retry)
        try:
            with audible():
                time.sleep(retry.pause / SECOND)
        except Cancelled as cancelled:
            self.cancelled = cancelled
        return self.cancelled is None

    def _recorded(self, step: StepResult, reason: str) -> StepResult:
        """Write a failure to the history; returns what is true: the COMMIT may have come before the failure."""
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
        """The step once the history knows of it."""
        kept = self._execution.ledger.record_not_undone(connection, step, str(step.failure), self._announced)
        in_doubt = self.cancelled is not None or self._execution.worker.closed
        return step if kept or not in_doubt else replace(step, failure=None, sure=True)


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
