"""A run by way of a real PgBouncer: sessions of its own in session mode, refused in the other modes."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path

import pytest

from runner.errors import DatabaseUnusable
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.pooler import backend_pid, refuse_transaction_pooling
from runner.postgres.session import Connection, connect
from runner.postgres.watcher import take_mutex
from tests.commands.conftest import CommandLine
from tests.commands.processes import SLEEPING, running, wait_until
from tests.conftest import ON_NEWEST, Database
from tests.postgres.pgbouncer import PgBouncer, Pooled, pgbouncer

SHARED = "behind a pooler in transaction or statement mode"
LOCKS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"

Pool = Callable[..., Pooled]


@pytest.fixture(scope="module")
def poolers(servers: Callable[[int], EmbeddedServer]) -> Iterator[Callable[..., PgBouncer]]:
    """Starts a pooler before a server of a version when a test first asks for one with these settings."""
    started: dict[tuple[object, ...], PgBouncer] = {}
    with ExitStack() as stack:

        def pooler(version: int, **settings: object) -> PgBouncer:
            key = (version, *sorted(settings.items()))
            if key not in started:
                started[key] = stack.enter_context(pgbouncer(servers(version), **settings))
            return started[key]

        yield pooler


@pytest.fixture
def pool(poolers: Callable[..., PgBouncer], database: Database, version: int) -> Pool:
    """The database of a test by way of a pooler with these settings."""
    return lambda **settings: poolers(version, **settings).database(database)


def unsettled(database: Database) -> Connection:
    return connect(database.url, application_name="a test", settled=False)


def refuse(database: Database, second: Database | None = None, rival: Database | None = None) -> None:
    """As a run does, after the worker's first query."""
    with unsettled(database) as worker, unsettled(second or database) as watcher:
        refuse_transaction_pooling(
            worker, watcher, worker_pid=backend_pid(worker), open_rival=lambda: unsettled(rival or database)
        )


def leave_idle(database: Database, sessions: int) -> None:
    """Make the pool hold so many."""
    with ExitStack() as stack:
        for _ in range(sessions):
            connection = stack.enter_context(unsettled(database))
            stack.enter_context(connection.transaction())
            connection.execute("SELECT 1")


# The detection


def test_a_direct_connection_is_asked_nothing(database: Database) -> None:
    last_queries = "SELECT pid, query, query_start FROM pg_stat_activity WHERE pid = ANY (%s) ORDER BY pid"
    with database.connect() as worker, database.connect() as watcher:
        pids = [worker.info.backend_pid, watcher.info.backend_pid]
        before = database.query(last_queries, pids)
        refuse_transaction_pooling(worker, watcher, worker_pid=pids[0], open_rival=lambda: pytest.fail("a rival"))
        assert database.query(last_queries, pids) == before


EACH_ORDER = pytest.mark.parametrize("round_robin", [0, 1], ids=["last-used-first", "longest-idle-first"])


@EACH_ORDER
@pytest.mark.parametrize("idle", [0, 1, 2, 3, 5])
def test_a_session_that_others_get_between_transactions_is_found(pool: Pool, round_robin: int, idle: int) -> None:
    shared = pool(pool_mode="transaction", server_round_robin=round_robin)
    leave_idle(shared, idle)
    with pytest.raises(DatabaseUnusable, match=SHARED):
        refuse(shared)


@EACH_ORDER
def test_a_session_that_others_get_between_statements_is_found(pool: Pool, round_robin: int) -> None:
    with pytest.raises(DatabaseUnusable, match=SHARED):
        refuse(pool(pool_mode="statement", server_round_robin=round_robin))


def test_a_single_session_is_found_without_waiting_for_another(pool: Pool) -> None:
    with pytest.raises(DatabaseUnusable, match=SHARED):
        refuse(pool(pool_mode="transaction", default_pool_size=1))


def test_a_pooler_of_several_processes_is_found(pool: Pool) -> None:
    """Each has a pool of its own, so that worker and watcher may never get each other's session."""
    one, other = pool(pool_mode="transaction"), pool(pool_mode="transaction", min_pool_size=0)
    assert one.url != other.url
    for rival in (one, other):
        with pytest.raises(DatabaseUnusable, match=SHARED):
            refuse(one, second=other, rival=rival)


@pytest.mark.parametrize("settings", [{}, {"server_round_robin": 1}, {"default_pool_size": 2}], ids=str)
def test_sessions_of_ones_own_pass(pool: Pool, settings: dict[str, object]) -> None:
    refuse(pool(pool_mode="session", **settings))


def test_a_pool_of_one_session_is_too_small(pool: Pool) -> None:
    too_small = pool(pool_mode="session", default_pool_size=1)
    with unsettled(too_small) as worker, unsettled(too_small) as watcher:
        backend_pid(worker)
        with pytest.raises(DatabaseUnusable, match="the pooler in front of the database has no connection to spare"):
            backend_pid(watcher, patience_s=0.5)


