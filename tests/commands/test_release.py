"""`transaction: release`: all pending migrations in one transaction."""

import signal

import pytest

from tests.commands.conftest import CommandLine
from tests.commands.processes import SLEEPING, running, wait_until
from tests.conftest import Database

RELEASE = ("--transaction", "release")
STATUSES = "SELECT version, status FROM schema_migrations ORDER BY version"
SESSION = "SET search_path = pg_temp; PREPARE q AS SELECT 1; CREATE TEMP TABLE t (); SET ROLE nobody;"
LARGE = "-- " + "x" * 1_100_000 + "\n"  # so large a file is not sent ahead
BOTH_WAYS = pytest.mark.parametrize("large", ["", LARGE], ids=["sent ahead", "waiting"])


@BOTH_WAYS
def test_all_migrations_are_one_commit(db_migrate: CommandLine, database: Database, large: str) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b=large + "CREATE TABLE b ();", _03_c="CREATE TABLE c ();")
    ran = db_migrate(*RELEASE)
    assert ran.exit_code == 0, ran.log
    assert database.query(STATUSES) == [("01", "completed"), ("02", "completed"), ("03", "completed")]
    written = "SELECT xmin::text FROM schema_migrations UNION SELECT xmin::text FROM pg_class WHERE relname IN {}"
    assert len(database.query(written.format("('a', 'b', 'c')"))) == 1
    assert "one for all: 3 migrations stay, or none" in ran.summary or "3 migrations applied" in ran.log


@BOTH_WAYS
def test_a_failure_takes_all_of_it_back(db_migrate: CommandLine, database: Database, large: str) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b=large + "CREATE TABLE b ();\nSELECT 1 / 0;", _03_c="SELECT 1;")
    ran = db_migrate(*RELEASE)
    assert ran.exit_code == 1
    line = 3 if large else 2
    assert f"migrations/02_b.sql:{line}:1: division by zero" in ran.log
    assert "Failed: no migration was applied to development" in ran.log
    assert not {"a", "b"} & database.tables()
    assert database.query(STATUSES) == [("01", "pending"), ("02", "failed"), ("03", "pending")]
    db_migrate.write(_02_b="CREATE TABLE b ();")
    assert db_migrate(*RELEASE).exit_code == 0
    assert {"a", "b"} <= database.tables()


@BOTH_WAYS
def test_what_one_sets_for_its_session_does_not_reach_the_next(
    db_migrate: CommandLine, database: Database, large: str
) -> None:
    look = "CREATE TABLE seen AS SELECT current_setting('search_path') AS path, current_user::text AS role; "
    again = "PREPARE q AS SELECT 2; CREATE TEMP TABLE t ();"
    db_migrate.write(_01_set=SESSION, _02_look=large + look + again)
    ran = db_migrate(*RELEASE)
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT path, role FROM seen") == [('"$user", public', "postgres")]


def test_a_file_outside_of_a_transaction_is_refused_before_anything_runs(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_a="CREATE TABLE a (id int);", _02_i="CREATE INDEX CONCURRENTLY a_idx ON a (id);")
    ran = db_migrate(*RELEASE)
    assert ran.exit_code == 3
    assert "transaction: `transaction: release` cannot hold migrations/02_i.sql: PostgreSQL does not run" in ran.log
    assert database.tables() == set()
    ran = db_migrate(*RELEASE, "--dry-run")
    assert ran.exit_code == 3


def test_a_lock_that_others_hold_takes_all_of_it_back_and_again(db_migrate: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE busy ()")
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="ALTER TABLE busy ADD COLUMN id int;")
    with database.connect() as reader:
        reader.autocommit = False
        reader.execute("SELECT FROM busy")
        with running(db_migrate, *RELEASE, "--lock-timeout", "300ms") as process:
            wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE query LIKE 'ALTER TABLE busy%' "
                                 "AND wait_event_type = 'Lock'")  # fmt: skip
            wait_until(database, "SELECT 1 FROM pg_stat_activity WHERE application_name LIKE 'db-migrate worker%' "
                                 "AND state = 'idle'")  # fmt: skip
            assert "a" not in database.tables()
            reader.rollback()
            log, _ = process.communicate(timeout=30)
    assert process.returncode == 0, log
    assert "a" in database.tables()


def test_cancelling_takes_all_of_it_back(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="SELECT pg_sleep(30);", _03_c="CREATE TABLE c ();")
    with running(db_migrate, *RELEASE) as process:
        wait_until(database, SLEEPING)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=10)
    assert process.returncode == 143, log
    assert database.query(STATUSES) == [("01", "pending"), ("02", "failed"), ("03", "pending")]
    assert "a" not in database.tables()
