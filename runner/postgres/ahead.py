"""Transactional migrations sent ahead: the server goes from one to the next without waiting for us.

Each has its own transaction, or all have one together. The first error makes the server skip everything behind it; a
runner that dies, or loses the mutex, leaves statements behind that fail at their proof of the mutex.
"""

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from runner.core.model import Migration, Statement, StepResult
from runner.core.retry import CANCELED
from runner.core.slowest import Slowest
from runner.errors import Cancelled, Finding
from runner.postgres.checking import can_be_judged_by_the_server, failure_of_judged, judged
from runner.postgres.execution import Execution
from runner.postgres.failures import deferred, lost, mutex_lost, not_ours, of_the_ledger
from runner.postgres.ledger import BEGAN, MADE_UP, UNFLUSHED
from runner.postgres.pipeline import Pipeline
from runner.postgres.sending import AS_OURSELVES, DEFERRED, failure_of, limits, lock_timeout
from runner.postgres.session import Connection, recover, settling

WINDOW = 32  # migrations that are under way at once
REFILL = WINDOW // 4  # when so few are left, the next ones are sent: together, for the sake of few packets
LARGEST = 1024 * 1024  # bytes of a file that is sent ahead, and of all that is under way when no more is sent
MILLISECOND = timedelta(milliseconds=1)
INSIST = timedelta(milliseconds=300)  # between two requests to cancel: one may come between two statements
# What DISCARD ALL consists of; that itself is not possible inside of a transaction.
# https://www.postgresql.org/docs/current/sql-discard.html
FORGET = (b"CLOSE ALL", b"SET SESSION AUTHORIZATION DEFAULT", b"RESET ALL", b"DEALLOCATE ALL", b"UNLISTEN *",
          b"SELECT pg_advisory_unlock_all()", b"DISCARD TEMP", b"DISCARD SEQUENCES")  # fmt: skip

Unit = Sequence[Migration]
"""The migrations of one transaction."""


def can_be_sent_ahead(migration: Migration) -> bool:
    """Whether it needs no answer before its end: its statements are known, and sent one by one."""
    return (
        migration.transactional
        and len(migration.source.data) <= LARGEST
        and all(step.count == 1 and step.traits.kind for step in migration.steps)
        and all(can_be_judged_by_the_server(check) for check in migration.checks)
    )


def run_ahead(execution: Execution, units: Sequence[Unit]) -> Iterator[StepResult]:
    """Run the units in order and yield what happened to each migration, as soon as that is known. A failure is the last
    result, rolled back and not recorded yet; nothing behind it ran. When the connection was lost on the way, the
    worker's is closed, and of what follows the last completed result nobody knows yet.

    Raises Cancelled behind the last result.
    """
    worker, flights = execution.worker, _Flights(execution, units)
    try:
        with Pipeline[_Message](worker) as pipeline:
            yield from _answered(worker, pipeline, flights)
    except psycopg.OperationalError as error:
        worker.close()
        flights.lost(error)
    except Cancelled as error:  # the server does not answer
        worker.close()
        flights.cancelled(error)
    try:
        if failed := flights.failed():
            yield failed
    finally:
        if flights.aborted:
            recover(worker)
    if flights.cancel:
        raise flights.cancel


def _answered(connection: Connection, pipeline: "Pipeline[_Message]", flights: "_Flights") -> Iterator[StepResult]:
    """Send what there is and take the answers into account, until the first failure. Raises psycopg.OperationalError,
    and Cancelled when the server does not answer to that.
    """
    try:
        while flights.going_on:
            flights.send(pipeline)
            for message, answer in pipeline.answers():
                yield from flights.answered(message, answer)
    except Cancelled as error:
        for message, answer in _stopped(connection, pipeline):
            yield from flights.answered(message, answer)
        flights.cancelled(error)


def _stopped(connection: Connection, pipeline: "Pipeline[_Message]") -> "Iterator[tuple[_Message, PGresult]]":
    """The last answers, once the server is told to cancel. Raises Cancelled when it does not answer."""
    while not pipeline.idle:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=1)
        yield from pipeline.finish(INSIST)


