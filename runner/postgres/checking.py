"""Check files and smoke tests: every query returns rows, and each row begins with true.

One that can stand inside of another query is judged by the server, so that what comes behind it need not wait.
"""

import re
from dataclasses import dataclass

import psycopg
from psycopg.pq.abc import PGresult

from runner.core.frame import code_frame
from runner.core.migration import Migration, Statement
from runner.core.model import SourceFile
from runner.errors import Finding, MigrationFailed
from runner.postgres.sending import failing_at, failure_of
from runner.postgres.session import Connection

BOOLEAN = 16  # the type's object identifier
# What these words may be the beginning of cannot stand in FROM, or means something else there.
AT_THE_TOP_ONLY = re.compile(rb"\b(?:INTO|INSERT|UPDATE|DELETE|MERGE|SHARE)\b", re.IGNORECASE)
# Text that is no number cannot be cast to one: the server's error carries our word. Of any type but JSON's own, only
# true is true. Materialized, so that the columns that nobody looks at are computed as well: they may raise.
BEFORE = b"""WITH "db-migrate: check" ("db-migrate: first") AS MATERIALIZED ("""
BEHIND = b"""\n) SELECT (coalesce('check: row ' || min(number) FILTER (WHERE NOT passed),
 CASE count(*) WHEN 0 THEN 'check: nothing' ELSE '0' END))::int
 FROM (SELECT row_number() OVER () AS number,
              coalesce(to_jsonb("db-migrate: first") = 'true', false)
              AND pg_typeof("db-migrate: first") <> ALL (ARRAY['json', 'jsonb']::regtype[]) AS passed
       FROM "db-migrate: check") AS numbered"""
NO_NUMBER, TOO_FEW_COLUMNS, OUR_NAME = "22P02", "42P10", '"db-migrate: check"'
OUR_WORD = re.compile(r"\bcheck: (?:row (\d+)|nothing)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Questions:
    """A file of queries that must be true."""

    source: SourceFile
    kind: str  # "check"
    name: str  # "the check of migration 01"


def can_be_judged_by_the_server(statement: Statement) -> bool:
    """Whether it may be sent in the form of `judged`."""
    return statement.traits.kind == "select_stmt" and not AT_THE_TOP_ONLY.search(statement.sql)


def judged(statement: Statement) -> bytes:
    """The query as one that fails when the first does not hold."""
    return BEFORE + statement.sql + BEHIND


def failure_of_judged(error: psycopg.Error, migration: Migration, statement: Statement) -> Finding:
    """What is wrong when the query of `judged` fails: the check, or its SQL."""
    return why_not_true(error, _check_of(migration), statement)


def why_not_true(error: psycopg.Error, questions: Questions, statement: Statement) -> Finding:
    """The same, of any file of queries."""
    word = OUR_WORD.search(error.diag.message_primary or "") if error.sqlstate == NO_NUMBER else None
    if word:
        return not_true(questions, statement, int(word[1] or 0))
    if error.sqlstate == TOO_FEW_COLUMNS and OUR_NAME in (error.diag.message_primary or ""):
        return not_true(questions, statement, 1)
    return failure_of(error, questions.source, statement, wrapped=len(BEFORE))


def check(connection: Connection, migration: Migration, statement: Statement) -> None:
    """Execute a check and judge it. Raises MigrationFailed."""
    questions = _check_of(migration)
    with failing_at(questions.source, statement):
        result = connection.execute(statement.sql).pgresult
    assert result is not None  # noqa: S101 - a statement that did not raise has one
    if (row := wrong_row(result)) is not None:
        raise MigrationFailed(not_true(questions, statement, row))


def wrong_row(result: PGresult) -> int | None:
    """The first row of an answer that does not begin with true, from 1; 0 when there is no row, None when all do."""
    first_is_boolean = result.nfields > 0 and result.ftype(0) == BOOLEAN
    if not result.ntuples:
        return 0
    return next(
        (row + 1 for row in range(result.ntuples) if not (first_is_boolean and result.get_value(row, 0) == b"t")), None
    )


def not_true(questions: Questions, statement: Statement, row: int) -> Finding:
    """What is said of a query that does not hold. `row`: as of `wrong_row`."""
    what = f"row {row} does not begin with true" if row else "it returned no row"
    source = questions.source
    return Finding(
        f"{questions.name} failed: {what}",
        path=source.path,
        line=statement.line,
        column=statement.column,
        hint=f"every row of a {questions.kind} must begin with true",
        frame=code_frame(source.data, statement.line, statement.column),
    )


def _check_of(migration: Migration) -> Questions:
    assert migration.file.check is not None  # noqa: S101 - checks come from that file
    return Questions(source=migration.file.check, kind="check", name=f"the check of migration {migration.version}")