def test_the_mutex_is_given_back_where_the_session_changes(pool: Pool, database: Database) -> None:
    shared = pool(pool_mode="transaction", server_round_robin=1)
    leave_idle(shared, 3)
    with unsettled(shared) as watcher, pytest.raises(DatabaseUnusable, match=SHARED):
        take_mutex(watcher, "public", wait=timedelta(), tell=pytest.fail)
    assert database.query(LOCKS) == []


# Runs


@pytest.fixture
def by_way_of(checkout: Path, capsys: pytest.CaptureFixture[str]) -> Callable[[Database], CommandLine]:
    """`db-migrate` with a database that is reached as the test says."""
    return lambda database: CommandLine(database, checkout, capsys)


def settings_left(shared: Pooled) -> list[tuple[object, ...]]:
    """What clients of the pool find set by others, and locked, and prepared."""
    with unsettled(shared) as connection:
        return connection.execute(
            "SELECT name, setting FROM pg_settings WHERE source = 'session' AND name NOT IN ('application_name', "
            "'client_encoding', 'standard_conforming_strings', 'datestyle', 'timezone', 'DateStyle', 'TimeZone') "
            "UNION ALL SELECT locktype, mode FROM pg_locks WHERE locktype = 'advisory' "
            "UNION ALL SELECT name, statement FROM pg_prepared_statements"
        ).fetchall()


@EACH_ORDER
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_run_is_refused_before_it_locks_sets_or_changes_anything(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database, mode: str, round_robin: int
) -> None:
    shared = pool(pool_mode=mode, server_round_robin=round_robin)
    db_migrate = by_way_of(shared)
    db_migrate.write(_01_one="CREATE TABLE one ();")
    ran = db_migrate()
    assert ran.exit_code == 6, ran.log
    assert SHARED in ran.log
    assert "give the URL of the server itself, or of a pool in session mode" in ran.log
    assert database.query(LOCKS) == []
    assert database.tables() == set()
    assert settings_left(shared) == []


def test_what_only_reads_works_in_transaction_mode_and_leaves_nothing(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database
) -> None:
    direct = by_way_of(database)
    direct.write(_01_one="CREATE TABLE one ();")
    assert direct().exit_code == 0
    shared = pool(pool_mode="transaction")
    reading = by_way_of(shared)
    assert "is up to date" in reading().log
    reading.write(_02_two="CREATE TABLE two ();")
    for argv in (["--dry-run"], ["status"], ["history"]):
        ran = reading(*argv)
        assert ran.exit_code == 0, ran.log
    assert "two" not in database.tables()
    assert settings_left(shared) == []


def test_a_run_works_in_session_mode_and_so_does_the_next(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database
) -> None:
    own = pool(pool_mode="session")
    db_migrate = by_way_of(own)
    db_migrate.write(
        _01_one="CREATE TABLE one (a int);\nSET search_path = nowhere;",
        _02_two="CREATE INDEX CONCURRENTLY two ON one (a);",
    )
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "is up to date" in db_migrate().log
    db_migrate.write(_03_three="CREATE TABLE three ();")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "warning" not in ran.log
    assert database.tables() >= {"one", "three"}
    assert database.query(LOCKS) == []
    assert settings_left(own) == []


def test_a_pool_in_session_mode_that_cleans_nothing_is_left_without_our_lock(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database
) -> None:
    db_migrate = by_way_of(pool(pool_mode="session", server_reset_query=""))
    db_migrate.write(_01_one="CREATE TABLE one ();")
    assert db_migrate().exit_code == 0
    assert database.query(LOCKS) == []


@ON_NEWEST
def test_of_two_runs_at_once_in_session_mode_one_applies(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database
) -> None:
    db_migrate = by_way_of(pool(pool_mode="session"))
    db_migrate.write(_01_one="CREATE TABLE one (); SELECT pg_sleep(1);", _02_two="CREATE TABLE two ();")
    with running(db_migrate) as first, running(db_migrate) as second:
        logs = [process.communicate(timeout=30)[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], logs
    assert sorted(log.strip().splitlines()[-1] for log in logs) == [
        "2 migrations applied to development",
        "development is up to date",
    ]
    assert database.query("SELECT version, count(*) FROM migration_history GROUP BY 1 ORDER BY 1") == [
        ("01", 1),
        ("02", 1),
    ]


@ON_NEWEST
def test_a_signal_cancels_on_the_server_in_session_mode(
    pool: Pool, by_way_of: Callable[[Database], CommandLine], database: Database
) -> None:
    db_migrate = by_way_of(pool(pool_mode="session"))
    db_migrate.write(_01_slow="CREATE TABLE slow ();\nSELECT pg_sleep(30);\n")
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        signalled = time.monotonic()
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=10)
        assert time.monotonic() - signalled < 5
    assert process.returncode == 143, log
    assert database.query(SLEEPING) == []
    assert "slow" not in database.tables()
    assert database.value("SELECT status FROM schema_migrations") == "failed"
