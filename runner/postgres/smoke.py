"""A smoke test asked: in a read-only transaction that it cannot leave, all of it sent at once.

The server refuses whatever writes, in functions as well, and the way back to read-write once a query has run:
https://www.postgresql.org/docs/current/sql-set-transaction.html. A message holds one statement, as with parameters, so
that no second one can hide in it: https://www.postgresql.org/docs/current/protocol-flow.html.
"""

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
from psycopg.pq import DiagnosticField, ExecStatus
from psycopg.pq.abc import PGresult

from runner.core.durations import in_words, milliseconds
from runner.core.frame import code_frame
from runner.core.migration import Statement
from runner.core.smoke import is_query
from runner.core.sqlstates import CANCELED
from runner.core.steps import SmokeResult, SmokeTest
from runner.errors import Cancelled, DatabaseUnusable, Finding
from runner.postgres.checking import Questions, judged, not_true, why_not_true, wrong_row
from runner.postgres.pipeline import Pipeline
from runner.postgres.sending import failure_of
from runner.postgres.session import Connection, recover, settling, usable

TIMEOUT = timedelta(seconds=30)  # for a file
GRACE = timedelta(seconds=5)  # until the server itself ends a query, as when the runner has died
INSIST = timedelta(milliseconds=300)  # between two requests to cancel: one may come between two queries
PATIENCE = timedelta(seconds=10)  # with a server that does not answer to that
SECOND = timedelta(seconds=1)
# One state of the database for the whole file, whatever others commit meanwhile.
BEGIN = b"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
HINTS = {  # in place of those for migrations
    "25006": "a smoke test may only read; what it needs is made by a migration",
    "55P03": "somebody held a lock on the table for too long",
    "57014": "",
    "25001": "",
    "2D000": "",
    "55P04": "",
}
BEFORE, BEHIND = "before", "behind"  # what is ours
FATAL = {b"FATAL", b"PANIC"}  # after which the server ends the session


def run_smoke_test(connection: Connection, test: SmokeTest, *, timeout: timedelta = TIMEOUT) -> SmokeResult:
    """Ask every query of a smoke test and judge the answers; the first that is not true is the failure. `timeout` is
    for all of it, zero for none. Nothing that it does or sets stays.

    Raises DatabaseUnusable when the connection is lost or the server does not answer, and Cancelled.
    """
    began = time.monotonic()
    try:
        with usable(connection):
            failure = _failure(connection, test, timeout)
    finally:
        recover(connection)
    return SmokeResult(test=test, duration=timedelta(seconds=time.monotonic() - began), failure=failure)


def _failure(connection: Connection, test: SmokeTest, timeout: timedelta) -> Finding | None:
    """The first thing that is wrong. Raises psycopg.OperationalError when the connection is lost."""
    failure = None
    questions = Questions(source=test.source, kind="smoke test", name="the smoke test")
    clock = _Clock(timeout)
    with Pipeline[Statement | str](connection) as pipeline:
        try:
            _send(connection, pipeline, test, timeout)
            for sent, answer in _answers(connection, pipeline, clock):
                _told(sent, answer)
                if isinstance(sent, Statement) and failure is None:
                    failure = _judged(questions, sent, answer, clock)
        except Cancelled:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=INSIST / SECOND)
            raise
    return failure


def _send(connection: Connection, pipeline: "Pipeline[Statement | str]", test: SmokeTest, timeout: timedelta) -> None:
    """All of it. The settings are made by a query: from there on the transaction stays read-only."""
    limit = milliseconds(timeout + GRACE) if timeout else 0
    for sql in (BEGIN, settling(connection, local=True), f"SET LOCAL statement_timeout = {limit}".encode()):
        pipeline.send(sql, BEFORE)
    for statement in test.statements:
        by_the_server = _judged_by_the_server(statement)
        sql = judged(statement) if by_the_server else statement.sql
        pipeline.send(sql, statement, with_rows=is_query(statement) and not by_the_server)
    pipeline.send(b"ROLLBACK", BEHIND)
    pipeline.end()


def _judged_by_the_server(statement: Statement) -> bool:
    """Whether it is sent in the form of `judged`. What could not stand inside of another query was refused before."""
    return statement.traits.kind == "select_stmt"


class _Clock:
    """The time that a smoke test has."""

    def __init__(self, timeout: timedelta) -> None:
        self.timeout, self.over = timeout, False
        self._began = time.monotonic()

    @property
    def passed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._began)

    def left(self) -> timedelta | None:
        """None when there is no end."""
        return max(self.timeout - self.passed, timedelta()) if self.timeout else None


def _answers(
    connection: Connection, pipeline: "Pipeline[Statement | str]", clock: _Clock
) -> "Iterator[tuple[Statement | str, PGresult]]":
    """The answers as they come; when the time is over, those that are left once the server was told to cancel."""
    while not pipeline.idle:
        left = clock.left()
        if left is not None and not left:
            clock.over = True
            if clock.passed > clock.timeout + PATIENCE:
                raise DatabaseUnusable(Finding("the server does not answer", hint="run again when it does"))
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=1)
        yield from pipeline.answers(left or (INSIST if clock.over else None))


def _told(sent: Statement | str, answer: PGresult) -> None:
    """What is no failure of the test. Raises DatabaseUnusable."""
    if answer.status != ExecStatus.FATAL_ERROR:
        return
    error = psycopg.errors.error_from_result(answer)
    said = f"{error.diag.message_primary} (SQLSTATE {error.sqlstate})"
    if answer.error_field(DiagnosticField.SEVERITY_NONLOCALIZED) in FATAL:
        raise DatabaseUnusable(Finding(f"the connection to the database was lost: {said}"))
    if sent == BEFORE:
        raise DatabaseUnusable(Finding(f"the smoke tests could not be begun: {said}"))


def _judged(questions: Questions, statement: Statement, answer: PGresult, clock: _Clock) -> Finding | None:
    """What is wrong with the answer to a statement."""
    if answer.status == ExecStatus.FATAL_ERROR:
        error = psycopg.errors.error_from_result(answer)
        if error.sqlstate == CANCELED and clock.over:
            return _too_slow(questions, statement, clock.timeout)
        # That is no answer. With its own timeout it is one; in a language that we do not know it counts as none.
        if error.sqlstate == CANCELED and "statement timeout" not in (error.diag.message_primary or ""):
            hint = "nothing was undone for it; run again"
            raise DatabaseUnusable(Finding(f"somebody has cancelled {questions.source.path}", hint=hint))
        if _judged_by_the_server(statement):
            said = why_not_true(error, questions, statement)
        else:
            said = failure_of(error, questions.source, statement)
        return replace(said, hint=HINTS.get(said.sqlstate, said.hint))
    if is_query(statement) and not _judged_by_the_server(statement) and (row := wrong_row(answer)) is not None:
        return not_true(questions, statement, row)
    return None


def _too_slow(questions: Questions, statement: Statement, timeout: timedelta) -> Finding:
    return Finding(
        f"the smoke test did not end within {in_words(timeout)}",
        path=questions.source.path,
        line=statement.line,
        column=statement.column,
        hint="this query was under way; ask for less, or for what an index finds",
        frame=code_frame(questions.source.data, statement.line, statement.column),
        sqlstate=CANCELED,
    )
