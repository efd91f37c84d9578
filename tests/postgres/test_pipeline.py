"""Statements sent ahead, against real servers."""

from collections.abc import Iterator

import pytest
from psycopg.pq import DiagnosticField, ExecStatus, TransactionStatus

from runner.postgres.binding import prepared
from runner.postgres.pipeline import Pipeline
from runner.postgres.session import Connection
from tests.conftest import Database


@pytest.fixture
def connection(database: Database) -> Iterator[Connection]:
    with database.connect() as connection:
        yield connection


def run(connection: Connection, *statements: str) -> list[tuple[str, str]]:
    """What was answered to each."""
    answers = []
    with Pipeline[str](connection) as pipeline:
        for statement in statements:
            pipeline.send(statement.encode(), statement)
        while not pipeline.idle:
            answers += [(token, ExecStatus(answer.status).name) for token, answer in pipeline.answers()]
    return answers


def test_transactions_behind_each_other_are_transactions_of_their_own(
    connection: Connection, database: Database
) -> None:
    statements = ["BEGIN", "CREATE TABLE a ()", "COMMIT", "DISCARD ALL", "BEGIN", "CREATE TABLE b ()", "COMMIT"]
    assert run(connection, *statements) == [(statement, "COMMAND_OK") for statement in statements]
    assert database.value("SELECT count(DISTINCT xmin::text) FROM pg_class WHERE relname IN ('a', 'b')") == 2
    assert connection.info.transaction_status == TransactionStatus.IDLE


def test_an_error_skips_everything_behind_it(connection: Connection, database: Database) -> None:
    answers = run(connection, "BEGIN", "CREATE TABLE a ()", "COMMIT", "BEGIN", "SELECT 1 / 0", "COMMIT", "SELECT 1")
    assert [status for _, status in answers] == ["COMMAND_OK"] * 4 + ["FATAL_ERROR"] + ["PIPELINE_ABORTED"] * 2
    connection.rollback()
    assert database.tables() == {"a"}


def test_rows_are_thrown_away_unless_they_are_wanted(connection: Connection) -> None:
    with Pipeline[bool](connection) as pipeline:
        for wanted in (False, True):
            pipeline.send(b"SELECT repeat('x', 100) FROM generate_series(1, 10000)", wanted, with_rows=wanted)
        rows = []
        while not pipeline.idle:
            rows += [(token, answer.ntuples) for token, answer in pipeline.answers()]
    assert rows == [(False, 0), (True, 10_000)]


def test_what_is_sent_is_finished_when_the_block_is_left(connection: Connection, database: Database) -> None:
    with Pipeline[int](connection) as pipeline:
        pipeline.send(b"CREATE TABLE a ()", 1)
        assert pipeline.bytes_ahead == len("CREATE TABLE a ()")
    assert pipeline.bytes_ahead == 0
    assert connection.execute("SELECT 1").fetchone() == (1,)
    assert database.tables() == {"a"}


def test_more_than_the_sockets_hold_does_not_stop_both_sides(connection: Connection) -> None:
    large = b"SELECT '" + b"x" * 500_000 + b"'"
    with Pipeline[int](connection) as pipeline:
        for number in range(40):
            pipeline.send(large, number)
        answered: list[int] = []
        while not pipeline.idle:
            answered += [number for number, _ in pipeline.answers()]
    assert answered == list(range(40))


def test_answers_that_came_before_the_connection_was_lost_are_given(connection: Connection, database: Database) -> None:
    connection.execute("CREATE TABLE a ()")
    pid = connection.info.backend_pid
    answered = []
    with Pipeline[str](connection) as pipeline:
        for statement in ("BEGIN", "INSERT INTO a DEFAULT VALUES", "COMMIT", "SELECT pg_sleep(30)"):
            pipeline.send(statement.encode(), statement)
        while not pipeline.idle:
            for statement, answer in pipeline.answers():
                answered.append((statement, answer.error_field(DiagnosticField.SQLSTATE)))
                if statement == "COMMIT":
                    database.query("SELECT pg_terminate_backend(%s)", pid)
    assert answered == [(statement, None) for statement in ("BEGIN", "INSERT INTO a DEFAULT VALUES", "COMMIT")] + [
        ("SELECT pg_sleep(30)", b"57P01")
    ]
    assert connection.closed


def test_a_prepared_statement_is_parsed_once_and_takes_values(connection: Connection) -> None:
    statement = prepared(
        b"of a test", b"SELECT %(b)s || %(a)s, %(n)s + 1, %(n)s::text, %(none)s::int, %(yes)s AND true"
    )
    assert statement.sql == b"SELECT $1 || $2, $3 + 1, $4::text, $5::int, $6 AND true"
    with Pipeline[str](connection) as pipeline:
        pipeline.send(statement, "prepared")
        for a in ("x", "ü'\\"):
            pipeline.send(statement.call({"a": a, "b": "b", "n": 1, "none": None, "yes": True}), a, with_rows=True)
        rows = {}
        while not pipeline.idle:
            for token, answer in pipeline.answers():
                rows[token] = [answer.get_value(row, column) for row in range(answer.ntuples) for column in range(5)]
    assert rows == {
        "prepared": [],
        "x": [b"bx", b"2", b"1", None, b"t"],
        "ü'\\": ["bü'\\".encode(), b"2", b"1", None, b"t"],
    }
