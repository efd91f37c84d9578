"""Statements sent ahead on one connection, and their answers as they arrive, without waiting in between.

An error makes the server skip everything behind it, up to the end of the pipeline:
https://www.postgresql.org/docs/current/libpq-pipeline-mode.html
"""

import select
from collections import deque
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from types import TracebackType
from typing import Generic, TypeVar

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from runner.core.durations import milliseconds
from runner.postgres.binding import Call, Prepared
from runner.postgres.session import Connection
from runner.postgres.signals import audible

T = TypeVar("T")

CHUNK = 256  # rows of an answer that are held at once
PARTS = {ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE}  # of an answer; its end has another status


@dataclass(frozen=True, slots=True)
class _Sent(Generic[T]):
    """A statement that is not answered yet; without a token, the end of the pipeline."""

    token: T | None
    size: int = 0  # in bytes
    with_rows: bool = False


class Pipeline(Generic[T]):
    """Sends statements, each with a token by which its answer is known. When the block is left all are answered, and
    the connection is free for other use. When it is left by an error the connection is closed.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection, self._pgconn = connection, connection.pgconn
        self._sent: deque[_Sent[T]] = deque()
        self._answer: PGresult | None = None
        self._ended = True
        self.bytes_ahead = 0  # of statements that are not answered yet

    def __enter__(self) -> "Pipeline[T]":
        self._pgconn.enter_pipeline_mode()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                for _answer in self.finish():
                    pass
                self._pgconn.exit_pipeline_mode()
                return
        except psycopg.Error:
            pass  # it is lost, which shows when it is used next
        self._connection.close()

    def send(self, what: bytes | Prepared | Call, token: T, *, with_rows: bool = False) -> None:
        """Send a statement, or leave it to the next wait to do so: one to execute, to prepare, or that is prepared. The
        rows of its answer are thrown away as they come, unless it is to be `with_rows`. Raises psycopg.OperationalError
        when the connection is lost.
        """
        if isinstance(what, Call):
            self._pgconn.send_query_prepared(what.name, what.values)
            size = sum(len(value) for value in what.values if value)
        elif isinstance(what, Prepared):
            self._pgconn.send_prepare(what.name, what.sql)
            size = len(what.sql)
        else:
            self._pgconn.send_query_params(what, None)
            size = len(what)
        self._pgconn.send_flush_request()  # or the server keeps its answers until they are 8 kB
        self._ended = False
        self._append(_Sent(token, size, with_rows))

    def answers(self, patience: timedelta | None = None) -> Iterator[tuple[T, PGresult]]:
        """The answers that are there, in order; waits for the first, for `patience` at most. Raises
        psycopg.OperationalError when the connection is lost.
        """
        if not self._sent or not self._wait(patience):
            return
        while self._sent and not self._pgconn.is_busy():
            result = self._pgconn.get_result()
            token = self._sent[0].token
            if result is None and self._answer is None:
                raise self._lost()
            if result is not None and result.status in PARTS:
                continue
            if result is not None and token is not None:
                if result.status == ExecStatus.FATAL_ERROR and not result.error_field(DiagnosticField.SQLSTATE):
                    raise self._lost()  # nobody but the client itself says nothing but a sentence
                self._answer = result
                continue
            answer, self._answer = self._answer, None
            self.bytes_ahead -= self._sent.popleft().size
            self._drain_rows()
            if token is not None and answer is not None:
                yield token, answer

    def end(self) -> None:
        """Send the end of the pipeline behind what is sent so far, which saves a wait when nothing else will be."""
        if not self._ended:
            self._pgconn.pipeline_sync()
            self._append(_Sent(None))
            self._ended = True

    def finish(self, patience: timedelta | None = None) -> Iterator[tuple[T, PGresult]]:
        """End the pipeline: the answers to all that is under way. Without any for so long as `patience`, it stops, and
        can be called again.
        """
        self.end()
        while waiting := len(self._sent):
            yield from self.answers(patience)
            if len(self._sent) == waiting:
                return

    @property
    def idle(self) -> bool:
        """Whether everything is answered."""
        return not self._sent

    def _append(self, sent: "_Sent[T]") -> None:
        self._sent.append(sent)
        self.bytes_ahead += sent.size
        if len(self._sent) == 1:
            self._drain_rows()

    def _drain_rows(self) -> None:
        """Have the rows of the answer that is next in pieces."""
        if self._sent and self._sent[0].token is not None and not self._sent[0].with_rows:
            with suppress(psycopg.Error):  # all of it has arrived before
                self._pgconn.set_chunked_rows_mode(CHUNK)

    def _wait(self, patience: timedelta | None) -> bool:
        """Send what is to be sent and wait for something to read. False when `patience` was over before."""
        poll = select.poll()
        while self._pgconn.is_busy():
            unsent = self._pgconn.flush()
            poll.register(self._pgconn.socket, select.POLLIN | (select.POLLOUT if unsent else 0))
            with audible():
                ready = poll.poll(None if patience is None else milliseconds(patience))
            if not ready:
                return False
            if ready[0][1] & ~select.POLLOUT:
                try:
                    self._pgconn.consume_input()
                except psycopg.OperationalError:
                    return True  # what arrived before the connection was lost can still be read
        return True

    def _lost(self) -> psycopg.OperationalError:
        return psycopg.OperationalError(self._pgconn.get_error_message())
