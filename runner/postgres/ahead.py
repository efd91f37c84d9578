"""Transactional migrations sent ahead: the server goes from one to the next without waiting for us.

Each has its own transaction, or all have one together. The first error makes the server skip everything behind it; a
runner that dies, or loses the mutex, leaves statements behind that fail at their proof of the mutex.

What is the same for each migration is prepared once. So the session is not left to DISCARD ALL in between, and what a
migration may have done to prepared statements is looked for.
"""

import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import Enum, auto
from itertools import zip_longest

import psycopg
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGresult

from runner.core.migration import Migration, Statement
from runner.core.slowest import Slowest
from runner.core.sqlstates import CANCELED
from runner.core.steps import StepResult
from runner.errors import Cancelled, Finding
from runner.postgres.binding import Call, Prepared
from runner.postgres.checking import can_be_judged_by_the_server, failure_of_judged, judged
from runner.postgres.execution import Execution
from runner.postgres.failures import deferred, lost, mutex_lost, not_ours, of_the_ledger
from runner.postgres.ledger import BEGAN, MADE_UP
from runner.postgres.pipeline import Pipeline
from runner.postgres.sending import DEFERRED, OUR_ROLE, OUR_SETTINGS, failure_of, limits, lock_timeout
from runner.postgres.session import Connection, recover, settling

WINDOW = 128  # migrations that are under way at once
LARGEST = 1024 * 1024  # bytes of a file that is sent ahead, and of all that is under way when no more is sent
# When so few are left, the next ones are sent: together, for the sake of few packets, and as each marks the next one,
# but for files of a quarter of the bytes and more.
REFILL, REFILL_BYTES = WINDOW // 2, LARGEST // 2
MILLISECOND = timedelta(milliseconds=1)
INSIST = timedelta(milliseconds=300)  # between two requests to cancel: one may come between two statements
# What DISCARD ALL consists of; that itself is not possible inside of a transaction.
# https://www.postgresql.org/docs/current/sql-discard.html
RESET = (b"CLOSE ALL", b"SET SESSION AUTHORIZATION DEFAULT", b"RESET ALL")
DISCARD = (b"UNLISTEN *", b"DISCARD TEMP", b"DISCARD SEQUENCES")
FORGET = (*RESET, *DISCARD, b"SELECT pg_advisory_unlock_all()", b"DEALLOCATE ALL")
# The rest of it where our prepared statements stay: it fails when there are not as many as are ours.
ALONE = """
    SELECT pg_catalog.pg_advisory_unlock_all(), 1 / (pg_catalog.count(*) = {ours})::int
    FROM pg_catalog.pg_prepared_statements"""
# What the server says of our prepared statements when a migration has deallocated them, or changed the ledger's tables
# so that they have other types: sent as text, they may well be sound.
OUTDATED = frozenset({"26000", "0A000", "42883", "42804"})
PREPARES = frozenset({"prepare_stmt", "deallocate_stmt"})

Unit = Sequence[Migration]
"""The migrations of one transaction."""


def can_be_sent_ahead(migration: Migration) -> bool:
    """Whether it needs no answer before its end: its statements are known, and sent one by one."""
    return (
        migration.transactional
        and len(migration.source.data) <= LARGEST
        and all(step.count == 1 and step.traits.kind and step.traits.kind not in PREPARES for step in migration.steps)
        and all(can_be_judged_by_the_server(check) for check in migration.checks)
    )


