"""Runs beside each other, and beside a reader that does not end."""

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import psycopg
import pytest

from runner.postgres.session import Connection
from tests.conftest import ON_NEWEST, Database
from tests.faults.runs import Checkout

BUILDING = """
    SELECT pid FROM pg_stat_activity
    WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND state = 'active' AND wait_event_type = 'Lock'"""
INDEXES = "SELECT indexrelid::regclass::text, indisvalid FROM pg_index WHERE indrelid = 'users'::regclass"
COMPLETED = "SELECT version FROM schema_migrations WHERE status = 'completed' ORDER BY version"
SLACK = 1.5  # seconds


def wait_until(database: Database, sql: str) -> None:
    deadline = time.monotonic() + 30
    while not database.query(sql):
        assert time.monotonic() < deadline, f"never came true: {sql}"
        time.sleep(0.05)


@contextmanager
def in_transaction(database: Database, sql: str, application: str = "nightly report") -> Iterator[Connection]:
    """A session that leaves a transaction open."""
    with psycopg.connect(database.url.value, application_name=application) as connection:
        connection.execute(sql.encode())
        yield connection


@ON_NEWEST
def test_of_twenty_runs_one_applies(checkout: Checkout, database: Database) -> None:
    """Every second one hardly waits."""
    checkout.write({f"{n:02}_t": f"CREATE TABLE t{n} (id int);\nSELECT pg_sleep(0.4);" for n in range(1, 6)})
    waits = ["60s", "100ms"] * 10
    with ExitStack() as stack:
        runs = [stack.enter_context(checkout.running(database.url, f"--lock-wait={wait}")) for wait in waits]
        ended = [run.end() for run in runs]
    assert [run.outputs["outcome"] for run in ended].count("applied") == 1
    assert [run.applied for run in ended if run.applied] == [["01", "02", "03", "04", "05"]]
    for wait, run in zip(waits, ended, strict=True):
        assert run.exit_code == 0 or (run.exit_code == 5 and wait == "100ms"), run.log
        assert run.exit_code == 5 or run.outputs["outcome"] in {"applied", "up-to-date"}
    assert database.query("SELECT version, status, count(*) FROM migration_history GROUP BY 1, 2 ORDER BY 1") == [
        (f"{n:02}", "success", 1) for n in range(1, 6)
    ]


def test_a_concurrent_build_beside_a_waiting_run_ends(checkout: Checkout, database: Database) -> None:
    """It waits for every older snapshot: a run that waited inside of a statement would be one."""
    database.query("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    checkout.write({"01_index": "CREATE INDEX CONCURRENTLY users_idx ON users (id);"})
    with ExitStack() as stack:
        with in_transaction(database, "INSERT INTO users VALUES (2)"):
            first = stack.enter_context(checkout.running(database.url))
            wait_until(database, BUILDING)
            second = stack.enter_context(checkout.running(database.url))
            second.wait_for("waiting for another run")
        assert first.end(20).exit_code == 0
        ended = second.end(20)
    assert (ended.exit_code, ended.outputs["outcome"]) == (0, "up-to-date")
    assert database.query(INDEXES) == [("users_idx", True)]


@pytest.mark.parametrize("ended", [True, False], ids=["ended", "goes on"])
def test_a_killed_concurrent_build_is_repaired_by_the_next_run(
    checkout: Checkout, database: Database, *, ended: bool
) -> None:
    """Also when the server goes on building for the dead run, which it does as long as nobody tells it."""
    database.query("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    checkout.write({"01_index": "CREATE INDEX CONCURRENTLY users_idx ON users (id);"})
    with in_transaction(database, "INSERT INTO users VALUES (2)"), checkout.running(database.url) as run:
        wait_until(database, BUILDING)
        run.process.kill()
        run.process.join()
        if ended:
            database.query(BUILDING.replace("pid", "pg_terminate_backend(pid, 5000)", 1))
        assert database.query(INDEXES) == [("users_idx", False)]
    after = checkout.run(database.url)
    assert after.exit_code == 0, after.log
    assert database.query(INDEXES) == [("users_idx", True)]
    assert database.query(COMPLETED) == [("01",)]


class Reader:
    """A client that keeps reading, as an application does, and knows how long it had to wait at most."""

    def __init__(self, database: Database) -> None:
        self.longest = 0.0  # seconds
        self._connection = database.connect()
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._ends.wait(0.005):
            started = time.monotonic()
            self._connection.execute("SELECT count(*) FROM users")
            self.longest = max(self.longest, time.monotonic() - started)

    def __enter__(self) -> "Reader":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ends.set()
        self._thread.join(30)
        self._connection.close()


@pytest.fixture
def users(database: Database, checkout: Checkout) -> Database:
    """A table that everybody reads, and a migration that wants it for itself."""
    database.query("CREATE TABLE users (id int); INSERT INTO users VALUES (1)")
    checkout.write({"01_email": "ALTER TABLE users ADD COLUMN email text;"})
    return database


LOCK_TIMEOUT = 0.5


@ON_NEWEST
def test_a_long_reader_holds_up_the_migration_and_not_the_other_readers(checkout: Checkout, users: Database) -> None:
    with Reader(users) as reader, ExitStack() as stack:
        with in_transaction(users, "SELECT id FROM users"):
            run = stack.enter_context(checkout.running(users.url, f"--lock-timeout={LOCK_TIMEOUT * 1000:.0f}ms"))
            run.wait_for("attempt 3")
        ended = run.end()
    assert ended.exit_code == 0, ended.log
    assert LOCK_TIMEOUT / 2 < reader.longest < LOCK_TIMEOUT + SLACK
    assert "nightly report" in ended.log
    assert users.query(COMPLETED) == [("01",)]
    assert users.query("SELECT status FROM migration_history") == [("success",)]


@ON_NEWEST
def test_a_reader_that_never_ends_is_named(checkout: Checkout, users: Database) -> None:
    started = time.monotonic()
    with in_transaction(users, "SELECT id FROM users") as blocking, Reader(users) as reader:
        ended = checkout.run(users.url, "--lock-timeout=200ms", "--lock-retries=3")
        pid = blocking.info.backend_pid
    assert ended.exit_code == 1, ended.log
    assert time.monotonic() - started < 30
    assert reader.longest < 0.2 + SLACK
    for told in (ended.log, ended.summary):
        assert str(pid) in told
        assert "nightly report" in told
        assert "idle in transaction" in told
    assert users.query("SELECT status FROM schema_migrations") == [("failed",)]
    assert users.query("SELECT count(*) FROM information_schema.columns WHERE column_name = 'email'") == [(0,)]
