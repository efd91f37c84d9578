"""How a migration's statements are sent, what is said when the server refuses one, and how checks are judged."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import psycopg
from psycopg import generators
from psycopg.abc import PQGen
from psycopg.pq import ExecStatus
from psycopg.pq.abc import PGconn, PGresult

from runner.core.durations import milliseconds
from runner.core.frame import code_frame
from runner.core.migration import Migration, Statement
from runner.core.model import SourceFile
from runner.core.places import locate
from runner.core.split import split
from runner.errors import Finding, MigrationFailed
from runner.postgres.session import Connection

CHUNK = 256  # rows of an answer that are held at once
PARTS = {ExecStatus.TUPLES_CHUNK, ExecStatus.SINGLE_TUPLE}  # of an answer; its end has another status
LONGEST_SAYING = 4096  # characters of each thing that the server says of an error
# What is deferred comes first, as it is the file's and runs with its role: else COMMIT would do it, behind the proof of
# the mutex. Then the ledger is written as who we are, not by a role, path or limit that the file has set. Servers from
# before November 2024 do not reset the role with the session's user.
DEFERRED = b"SET CONSTRAINTS ALL IMMEDIATE"
OUR_ROLE = (b"SET LOCAL session_authorization TO DEFAULT", b"SET LOCAL role TO DEFAULT")
OUR_SETTINGS = b"""
    SELECT pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true),
           pg_catalog.set_config('statement_timeout', '1min', true),
           pg_catalog.set_config('lock_timeout', '30s', true)"""  # as who we are: a file's role may not call functions
AS_OURSELVES = (*OUR_ROLE, OUR_SETTINGS)
COPYING = {ExecStatus.COPY_IN, ExecStatus.COPY_OUT, ExecStatus.COPY_BOTH}


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The server's limits for a migration's statements; zero means none."""

    lock: timedelta
    statement: timedelta

    def of(self, migration: Migration) -> "Timeouts":
        """Those of a migration, whose header may say otherwise."""
        headers = migration.headers
        return Timeouts(
            lock=self.lock if headers.lock_timeout is None else headers.lock_timeout,
            statement=self.statement if headers.statement_timeout is None else headers.statement_timeout,
        )


def limit(connection: Connection, timeouts: Timeouts, *, local: bool) -> None:
    """Set the server's limits for the statements that follow: in this transaction, or in the session."""
    connection.execute(b"; ".join(limits(timeouts, local=local)))


def limits(timeouts: Timeouts, *, local: bool) -> tuple[bytes, bytes]:
    """What sets them. Not a query: before one, a file may still SET TRANSACTION."""
    scope = "LOCAL" if local else "SESSION"
    lock, statement = milliseconds(timeouts.lock), milliseconds(timeouts.statement)
    return (
        f"SET {scope} lock_timeout = {lock}".encode(),
        f"SET {scope} statement_timeout = {statement}".encode(),
    )


def lock_timeout(duration: timedelta) -> bytes:
    """What sets it for the rest of the transaction."""
    return f"SET LOCAL lock_timeout = {milliseconds(duration)}".encode()


def send(connection: Connection, source: SourceFile, statement: Statement) -> int:
    """Execute a statement of a file, or several that go together; rows are thrown away as they come. Returns how many
    rows were written or returned. Raises MigrationFailed on the place of the one that failed.
    """
    with failing_at(source, statement):
        connection.pgconn.send_query(statement.sql)
        done, rows, last = connection.wait(_drained(connection.pgconn))
    if last.status == ExecStatus.FATAL_ERROR:
        error = psycopg.errors.error_from_result(last)
        together = statement.count > 1 and not error.diag.statement_position
        raise MigrationFailed(failure_of(error, source, _one_of(statement, done) if together else statement))
    return rows


def _drained(pgconn: PGconn) -> PQGen[tuple[int, int, PGresult]]:
    """How many statements were answered before the last answer, the rows of all, and that answer; flat in memory."""
    done, rows, last = -1, 0, None
    yield from generators.send(pgconn)
    with suppress(psycopg.Error):  # nothing is under way any more
        pgconn.set_chunked_rows_mode(CHUNK)  # for all statements of the message
    while True:
        # What has arrived is taken without a wait: of rows, each statement has an answer.
        result = (yield from generators.fetch(pgconn)) if pgconn.is_busy() else pgconn.get_result()
        if result is None:
            break
        status = result.status
        if status in COPYING:
            pgconn.finish()
            raise psycopg.OperationalError("the server wants to be sent the data of a COPY, or to send it")
        if status not in PARTS:
            done, rows, last = done + 1, rows + (result.command_tuples or 0), result
    assert last is not None  # noqa: S101 - whatever is sent is answered
    return done, rows, last


def _one_of(together: Statement, number: int) -> Statement:
    """One of several that were sent together, from 0: the server tells its place only where it has a position."""
    cut = next(islice(split(together.sql), number, None))
    line, column = locate(together, len(together.sql[: cut.start].decode()) + 1)
    start = together.start
    return Statement(source=together.source, start=start + cut.start, end=start + cut.end, line=line, column=column)


@contextmanager
def failing_at(source: SourceFile, statement: Statement | None = None) -> Iterator[None]:
    """Turn an error of the server into MigrationFailed, on the file, line and column where it belongs."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationFailed(failure_of(error, source, statement)) from None


CANCELLED_BY_HAND = "due to user request"  # shares its code with the statement timeout
HINTS = {
    "55P03": "somebody held a lock on the table for longer than `lock-timeout`; run again at a quieter moment",
    "57014": "it took longer than `statement-timeout`; a file sets its own with `-- migrate: statement-timeout=30min`",
    "2D000": "a procedure or DO block must not COMMIT in the runner's transaction; a file that begins with "
    "`-- migrate: no-transaction` runs without one",
    "25001": "a file that begins with `-- migrate: no-transaction` runs without the runner's transaction",
    "55P04": "a value added to an enum can be used once the transaction that adds it has ended: use it in a migration "
    "of its own, behind this one",
    "42501": "grant this right to the role that migrates, or run as the owner",
}


def failure_of(
    error: psycopg.Error, source: SourceFile, statement: Statement | None = None, *, wrapped: int = 0
) -> Finding:
    """What the server says, on the file, line and column where it belongs. `wrapped`: characters that were sent before
    the statement.
    """
    diagnosis = error.diag
    line = statement.line if statement else 1
    column = statement.column if statement else None
    position = int(diagnosis.statement_position or 0) - wrapped
    if statement and position > 0:
        line, column = locate(statement, position)
    message = _bounded(diagnosis.message_primary or " ".join(str(error).split()))
    code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    said = {"detail": diagnosis.message_detail, "hint": diagnosis.message_hint, "context": diagnosis.context}
    return Finding(
        f"{message}{code}",
        path=source.path,
        line=line,
        column=column,
        frame=code_frame(source.data, line, column) if statement else "",
        hint="" if CANCELLED_BY_HAND in message else HINTS.get(error.sqlstate or "", ""),
        detail="\n".join(f"{name}: {_bounded(text)}" for name, text in said.items() if text),
        sqlstate=error.sqlstate or "",
    )


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_SAYING else text[:LONGEST_SAYING] + " … (cut)"
