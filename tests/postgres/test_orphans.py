"""Workers that a run left behind when it died."""

import threading
from collections.abc import Iterator
from datetime import timedelta

import psycopg
import pytest

from runner.errors import DatabaseUnusable
from runner.postgres.orphans import end_dead_workers
from runner.postgres.session import Connection, connect
from runner.resources import bundled
from tests.commands.processes import wait_until
from tests.conftest import Database

DEAD, ENDED = "11111111-0000-4000-8000-000000000000", "22222222-0000-4000-8000-000000000000"


@pytest.fixture
def ledger(database: Database) -> Iterator[Connection]:
    """A connection to a database with a run that died and one that ended."""
    database.query((bundled("migrations") / "00_migration_state_tracking.sql").read_text().replace("%", "%%"))
    for run, outcome in ((DEAD, None), (ENDED, "applied")):
        database.query(
            "INSERT INTO migration_runs (run_id, command, environment, outcome) VALUES (%s, 'migrate', 'test', %s)",
            run,
            outcome,
        )
    with database.connect() as connection:
        yield connection


def worker(database: Database, run: str) -> Connection:
    return connect(database.url, application_name=f"db-migrate worker {run[:8]}")


def is_alive(connection: Connection) -> bool:
    try:
        connection.execute("SELECT 1")
    except psycopg.OperationalError:
        return False
    return True


def test_the_worker_of_a_run_that_died_is_ended_and_no_other_session(database: Database, ledger: Connection) -> None:
    with worker(database, DEAD) as dead, worker(database, ENDED) as ended, database.connect() as other:
        assert end_dead_workers(ledger, "public") == [dead.info.backend_pid]
        assert [is_alive(connection) for connection in (dead, ended, other)] == [False, True, True]
        assert end_dead_workers(ledger, "public") == []


def test_a_statement_under_way_is_ended_and_gone_when_it_returns(database: Database, ledger: Connection) -> None:
    database.query("CREATE TABLE t (a int)")
    with worker(database, DEAD) as dead, database.connect() as holder:
        holder.autocommit = False
        holder.execute("LOCK TABLE t")
        number = dead.info.backend_pid
        waiting = threading.Thread(target=is_refused, args=(dead, "LOCK TABLE t"))
        waiting.start()
        wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
        assert end_dead_workers(ledger, "public") == [number]
        assert ledger.execute("SELECT count(*) FROM pg_locks WHERE NOT granted").fetchone() == (0,)
        waiting.join()


def is_refused(connection: Connection, sql: str) -> None:
    with connection.transaction(), pytest.raises(psycopg.Error):
        connection.execute(sql.encode())


@pytest.mark.usefixtures("ledger")
def test_a_session_of_ours_is_not_ended(database: Database) -> None:
    with worker(database, DEAD) as ours:
        assert end_dead_workers(ours, "public") == []


def test_the_ledger_of_another_schema_is_not_asked(database: Database, ledger: Connection) -> None:
    with worker(database, DEAD) as dead:
        assert end_dead_workers(ledger, "elsewhere") == []
        assert is_alive(dead)


def test_the_same_name_in_another_database_is_somebody_elses(database: Database, ledger: Connection) -> None:
    with connect(database.server.url(), application_name=f"db-migrate worker {DEAD[:8]}") as other:
        assert end_dead_workers(ledger, "public") == []
        assert is_alive(other)


@pytest.mark.usefixtures("ledger")
def test_one_that_may_not_be_ended_is_named(database: Database) -> None:
    database.query("GRANT pg_read_all_stats TO nobody; GRANT SELECT ON migration_runs TO nobody")
    try:
        with worker(database, DEAD) as dead, psycopg.connect(database.as_role("nobody"), autocommit=True) as weak:
            with pytest.raises(DatabaseUnusable, match=f"process {dead.info.backend_pid}, permission denied") as raised:
                end_dead_workers(weak, "public")
            assert f"SELECT pg_terminate_backend({dead.info.backend_pid})" in raised.value.findings[0].hint
            assert is_alive(dead)
    finally:
        database.query("REVOKE pg_read_all_stats FROM nobody")


@pytest.mark.usefixtures("ledger")
def test_one_of_another_role_is_named_to_a_role_that_sees_little_of_it(database: Database) -> None:
    database.query("GRANT SELECT ON migration_runs TO nobody")
    with worker(database, DEAD) as dead, psycopg.connect(database.as_role("nobody"), autocommit=True) as weak:
        with pytest.raises(DatabaseUnusable, match=f"process {dead.info.backend_pid}, permission denied") as raised:
            end_dead_workers(weak, "public")
        assert "pg_signal_backend" in raised.value.findings[0].hint
        assert is_alive(dead)


def test_one_that_does_not_end_is_named(database: Database, ledger: Connection) -> None:
    database.query("CREATE SCHEMA deaf; CREATE FUNCTION deaf.pg_terminate_backend(int) RETURNS bool RETURN true")
    ledger.execute("SET search_path = deaf, pg_catalog")  # so that the worker is not told
    with worker(database, DEAD) as dead:
        with pytest.raises(DatabaseUnusable, match=f"process {dead.info.backend_pid}, it does not end"):
            end_dead_workers(ledger, "public", patience=timedelta(milliseconds=200))
        assert is_alive(dead)
