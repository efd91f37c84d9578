"""Waiting for locks, and making others wait."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.commands.conftest import CommandLine
from tests.commands.processes import running, wait_until
from tests.conftest import ON_NEWEST, Database

LARGE = "-- " + "x" * 1_100_000 + "\n"  # so large a file is not sent ahead
BOTH_WAYS = pytest.mark.parametrize("large", ["", LARGE], ids=["sent ahead", "waiting"])
UNVALIDATED = "CREATE TABLE t (id int); ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID"
SOON = ("--lock-timeout", "200ms", "--lock-retries", "0")


@contextmanager
def locked(database: Database, mode: str) -> Iterator[threading.Timer]:
    """Table t is locked until a second after the timer is started."""
    with database.connect() as other:
        other.autocommit = False
        other.execute(f"LOCK TABLE t IN {mode} MODE".encode())
        timer = threading.Timer(1, other.rollback)
        yield timer
        if timer.is_alive():
            timer.join()


@BOTH_WAYS
def test_validating_a_constraint_waits_as_nobody_waits_behind_it(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    database.query(UNVALIDATED)
    seen = "CREATE TABLE seen AS SELECT current_setting('lock_timeout') AS lock"
    db_migrate.write(_01_x=f"{large}ALTER TABLE t VALIDATE CONSTRAINT positive;\n{seen};")
    with locked(database, "SHARE UPDATE EXCLUSIVE") as timer:
        timer.start()
        ran = db_migrate(*SOON)
    assert ran.exit_code == 0, ran.log
    assert database.value("SELECT lock FROM seen") == "200ms"
    assert database.value("SELECT convalidated FROM pg_constraint WHERE conname = 'positive'") is True


@BOTH_WAYS
@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE t ADD COLUMN x int;\nALTER TABLE t VALIDATE CONSTRAINT positive;",
        "CREATE TABLE other (); ALTER TABLE t VALIDATE CONSTRAINT positive;",
        "-- migrate: lock-timeout=100ms\nALTER TABLE t VALIDATE CONSTRAINT positive;",
    ],
    ids=["behind another lock", "not at first", "with a timeout of its own"],
)
def test_it_does_not_wait_where_somebody_may_wait_behind_it(
    db_migrate: CommandLine, database: Database, large: str, sql: str
) -> None:
    database.query(UNVALIDATED)
    db_migrate.write(_01_x=sql + "\n" + large)
    with locked(database, "SHARE UPDATE EXCLUSIVE"):
        ran = db_migrate(*SOON)
    assert ran.exit_code == 1
    assert "canceling statement due to lock timeout" in ran.log


@ON_NEWEST
@BOTH_WAYS
def test_who_was_in_the_way_is_told_with_each_retry_and_at_the_end(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    database.query("CREATE TABLE t (id int)")
    db_migrate.write(_01_one="CREATE TABLE one ();", _02_x=f"{large}ALTER TABLE t ADD COLUMN x int;")
    with database.connect() as other:
        other.autocommit = False
        other.execute("SELECT id FROM t")
        ran = db_migrate("--lock-timeout", "200ms", "--lock-retries", "2")
        pid = other.info.backend_pid
    assert ran.exit_code == 1
    assert "waited 200 ms for a lock; attempt 2 in" in ran.log
    assert "waited 200 ms for a lock; attempt 3 in" in ran.log
    assert ran.log.count(f"in the way: pid {pid}, a test, role postgres, idle in transaction") == 3
    assert "tried 3 times" in ran.log
    assert f"pg_terminate_backend({pid})" in ran.summary
    error = str(database.value("SELECT error_message FROM schema_migrations WHERE version = '02'"))
    assert "lock timeout" in error
    assert database.query("SELECT version, status FROM migration_history ORDER BY 1") == [
        ("01", "success"),
        ("02", "failed"),
    ]


@ON_NEWEST
@BOTH_WAYS
def test_a_migration_that_makes_others_wait_makes_way(db_migrate: CommandLine, database: Database, large: str) -> None:
    database.query("CREATE TABLE t (id int)")
    db_migrate.write(_01_x=f"{large}LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(5);")
    with running(db_migrate, "--max-blocked-time", "300ms", "--lock-retries", "1") as process:
        wait_until(database, "SELECT 1 FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND relation = 't'::regclass")
        assert database.query("SELECT count(*) FROM t") == [(0,)]  # it waits, until the migration has made way
        wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'db-migrate worker%' "
                             "AND query LIKE '%pg_sleep%' AND state = 'active'")  # fmt: skip
        assert database.query("SELECT count(*) FROM t") == [(0,)]
        log, _ = process.communicate(timeout=20)
    assert process.returncode == 1, log
    assert "a session waited" in log
    assert "; attempt 2 in" in log
    assert "cancelled by the watcher: a session waited" in log


def test_the_report_has_the_longest_lock_and_the_largest_queue(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE t (id int)")
    db_migrate.write(_01_x="LOCK TABLE t IN ACCESS EXCLUSIVE MODE;\nSELECT pg_sleep(1.5);")
    reader = threading.Timer(0.5, lambda: database.query("SELECT count(*) FROM t"))
    reader.start()
    ran = db_migrate()
    reader.join()
    assert ran.exit_code == 0, ran.log
    assert "### Locks" in ran.summary
    assert "ACCESS EXCLUSIVE on public.t" in ran.summary.replace("\\", "")