class _Part(Enum):
    """What a message is for."""

    OURS = auto()
    MARK = auto()
    DEFERRED = auto()
    STATEMENT = auto()
    CHECK = auto()
    RECORD = auto()
    COMMIT = auto()
    AFTER = auto()
    LAST = auto()


@dataclass(frozen=True, slots=True)
class _Message:
    """One statement under way."""

    sql: bytes
    part: _Part
    migration: Migration
    statement: Statement | None = None


class _Flights:
    """Keeps account of what was sent and answered."""

    def __init__(self, execution: Execution, units: Sequence[Unit]) -> None:
        self._execution = execution
        self._settings = settling(execution.worker)
        self._waiting = deque((unit, number) for unit in units for number in range(len(unit)))
        self._sent = 0  # migrations whose last message is not answered
        self._open: list[StepResult] = []  # of the transaction under way, to be told when it is committed
        self._units = deque(units)
        self._migration: Migration | None = None
        self._began = self._answered = time.monotonic()
        self._done, self._slowest = 0, Slowest()
        self._xid = ""  # the number of the transaction under way
        self._failure: Finding | None = None
        self.aborted = False  # an error came
        self.cancel: Cancelled | None = None

    @property
    def going_on(self) -> bool:
        """Whether there is something to wait for."""
        return bool(self._units) and not self.aborted

    def lost(self, error: psycopg.OperationalError) -> None:
        """The connection broke."""
        if migration := self._under_way:
            self._failure = self._failure or lost(migration, error)

    def cancelled(self, cancelled: Cancelled) -> None:
        """Somebody cancelled: that is why the migration under way failed, unless it had failed before. One that was not
        sent yet is none.
        """
        self.cancel, migration = cancelled, self._under_way
        if migration and self._sent and (self._failure is None or self._failure.sqlstate in {CANCELED, ""}):
            self._failure = Finding(str(cancelled), path=migration.file.path)

    def failed(self) -> StepResult | None:
        """The result of the migration under way, if it failed."""
        migration = self._under_way
        if migration is None or self._failure is None:
            return None
        self._begun_at(migration)
        return replace(self._step(time.monotonic()), failure=self._failure)

    @property
    def _under_way(self) -> Migration | None:
        """The migration that is neither committed nor waits for others, as far as answers tell."""
        if not self._units:
            return None
        unit = self._units[0]
        return unit[len(self._open)] if len(self._open) < len(unit) else unit[-1]

    def send(self, pipeline: Pipeline[_Message]) -> None:
        """Send as many as the window has room for, once it is nearly empty."""
        if self._sent > REFILL:
            return
        while self._waiting and self._sent < WINDOW and pipeline.bytes_ahead < LARGEST:
            for message in _messages(self._execution, *self._waiting.popleft(), self._settings):
                pipeline.send(message.sql, message, with_rows=message.part is _Part.RECORD)
            self._sent += 1
        if not self._waiting:
            pipeline.end()

    def answered(self, message: _Message, answer: PGresult) -> Iterator[StepResult]:
        """Take an answer into account; the results of a transaction that is committed now."""
        now = time.monotonic()
        took, self._answered = timedelta(seconds=now - self._answered), now
        if answer.status == ExecStatus.FATAL_ERROR and not self.aborted:
            self._fail(message, psycopg.errors.error_from_result(answer))
        if self.aborted:
            return
        self._begun(message)
        if message.part is _Part.STATEMENT and message.statement:
            self._done += 1
            self._slowest.add(message.statement.line, took)
        elif message.part is _Part.RECORD:
            xid, ms = (answer.get_value(0, column) or b"" for column in range(2))
            self._xid = xid.decode()
            step = self._step(now)
            self._open.append(replace(step, duration=max(step.duration, int(ms) * MILLISECOND)))
        elif message.part is _Part.COMMIT:
            yield from self._open
            self._open.clear()
            self._units.popleft()
            self._xid = ""
        elif message.part is _Part.LAST:
            self._sent -= 1

    def _fail(self, message: _Message, error: psycopg.Error) -> None:
        self.aborted = True
        if message.part in {_Part.AFTER, _Part.LAST}:  # of our own cleaning up, behind what is committed
            if migration := self._under_way:
                self._failure = of_the_ledger(migration, failure_of(error, migration.source))
        else:
            self._failure = _failure(message, error, of_several=bool(self._units) and len(self._units[0]) > 1)

    def _begun(self, message: _Message) -> None:
        if message.part in {_Part.OURS, _Part.STATEMENT}:
            self._begun_at(message.migration)

    def _begun_at(self, migration: Migration) -> None:
        if migration is not self._migration:
            self._migration, self._began = migration, self._answered
            self._done, self._slowest = 0, Slowest()
            self._execution.begin(migration)

    def _step(self, now: float) -> StepResult:
        assert self._migration is not None  # noqa: S101 - it has begun
        return StepResult(
            migration=self._migration,
            duration=timedelta(seconds=now - self._began),
            statements_done=self._done,
            slowest=self._slowest.times(),
            xid=self._xid,
        )


