"""Migrations that are sent ahead: what an error, a signal or a death in the middle leaves of them."""

import json
import signal
import time

import pytest

from runner.postgres.ahead import WINDOW
from tests.conftest import ON_NEWEST, Database
from tests.faults.runs import Checkout, Running
from tests.faults.test_together import in_transaction

MANY = 40
MUTEXES = """
    SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""
BUSY = """
    SELECT query FROM pg_stat_activity
    WHERE application_name LIKE 'db-migrate %' AND state <> 'idle' AND datname = current_database()"""
STATUS = "SELECT status, count(*) FROM schema_migrations GROUP BY status"
COMPLETED = "SELECT version FROM schema_migrations WHERE status = 'completed' ORDER BY version"
VERSIONS = [f"{n:03}" for n in range(1, MANY + 1)]


def small(number: int) -> str:
    return f"CREATE TABLE t{number} (id int);\nCOMMENT ON TABLE t{number} IS 'small';"


PACE = "CREATE SEQUENCE started; CREATE TABLE pace (id int); INSERT INTO pace VALUES (1)"


def slow(number: int, seconds: float) -> str:
    """It counts its start where a rollback does not reach, and is slow while `pace` has a row."""
    return f"SELECT nextval('started');\nCREATE TABLE t{number} (id int);\nSELECT pg_sleep({seconds}) FROM pace;"


def starts(database: Database) -> int:
    """How many of them have begun."""
    return int(str(database.value("SELECT last_value FROM started")))


def own_tables(database: Database) -> set[str]:
    return {name for name in database.tables() if name.startswith("t") and name[1:].isdigit()}


def wait_for_completed(database: Database, number: int) -> None:
    deadline = time.monotonic() + 30
    while "schema_migrations" not in database.tables() or len(database.query(COMPLETED)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("bad", [20, WINDOW + 20], ids=["of the first that are sent", "of the next ones"])
def test_an_error_in_the_middle_leaves_exactly_what_was_before_it(
    checkout: Checkout, database: Database, bad: int
) -> None:
    many, name = bad + 20, f"{bad:03}"
    files = {f"{n:03}_t": small(n) for n in range(1, many + 1)}
    checkout.write(
        files | {f"{name}_t": f"CREATE TABLE t{bad} (id int);\n\nINSERT  INTO t{bad} VALUES (1 / 0);\nSELECT 1;"}
    )
    with checkout.running(database.url) as run:
        ended = run.end()
    assert ended.exit_code == 1, ended.log
    assert f"migrations/{name}_t.sql:3" in ended.log
    assert "division by zero" in ended.log
    assert ended.applied == [f"{n:03}" for n in range(1, bad)]
    assert json.loads(ended.outputs["pending"]) == [f"{n:03}" for n in range(bad, many + 1)]
    assert own_tables(database) == {f"t{n}" for n in range(1, bad)}
    assert sorted(database.query(STATUS)) == [("completed", bad - 1), ("failed", 1), ("pending", 20)]
    assert database.query("SELECT version FROM schema_migrations WHERE status = 'failed'") == [(name,)]
    assert database.query("SELECT status, count(*) FROM migration_history GROUP BY 1 ORDER BY 1") == [
        ("failed", 1),
        ("success", bad - 1),
    ]
    checkout.write({f"{name}_t": small(bad)})
    assert checkout.run(database.url).exit_code == 0
    assert own_tables(database) == {f"t{n}" for n in range(1, many + 1)}


def test_the_place_of_an_error_is_that_of_its_statement(checkout: Checkout, database: Database) -> None:
    """The server tells a position where it knows one."""
    files = {f"{n:03}_t": small(n) for n in range(1, MANY + 1)}
    checkout.write(files | {"020_t": "CREATE TABLE t20 (id int);\n\nSELECT  nope FROM t20;\nSELECT 1;"})
    with checkout.running(database.url) as run:
        ended = run.end()
    assert ended.exit_code == 1
    assert 'migrations/020_t.sql:3:9: column "nope" does not exist' in ended.log
    assert ended.applied == VERSIONS[:19]


@ON_NEWEST
@pytest.mark.parametrize("before", [0, WINDOW - 20], ids=["with the first under way", "with the next ones under way"])
def test_nothing_starts_or_commits_once_the_mutex_of_a_killed_run_is_gone(
    checkout: Checkout, database: Database, before: int
) -> None:
    """All that is sent at first is under way, or the most of it is in and the next ones are too."""
    database.query(PACE)
    many = before + MANY
    checkout.write({f"{n:03}_t": small(n) if n <= before else slow(n, 0.2) for n in range(1, many + 1)})

    def state() -> tuple[object, ...]:
        return (database.query(COMPLETED), own_tables(database), sorted(database.query(STATUS)))

    with checkout.running(database.url) as run:
        wait_for_completed(database, before + 5)
        run.process.kill()
        run.process.join()
    while database.query(MUTEXES):
        time.sleep(0.005)
    then, started = state(), starts(database)
    time.sleep(3)
    assert state() == then
    assert starts(database) <= started + 1  # one may just have begun
    assert len(database.query(COMPLETED)) < before + MANY / 2
    assert database.query(BUSY) == []
    database.query("DELETE FROM pace")
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert len(database.query(COMPLETED)) == many


SIGNALS = pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])


def cancelled(run: Running, database: Database, number: signal.Signals, code: int) -> None:
    """What holds for a run that was cancelled, wherever it was."""
    signalled = time.monotonic()
    run.send(number)
    ended = run.end(20)
    assert time.monotonic() - signalled < 5
    assert ended.exit_code == code, ended.log
    assert f"cancelled by {number.name}" in ended.log
    assert ended.outputs["outcome"] == "cancelled"
    assert "ancelled" in ended.summary
    assert database.query(BUSY) == []
    completed = [version for (version,) in database.query(COMPLETED)]
    assert ended.applied == completed
    assert json.loads(ended.outputs["pending"]) == [v for v in VERSIONS if v not in completed]
    rest = [status for (status,) in database.query("SELECT status FROM schema_migrations ORDER BY version")]
    assert rest == ["completed"] * len(completed) + ["failed"] + ["pending"] * (MANY - len(completed) - 1)
    assert own_tables(database) == {f"t{int(str(version))}" for version in completed}
    assert database.value("SELECT outcome FROM migration_runs") == "cancelled"


@ON_NEWEST
@SIGNALS
def test_a_signal_in_the_middle_of_a_window(
    checkout: Checkout, database: Database, number: signal.Signals, code: int
) -> None:
    database.query(PACE)
    checkout.write({f"{n:03}_t": slow(n, 0.3) for n in range(1, MANY + 1)})
    with checkout.running(database.url) as run:
        wait_for_completed(database, 3)
        cancelled(run, database, number, code)


@ON_NEWEST
@SIGNALS
def test_a_signal_in_the_pause_between_two_attempts(
    checkout: Checkout, database: Database, number: signal.Signals, code: int
) -> None:
    database.query("CREATE TABLE users (id int)")
    files = {f"{n:03}_t": small(n) for n in range(1, MANY + 1)}
    checkout.write(files | {"003_t": "ALTER TABLE users ADD COLUMN email text;"})
    with (
        in_transaction(database, "SELECT id FROM users"),
        checkout.running(database.url, "--lock-timeout=100ms") as run,
    ):
        run.wait_for("attempt 4")  # the pause before it is longer than two seconds
        cancelled(run, database, number, code)
