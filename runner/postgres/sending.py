"""How a migration's statements are sent, what is said when the server refuses one, and how checks are judged."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice

import psycopg
from psycopg import sql
from psycopg.generators import execute
from psycopg.pq import ExecStatus

from runner.core.durations import milliseconds
from runner.core.frame import code_frame
from runner.core.model import Migration, SourceFile, Statement
from runner.core.places import locate
from runner.core.split import split
from runner.errors import Finding, MigrationFailed
from runner.postgres.session import Connection

BOOLEAN = 16  # the type's object identifier
LONGEST_SAYING = 4096  # characters of each thing that the server says of an error


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
    template = sql.SQL("SET LOCAL {} = {}") if local else sql.SQL("SET {} = {}")
    limits = {"lock_timeout": timeouts.lock, "statement_timeout": timeouts.statement}
    settings = [
        template.format(sql.Identifier(name), sql.Literal(milliseconds(value))) for name, value in limits.items()
    ]
    connection.execute(sql.SQL("; ").join(settings))


def send(connection: Connection, source: SourceFile, statement: Statement) -> None:
    """Execute a statement of a file, or several that go together. Raises MigrationFailed on the place of the one that
    failed.
    """
    with failing_at(source, statement):
        if statement.count == 1:
            connection.execute(statement.sql)
            return
        connection.pgconn.send_query(statement.sql)
        results = connection.wait(execute(connection.pgconn))  # one of each statement, up to the one that failed
    if results[-1].status == ExecStatus.FATAL_ERROR:
        error = psycopg.errors.error_from_result(results[-1])
        one = statement if error.diag.statement_position else _one_of(statement, len(results) - 1)
        raise MigrationFailed(_finding(error, source, one))


def _one_of(together: Statement, number: int) -> Statement:
    """One of several that were sent together, from 0: the server tells its place only where it has a position."""
    cut = next(islice(split(together.sql), number, None))
    line, column = locate(together, len(together.sql[: cut.start].decode()) + 1)
    start = together.start
    return Statement(source=together.source, start=start + cut.start, end=start + cut.end, line=line, column=column)


def check(connection: Connection, migration: Migration, statement: Statement) -> None:
    """A check statement returns rows, and each begins with true."""
    assert migration.file.check is not None  # noqa: S101 - checks come from that file
    source = migration.file.check
    with failing_at(source, statement):
        result = connection.execute(statement.sql).pgresult
    assert result is not None  # noqa: S101 - a statement that did not raise has one
    first_is_boolean = result.nfields > 0 and result.ftype(0) == BOOLEAN
    wrong = next(
        (row + 1 for row in range(result.ntuples) if not (first_is_boolean and result.get_value(row, 0) == b"t")), None
    )
    if result.ntuples and wrong is None:
        return
    what = f"row {wrong} does not begin with true" if result.ntuples else "it returned no row"
    raise MigrationFailed(
        Finding(f"the check of migration {migration.version} failed: {what}", path=source.path, line=statement.line,
                column=statement.column, hint="every row of a check must begin with true",
                frame=code_frame(source.data, statement.line, statement.column))
    )  # fmt: skip


@contextmanager
def failing_at(source: SourceFile, statement: Statement | None = None) -> Iterator[None]:
    """Turn an error of the server into MigrationFailed, on the file, line and column where it belongs."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationFailed(_finding(error, source, statement)) from None


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


def _finding(error: psycopg.Error, source: SourceFile, statement: Statement | None) -> Finding:
    diagnosis = error.diag
    line = statement.line if statement else 1
    column = statement.column if statement else None
    if statement and diagnosis.statement_position:
        line, column = locate(statement, int(diagnosis.statement_position))
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