def _messages(execution: Execution, unit: Unit, number: int, settings: bytes) -> Iterator[_Message]:
    """All that is sent for one migration of a transaction."""
    migration = unit[number]
    if number == 0:
        yield from _beginning(execution, unit)
    else:
        yield _message(migration, BEGAN)
    for sql in limits(execution.timeouts.of(migration), local=True):
        yield _message(migration, sql)
    for place, statement in enumerate(migration.steps):
        yield from (_message(migration, sql) for sql in patience(execution, migration, place))
        yield _Message(statement.sql, _Part.STATEMENT, migration, statement)
    for statement in migration.checks:
        yield _Message(judged(statement), _Part.CHECK, migration, statement)
    last = number == len(unit) - 1
    if last:
        yield _Message(DEFERRED, _Part.DEFERRED, migration)
    for sql in AS_OURSELVES:
        yield _message(migration, sql)
    recording = execution.ledger.recording(execution.worker, migration, execution.mutex)
    yield _Message(recording, _Part.RECORD, migration)
    if last:
        yield _Message(b"COMMIT", _Part.COMMIT, migration)
    for sql in (b"DISCARD ALL",) if last else FORGET:
        yield _Message(sql, _Part.AFTER, migration)
    yield _Message(settings, _Part.LAST, migration)


def patience(execution: Execution, migration: Migration, place: int) -> Iterator[bytes]:
    """What lifts the lock timeout for the steps that wait by design, and sets it again behind them."""
    if patient := migration.patient_steps:
        if place == 0:
            yield lock_timeout(timedelta())
        elif place == patient:
            yield lock_timeout(execution.timeouts.of(migration).lock)


def _beginning(execution: Execution, unit: Unit) -> Iterator[_Message]:
    """Marks for everybody to see, and the beginning of the transaction that does the work."""
    yield _message(unit[0], b"BEGIN")
    yield _message(unit[0], UNFLUSHED.encode())
    for migration in unit:
        marking = execution.ledger.marking(execution.worker, migration, execution.mutex)
        yield _Message(marking, _Part.MARK, migration)
    yield _message(unit[0], b"COMMIT")
    yield _message(unit[0], b"BEGIN")


def _message(migration: Migration, sql: bytes) -> _Message:
    return _Message(sql, _Part.OURS, migration)


def _failure(message: _Message, error: psycopg.Error, *, of_several: bool) -> Finding:
    """What the server's error means, by what it was the answer to."""
    migration, statement, part = message.migration, message.statement, message.part
    if part is _Part.CHECK and statement:
        return failure_of_judged(error, migration, statement)
    if error.sqlstate == MADE_UP and part is _Part.MARK:
        return not_ours(migration)
    if error.sqlstate == MADE_UP and part is _Part.RECORD:
        return mutex_lost(migration)
    said = failure_of(error, migration.source, statement)
    if part in {_Part.DEFERRED, _Part.COMMIT}:
        return deferred(said, of_several=of_several)
    return said if statement else of_the_ledger(migration, said)