def run_ahead(execution: Execution, units: Sequence[Unit]) -> Generator[StepResult, None, Unit | None]:
    """Run the units in order and yield what happened to each migration, as soon as that is known. A failure is the last
    result, rolled back and not recorded yet; nothing behind it ran. When the connection was lost on the way, the
    worker's is closed, and of what follows the last completed result nobody knows yet.

    Returns the unit at which it came to an end, rolled back and through no fault of its own, because a migration had
    touched prepared statements where nobody could see it: that one has to wait for its answers. Raises Cancelled behind
    the last result.
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
    return flights.unprepared


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
    ALONE = auto()
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

    what: bytes | Prepared | Call
    part: _Part
    migration: Migration
    statement: Statement | None = None


@dataclass(frozen=True, slots=True)
class _Flight:
    """A migration as one of its transaction."""

    unit: Unit
    number: int

    @property
    def migration(self) -> Migration:
        return self.unit[self.number]

    @property
    def first(self) -> bool:
        return self.number == 0

    @property
    def last(self) -> bool:
        return self.number == len(self.unit) - 1


class _Flights:
    """Keeps account of what was sent and answered."""

    def __init__(self, execution: Execution, units: Sequence[Unit]) -> None:
        self._execution = execution
        self._itinerary = _Itinerary(execution)
        self._waiting = deque(_Flight(unit, number) for unit in units for number in range(len(unit)))
        self._sent = 0  # migrations whose last message is not answered
        self._open: list[StepResult] = []  # of the transaction under way, to be told when it is committed
        self._units = deque(units)
        self._migration: Migration | None = None
        self._began = self._answered = time.monotonic()
        self._done, self._slowest = 0, Slowest()
        self._xid = ""  # the number of the transaction under way
        self._failure: Finding | None = None
        self._unprepared = False  # that was about prepared statements of ours
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
    def unprepared(self) -> Unit | None:
        """The unit under way, if it came to an end because of our prepared statements."""
        return self._units[0] if self._unprepared and self._units else None

    @property
    def _under_way(self) -> Migration | None:
        """The migration that is neither committed nor waits for others, as far as answers tell."""
        if not self._units:
            return None
        unit = self._units[0]
        return unit[len(self._open)] if len(self._open) < len(unit) else unit[-1]

    def send(self, pipeline: Pipeline[_Message]) -> None:
        """Send as many as the window has room for, once half of it is empty."""
        if self._sent > REFILL or pipeline.bytes_ahead > REFILL_BYTES:
            return
        batch, marked = self._batch(pipeline.bytes_ahead), False
        for flight, successor in zip_longest(batch, batch[1:]):
            marks = successor.migration if successor and len(successor.unit) == 1 else None
            over = not self._waiting and successor is None
            for message in self._itinerary.of(flight, marked=marked, marks=marks, over=over):
                pipeline.send(message.what, message, with_rows=message.part is not _Part.STATEMENT)
            marked = marks is not None
        self._sent += len(batch)
        if not self._waiting:
            pipeline.end()

    def _batch(self, size: int) -> list[_Flight]:
        """Those that there is room for behind so many bytes: all of them will be sent, so that each can mark the next
        one.
        """
        batch: list[_Flight] = []
        while self._waiting and self._sent + len(batch) < WINDOW and size < LARGEST:
            batch.append(self._waiting.popleft())
            file = batch[-1].migration.file  # the record has the texts once more
            size += 2 * len(file.up.data) + len(file.down.data if file.down else b"")
        return batch

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
            self._open.append(self._step(now, at_least=int(ms) * MILLISECOND))
        elif message.part is _Part.COMMIT:
            yield from self._open
            self._open.clear()
            self._units.popleft()
            self._xid = ""
        elif message.part is _Part.ALONE or message.part is _Part.LAST:
            self._sent -= 1

    def _fail(self, message: _Message, error: psycopg.Error) -> None:
        self.aborted = True
        if isinstance(message.what, Call) and (
            error.sqlstate in OUTDATED or (message.part is _Part.ALONE and error.sqlstate == MADE_UP)
        ):
            self._unprepared = True
        elif message.part in {_Part.AFTER, _Part.ALONE, _Part.LAST}:  # of our own cleaning up, behind what is committed
            if migration := self._under_way:
                self._failure = of_the_ledger(migration, failure_of(error, migration.source))
        else:
            self._failure = _failure(message, error, of_several=bool(self._units) and len(self._units[0]) > 1)

    def _begun(self, message: _Message) -> None:
        if message.part is _Part.OURS or message.part is _Part.STATEMENT:
            self._begun_at(message.migration)

    def _begun_at(self, migration: Migration) -> None:
        if migration is not self._migration:
            self._migration, self._began = migration, self._answered
            self._done, self._slowest = 0, Slowest()
            self._execution.begin(migration)

    def _step(self, now: float, *, at_least: timedelta = timedelta()) -> StepResult:
        assert self._migration is not None  # noqa: S101 - it has begun
        return StepResult(
            migration=self._migration,
            duration=max(timedelta(seconds=now - self._began), at_least),
            statements_done=self._done,
            slowest=self._slowest.times(),
            xid=self._xid,
        )


class _Itinerary:
    """All that is sent for a migration, and what of it is prepared."""

    def __init__(self, execution: Execution) -> None:
        self._execution = execution
        self._settings = settling(execution.worker)
        settle = Prepared(b"db-migrate: settle", self._settings)
        ours = Prepared(b"db-migrate: ours", OUR_SETTINGS)
        ledger = execution.ledger.prepared
        alone = Prepared(b"db-migrate: alone", ALONE.format(ours=len(ledger) + 3).encode())
        self._prepared: Sequence[Prepared] = (*ledger, settle, ours, alone)
        self._settle, self._ours, self._alone = Call(settle.name), Call(ours.name), Call(alone.name)

    def of(self, flight: _Flight, *, marked: bool, marks: Migration | None, over: bool) -> Iterator[_Message]:
        """The messages for one. `marked`: its predecessor has done so; `marks`: what it marks itself; `over`: nothing
        comes behind it.
        """
        migration, ledger, mutex = flight.migration, self._execution.ledger, self._execution.mutex
        yield from self._beginning(flight, marked=marked)
        for sql in limits(self._execution.timeouts.of(migration), local=True):
            yield _message(migration, sql)
        for place, statement in enumerate(migration.steps):
            yield from (_message(migration, sql) for sql in patience(self._execution, migration, place))
            yield _Message(statement.sql, _Part.STATEMENT, migration, statement)
        for statement in migration.checks:
            yield _Message(judged(statement), _Part.CHECK, migration, statement)
        if flight.last:
            yield _Message(DEFERRED, _Part.DEFERRED, migration)
        for what in (*OUR_ROLE, self._ours):
            yield _message(migration, what)
        recording = ledger.recording(self._execution.worker, migration, mutex, marks)
        yield _Message(recording, _Part.RECORD, migration)
        if flight.last:
            yield _Message(b"COMMIT", _Part.COMMIT, migration)
        yield from self._end(flight, marks=marks, over=over)

    def _beginning(self, flight: _Flight, *, marked: bool) -> Iterator[_Message]:
        """The mark for everybody to see, and the beginning of the transaction that does the work."""
        migration, ledger, mutex = flight.migration, self._execution.ledger, self._execution.mutex
        if not flight.first:
            yield _message(migration, BEGAN)
            return
        if marked:  # in the transaction in which its predecessor was cleaned up behind
            yield _Message(ledger.proving_marked(migration, mutex), _Part.MARK, migration)
        else:
            yield _message(migration, b"BEGIN")
            if self._prepared:
                yield _message(migration, b"DEALLOCATE ALL")  # which a pooler may have left to us
                yield from (_message(migration, statement) for statement in self._prepared)
                self._prepared = ()
            for each in flight.unit:
                yield _Message(ledger.marking(each, mutex), _Part.MARK, each)
        yield _message(migration, b"COMMIT")
        yield _message(migration, b"BEGIN")

    def _end(self, flight: _Flight, *, marks: Migration | None, over: bool) -> Iterator[_Message]:
        """What makes the session as it was, in a transaction that is left open for the one that is marked."""
        migration = flight.migration
        if over:
            yield _Message(b"DISCARD ALL", _Part.AFTER, migration)
            yield _Message(self._settings, _Part.LAST, migration)
            return
        if flight.last:
            yield _Message(b"BEGIN", _Part.AFTER, migration)
        for what in (*RESET, self._settle, *DISCARD):
            yield _Message(what, _Part.AFTER, migration)
        yield _Message(self._alone, _Part.ALONE, migration)
        if flight.last and not marks:
            yield _Message(b"COMMIT", _Part.AFTER, migration)


def patience(execution: Execution, migration: Migration, place: int) -> Iterator[bytes]:
    """What lifts the lock timeout for the steps that wait by design, and sets it again behind them."""
    if patient := migration.patient_steps:
        if place == 0:
            yield lock_timeout(timedelta())
        elif place == patient:
            yield lock_timeout(execution.timeouts.of(migration).lock)


def _message(migration: Migration, what: bytes | Prepared | Call) -> _Message:
    return _Message(what, _Part.OURS, migration)


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
