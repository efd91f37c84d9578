"""Smoke tests on real servers: how they are judged, and that nothing gets out of their read-only transaction."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.core.migration import Statement, Traits
from runner.core.model import SourceFile
from runner.core.smoke import parse_smoke_test
from runner.core.steps import SmokeResult, SmokeTest
from runner.errors import Cancelled, DatabaseUnusable, Finding
from runner.postgres.session import Connection
from runner.postgres.smoke import run_smoke_test
from runner.postgres.watcher import HELD_KEY
from tests.conftest import Database

PATH = PurePosixPath("smoke-tests/a.sql")
SETTINGS = "SELECT name, setting FROM pg_settings ORDER BY name"
OBJECTS = """
    CREATE TABLE users (id int PRIMARY KEY);
    INSERT INTO users VALUES (1), (2);
    CREATE SEQUENCE numbers;
    CREATE SCHEMA app;
    CREATE TABLE app.things AS SELECT true AS fine;
    CREATE FUNCTION writes() RETURNS boolean LANGUAGE plpgsql
        AS $$ BEGIN INSERT INTO public.users VALUES (3); RETURN true; END $$;
    CREATE FUNCTION tries() RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN
        PERFORM set_config('transaction_read_only', 'off', false); INSERT INTO public.users VALUES (3); RETURN true;
    EXCEPTION WHEN others THEN INSERT INTO public.users VALUES (3); RETURN true; END $$;
    CREATE FUNCTION executes(text) RETURNS boolean LANGUAGE plpgsql AS $$ BEGIN EXECUTE $1; RETURN true; END $$;"""


def too_deep(word: str) -> str:
    """A query that cannot be looked at, so that we judge its answer, and not the server."""
    return f"SELECT {'(' * 150}{word}{f' OR {word})' * 150}"


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        connection.execute(OBJECTS.encode())
        yield connection


def ask(connection: Connection, sql: str, *, timeout: timedelta = timedelta(seconds=30)) -> SmokeResult:
    return run_smoke_test(connection, parse_smoke_test(SourceFile(path=PATH, data=sql.encode())), timeout=timeout)


def failure(connection: Connection, sql: str, *, timeout: timedelta = timedelta(seconds=30)) -> Finding:
    failure = ask(connection, sql, timeout=timeout).failure
    assert failure is not None
    return failure


def unparsed(sql: str) -> SmokeTest:
    """What the parser would have refused, or taken for a query, for the server to say no to."""
    statement = Statement(source=sql.encode(), start=0, end=len(sql.encode()), line=1, traits=Traits(kind="plain"))
    return SmokeTest(source=SourceFile(path=PATH, data=sql.encode()), statements=(statement,))


@contextmanager
def terminated(after: float) -> Iterator[None]:
    """A SIGTERM comes, as to a run."""

    def stop(*_: object) -> None:
        raise Cancelled("SIGTERM", signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, stop)
    timer = threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)


# The rule


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT true;",
        "SELECT count(*) = 2 AS two, count(*) FROM users;",
        "VALUES (true, 1), (true, NULL)",
        "TABLE app.things",
        "(SELECT true) UNION ALL (SELECT id > 0 FROM users) -- all of them",
        "WITH RECURSIVE a AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM a WHERE n < 9) SELECT max(n) = 9 FROM a;",
        "SELECT 'INTO' <> 'FOR UPDATE' AND 'INSERT' <> 'MERGE';",
        "SET LOCAL search_path = app;\nSELECT fine FROM things;",
        "SET standard_conforming_strings = off;\nSELECT '\\'' = chr(39);",
        pytest.param(f"{too_deep('true')};", id="too deep"),
        "SELECT 1 = 1, '%s %(a)s ?';",
    ],
)
def test_passes_when_every_row_begins_with_true(connection: Connection, sql: str) -> None:
    result = ask(connection, sql)
    assert result.failure is None
    assert timedelta() < result.duration < timedelta(seconds=20)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELECT id = 1 FROM users ORDER BY id", "row 2 does not begin with true"),
        ("SELECT true FROM users WHERE id > 9", "it returned no row"),
        ("SELECT NULL::boolean", "row 1 does not begin with true"),
        ("SELECT 1", "row 1 does not begin with true"),
        ("SELECT 'true'", "row 1 does not begin with true"),
        ("SELECT 't'::text", "row 1 does not begin with true"),
        ("SELECT 'true'::jsonb", "row 1 does not begin with true"),
        ("SELECT FROM users", "row 1 does not begin with true"),
        ("SELECT 1, true", "row 1 does not begin with true"),
        pytest.param(too_deep("false"), "row 1 does not begin with true", id="too deep, not true"),
        pytest.param(f"{too_deep('false')} WHERE false", "it returned no row", id="too deep, without a row"),
    ],
)
def test_fails_at_the_query_that_is_not_true(connection: Connection, query: str, said: str) -> None:
    found = failure(connection, f"SELECT true;\n\n  {query};")
    assert found.message == f"the smoke test failed: {said}"
    assert (found.path, found.line, found.column) == (PATH, 3, 3)
    assert found.hint == "every row of a smoke test must begin with true"
    assert found.frame.startswith("  1 | SELECT true;\n  2 |\n> 3 |   SELECT ")
    assert found.sqlstate == ""


def test_fails_at_the_place_of_a_statement_that_raises(connection: Connection) -> None:
    found = failure(connection, "SELECT true;\nSELECT\n  nothing IS NULL FROM users;")
    assert str(found) == 'smoke-tests/a.sql:3:3: column "nothing" does not exist (SQLSTATE 42703)'
    assert "> 3 |   nothing IS NULL FROM users;\n    |   ^" in found.frame


def test_raises_from_a_column_that_nobody_looks_at_count_too(connection: Connection) -> None:
    assert failure(connection, "SELECT true, 1 / (id - 1) FROM users;").sqlstate == "22012"


def test_the_first_that_fails_is_the_failure(connection: Connection) -> None:
    deep = f"{too_deep('false')};"
    assert failure(connection, f"SELECT true;\n{deep}\nSELECT 1 / 0;").line == 2
    assert failure(connection, f"SELECT 1 / 0;\n{deep}").line == 1
    assert failure(connection, "SELECT false;\nSELECT 1 / 0;").line == 1


def test_a_setting_that_fails_is_a_failure(connection: Connection) -> None:
    found = failure(connection, "SET ROLE nobody_of_this_name;\nSELECT true;")
    assert (found.line, found.sqlstate) == (1, "22023")


def test_a_test_may_ask_as_another_role(connection: Connection) -> None:
    assert ask(connection, "SET LOCAL ROLE nobody;\nSELECT current_user = 'nobody';").failure is None
    found = failure(connection, "SET LOCAL ROLE nobody;\nSELECT count(*) = 2 FROM users;")
    assert str(found).startswith("smoke-tests/a.sql:2:1: permission denied for table users (SQLSTATE 42501)")


def test_all_queries_of_a_file_see_the_same_state(connection: Connection, database: Database) -> None:
    sleeps = "SELECT count(*) = 2 FROM users;\nSELECT pg_sleep(1) IS NOT NULL;\nSELECT count(*) = 2 FROM users;"
    timer = threading.Timer(0.4, lambda: database.query("INSERT INTO users VALUES (3)"))
    timer.start()
    assert ask(connection, sleeps).failure is None
    timer.join()
    assert failure(connection, "SELECT count(*) = 2 FROM users;").line == 1


# Read-only


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SELECT writes();", "25006"),
        ("SELECT tries();", "25006"),
        ("SELECT nextval('numbers') > 0;", "25006"),
        ("SELECT setval('numbers', 5) > 0;", "25006"),
        ("SELECT true FROM (SELECT id FROM users FOR UPDATE) AS locked;", "25006"),
        ("SELECT executes('CREATE TABLE made ()');", "25006"),
        ("SELECT executes('CREATE TEMP TABLE made ()');", "25006"),
        ("SELECT executes('COMMIT');", "0A000"),
        ("SET transaction_read_only = off;\nSELECT writes();", "25001"),
        ("SET LOCAL transaction_read_only = off;\nSELECT writes();", "25001"),
        ("SELECT set_config('transaction_read_only', 'off', false) = 'off', writes();", "25001"),
        ("SELECT executes('SET TRANSACTION READ WRITE');", "25001"),
        ("SELECT executes('RESET transaction_read_only');", None),
        ("SELECT executes('SET LOCAL transaction_read_only = off');\nSELECT writes();", "25001"),
    ],
)
def test_the_server_refuses_what_writes_and_the_way_back_to_writing(
    connection: Connection, database: Database, sql: str, code: str | None
) -> None:
    before = database.dump()
    found = failure(connection, sql)
    assert found.sqlstate == code or code is None
    assert found.hint == ("a smoke test may only read; what it needs is made by a migration" if code == "25006" else "")
    assert database.dump() == before


@pytest.mark.parametrize(
    ("sql", "code"),
    [
        ("SET TRANSACTION READ WRITE", "25001"),
        ("RESET transaction_read_only", None),
        ("INSERT INTO users VALUES (3) RETURNING true", "25006"),
        ("SELECT true; COMMIT; INSERT INTO users VALUES (3)", "42601"),
        ("CREATE TABLE made ()", "25006"),
    ],
)
def test_what_a_parser_would_miss_is_refused_by_the_server(
    connection: Connection, database: Database, sql: str, code: str | None
) -> None:
    before = database.dump()
    found = run_smoke_test(connection, unparsed(sql)).failure
    assert found is not None
    assert found.sqlstate == code or code is None
    assert database.dump() == before


def test_defaults_for_later_transactions_open_nothing_in_this_one(connection: Connection, database: Database) -> None:
    found = failure(connection, "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE;\nSELECT writes();")
    assert (found.line, found.sqlstate) == (2, "25006")
    assert database.value("SELECT count(*) FROM users") == 2


# What stays


@pytest.mark.parametrize("last", ["SELECT true;", "SELECT false;", "SELECT 1 / 0;"])
def test_nothing_that_it_set_stays(connection: Connection, last: str) -> None:
    settings = connection.execute(SETTINGS).fetchall()
    ask(
        connection,
        "SET search_path = app;\nSET ROLE nobody;\nSET TIME ZONE 'Asia/Tokyo';\nSET my.word = 'x';\nRESET ROLE;\n"
        f"SELECT pg_advisory_lock(4711) IS NOT NULL;\nSELECT set_config('work_mem', '1MB', false) = '1MB';\n{last}",
    )
    assert not connection.closed
    assert connection.execute(SETTINGS).fetchall() == settings
    assert connection.execute("SELECT current_user, session_user").fetchone() == ("postgres", "postgres")
    held = f"SELECT count(*) FROM pg_locks WHERE {HELD_KEY.as_string()} = 4711"
    assert connection.execute(held.encode()).fetchone() == (0,)
    assert connection.info.transaction_status.name == "IDLE"


def test_the_connection_serves_the_next_one(connection: Connection) -> None:
    words = ("true", "1 / 0", "true", "false", "true")
    passed = [ask(connection, f"SELECT {word};").failure is None for word in words]
    assert passed == [True, False, True, False, True]


# Time


def test_the_timeout_is_for_the_file_as_a_whole(connection: Connection) -> None:
    began = time.monotonic()
    half = "SELECT pg_sleep(0.4) IS NOT NULL;\n"
    found = failure(connection, half * 5, timeout=timedelta(seconds=1))
    assert time.monotonic() - began < 1.9
    assert found.message == "the smoke test did not end within 1.0 s"
    assert (found.line, found.column, found.sqlstate) == (3, 1, "57014")
    assert found.frame.startswith("  1 | ")
    assert not connection.closed
    assert ask(connection, "SELECT true;").failure is None


@pytest.mark.parametrize("longer", ["SET statement_timeout = 0", "SET LOCAL statement_timeout = '1h'"])
def test_no_setting_makes_it_longer(connection: Connection, longer: str) -> None:
    began = time.monotonic()
    found = failure(connection, f"{longer};\nSELECT pg_sleep(20) IS NOT NULL;", timeout=timedelta(seconds=0.5))
    assert time.monotonic() - began < 5
    assert (found.line, found.message) == (2, "the smoke test did not end within 500 ms")


def test_a_shorter_one_is_its_own(connection: Connection) -> None:
    found = failure(connection, "SET LOCAL statement_timeout = '20ms';\nSELECT pg_sleep(20) IS NOT NULL;")
    assert found.message == "canceling statement due to statement timeout (SQLSTATE 57014)"
    assert found.hint == ""


def test_a_failure_before_the_time_was_over_stays_the_failure(connection: Connection) -> None:
    deep = f"{too_deep('false')};"
    found = failure(connection, f"{deep}\nSELECT pg_sleep(20) IS NOT NULL;", timeout=timedelta(seconds=0.5))
    assert (found.line, found.message) == (1, "the smoke test failed: row 1 does not begin with true")


def test_without_a_timeout_it_takes_the_time_it_needs(connection: Connection) -> None:
    assert ask(connection, "SELECT pg_sleep(0.1) IS NOT NULL;", timeout=timedelta()).failure is None


# What is no failure of the test


def test_a_session_that_is_ended_is_no_failed_test(connection: Connection) -> None:
    with pytest.raises(DatabaseUnusable, match="the connection to the database was lost: terminating connection"):
        ask(connection, "SELECT pg_terminate_backend(pg_backend_pid());\nSELECT pg_sleep(5) IS NOT NULL;")
    assert connection.closed


def test_a_connection_that_was_lost_before_is_no_failed_test(connection: Connection, database: Database) -> None:
    database.query("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
    with pytest.raises(DatabaseUnusable, match="the connection to the database was lost"):
        ask(connection, "SELECT true;")
    with pytest.raises(DatabaseUnusable, match="the connection to the database was lost"):
        ask(connection, "SELECT true;")


def test_a_cancel_is_no_failed_test_and_ends_the_query_on_the_server(
    connection: Connection, database: Database
) -> None:
    pid, began = connection.info.backend_pid, time.monotonic()
    with pytest.raises(Cancelled), terminated(after=0.5):
        ask(connection, "SELECT pg_sleep(20) IS NOT NULL;")
    assert time.monotonic() - began < 4
    deadline = time.monotonic() + 5
    while database.query("SELECT FROM pg_stat_activity WHERE pid = %s AND state = 'active'", pid):
        assert time.monotonic() < deadline
        time.sleep(0.05)
