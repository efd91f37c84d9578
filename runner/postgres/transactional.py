"""One migration in one transaction: its statements, its check file, its ledger row and its history, or none of it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import psycopg
from psycopg import sql

from runner.core.durations import milliseconds
from runner.core.frame import code_frame
from runner.core.model import Migration, SourceFile, Statement, StepResult
from runner.core.naming import LEDGER_FILE
from runner.core.split import locate
from runner.errors import Finding, MigrationFailed
from runner.postgres.ledger import Ledger
from runner.postgres.session import Connection
from runner.postgres.watcher import Mutex

BOOLEAN = 16  # the type's object identifier
LONGEST_SAYING = 4096  # characters of each thing that the server says of an error


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """The server's limits for a migration's statements; zero means none."""

    lock: timedelta
    statement: timedelta


def run_transactional(
    connection: Connection, ledger: Ledger, migration: Migration, *, mutex: Mutex, timeouts: Timeouts
) -> StepResult:
    """Run one migration and write its rows: all of it stays, or none. A failure is in the result, rolled back and
    not yet recorded. Raises Cancelled, rolled back as well.
    """
    started = time.monotonic()
    done = 0

    def result(failure: Finding | None = None) -> StepResult:
        duration = timedelta(seconds=time.monotonic() - started)
        return StepResult(migration=migration, duration=duration, statements_done=done, failure=failure)

    try:
        with _failing_at(migration.file.up), connection.transaction():
            _limit(connection, timeouts, migration)
            for statement in migration.statements:
                with _failing_at(migration.file.up, statement):
                    connection.execute(statement.sql.encode())
                done += 1
            for statement in migration.checks:
                _check(connection, migration, statement)
            connection.execute("RESET SESSION AUTHORIZATION; RESET ROLE")  # the ledger is written as who we are
            if migration.file.path.name == LEDGER_FILE:
                ledger.install(connection)
            if not ledger.record_completed(connection, result(), mutex=mutex.key, holder=mutex.holder):
                raise MigrationFailed(_mutex_lost(migration))
    except MigrationFailed as error:
        return result(error.findings[0])
    return result()


def _limit(connection: Connection, timeouts: Timeouts, migration: Migration) -> None:
    headers = migration.headers
    limits = {
        "lock_timeout": headers.lock_timeout if headers.lock_timeout is not None else timeouts.lock,
        "statement_timeout": headers.statement_timeout if headers.statement_timeout is not None else timeouts.statement,
    }
    settings = [
        sql.SQL("SET LOCAL {} = {}").format(sql.Identifier(name), sql.Literal(milliseconds(limit)))
        for name, limit in limits.items()
    ]
    connection.execute(sql.SQL("; ").join(settings))


def _check(connection: Connection, migration: Migration, statement: Statement) -> None:
    """A check statement returns rows, and each begins with true."""
    assert migration.file.check is not None  # noqa: S101 - checks come from that file
    source = migration.file.check
    with _failing_at(source, statement):
        result = connection.execute(statement.sql.encode()).pgresult
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
                frame=code_frame(source.text, statement.line, statement.column))
    )  # fmt: skip


def _mutex_lost(migration: Migration) -> Finding:
    return Finding(
        "this run no longer holds the mutex; the migration was rolled back",
        path=migration.file.path,
        hint="the watcher's connection was cut or ended by the server; run again when that is mended",
    )


@contextmanager
def _failing_at(source: SourceFile, statement: Statement | None = None) -> Iterator[None]:
    """Turn an error of the server into MigrationFailed, on the file, line and column where it belongs."""
    try:
        yield
    except psycopg.Error as error:
        raise MigrationFailed(_finding(error, source, statement)) from None


CANCELLED_BY_HAND = "due to user request"  # shares its code with the statement timeout
HINTS = {
    "55P03": "somebody held a lock on the table for longer than `lock-timeout`; run again at a quieter moment",
    "57014": "it took longer than `statement-timeout`; a file sets its own with `-- migrate: statement-timeout=30min`",
    "2D000": "a migration runs in the runner's transaction; a procedure or DO block in it must not COMMIT",
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
        frame=code_frame(source.text, line, column) if statement else "",
        hint="" if CANCELLED_BY_HAND in message else HINTS.get(error.sqlstate or "", ""),
        detail="\n".join(f"{name}: {_bounded(text)}" for name, text in said.items() if text),
    )


def _bounded(text: str) -> str:
    return text if len(text) <= LONGEST_SAYING else text[:LONGEST_SAYING] + " … (cut)"
