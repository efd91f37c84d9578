"""Signals, lost connections, killed runners, two runs at once: the ledger says what is true."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from runner.postgres.watcher import mutex_key
from runner.resources import PACKAGE, bundled
from tests.commands.conftest import CommandLine
from tests.conftest import Database

SLOW = "CREATE TABLE slow (id int);\nSELECT pg_sleep(30);\n"
ONE = "CREATE TABLE one ();"


@contextmanager
def running(db_migrate: CommandLine, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """`db-migrate` as a process of its own."""
    environ = {**os.environ, "DATABASE_URL": db_migrate.database.url.value, "GITHUB_ACTOR": "ada"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "runner", *argv],
        env={**environ, "PYTHONPATH": str(PACKAGE.parent), "GITHUB_WORKSPACE": str(db_migrate.checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def wait_until(database: Database, sql: str) -> None:
    """Until the query returns a row; half a minute at most."""
    deadline = time.monotonic() + 30
    while not database.query(sql):
        assert time.monotonic() < deadline, f"never came true: {sql}"
        time.sleep(0.05)


SLEEPING = (
    "SELECT pid FROM pg_stat_activity "
    "WHERE query LIKE '%pg_sleep(30)%' AND state = 'active' AND pid <> pg_backend_pid()"
)


def status_of(database: Database, version: str) -> object:
    return database.value("SELECT status FROM schema_migrations WHERE version = %s", version)


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_cancels_on_the_server_and_rolls_back(
    db_migrate: CommandLine, database: Database, number: signal.Signals, code: int
) -> None:
    db_migrate.write(_01_one=ONE, _02_slow=SLOW)
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        signalled = time.monotonic()
        process.send_signal(number)
        log, _ = process.communicate(timeout=10)
        assert time.monotonic() - signalled < 5
    assert process.returncode == code, log
    assert f"cancelled by {number.name}" in log
    assert database.tables() >= {"one"}
    assert "slow" not in database.tables()
    assert database.query(SLEEPING) == []
    assert status_of(database, "02") == "failed"
    assert f"cancelled by {number.name}" in str(
        database.value("SELECT error_message FROM migration_history WHERE version = '02'")
    )
    assert database.value("SELECT outcome FROM migration_runs") == "cancelled"


def test_cancelling_in_the_review_window_executes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    argv = ("--environment", "production", "--confirmation", "MIGRATE-PRODUCTION", "--review-delay", "20s")
    with running(db_migrate, *argv) as process:
        assert process.stdout is not None
        seen = ""
        while "left to cancel" not in seen:
            seen += process.stdout.readline()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=10)
    assert process.returncode == 130
    assert "The run was cancelled before a migration was executed." in rest
    assert database.tables() == set()


def test_a_killed_runner_leaves_nothing_half_done_and_the_next_run_finishes(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one=ONE, _02_slow=SLOW)
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        process.kill()
    assert status_of(database, "02") == "running"
    database.query(SLEEPING.replace("pid", "pg_terminate_backend(pid)", 1))
    db_migrate.write(_02_slow="CREATE TABLE slow (id int);")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert status_of(database, "02") == "completed"
    assert database.value("SELECT count(*) FROM migration_history WHERE version = '01'") == 1


def test_a_lost_connection_is_recorded_through_a_new_one(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE, _02_slow=SLOW)
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        database.query(SLEEPING.replace("pid", "pg_terminate_backend(pid)", 1))
        log, _ = process.communicate(timeout=20)
    assert process.returncode == 1, log
    assert "terminating connection due to administrator command" in log
    assert status_of(database, "02") == "failed"
    assert "slow" not in database.tables()
    assert database.value("SELECT outcome FROM migration_runs") == "failed"


def test_nothing_is_committed_once_the_mutex_is_lost(db_migrate: CommandLine, database: Database) -> None:
    watcher = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'db-migrate watcher%'"
    db_migrate.write(_01_one=f"CREATE TABLE one (); {watcher}; SELECT pg_sleep(0.5);")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "no longer holds the mutex" in ran.log
    assert "one" not in database.tables()
    assert status_of(database, "01") == "failed"


def test_a_run_that_finds_the_mutex_held_names_the_holder(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        ran = db_migrate("--lock-wait", "1s")
        assert ran.exit_code == 5
        assert f"another run migrates this database: a test, role postgres, pid {other.info.backend_pid}" in ran.log
        assert database.tables() == set()
    assert db_migrate().exit_code == 0


def test_of_two_runs_at_once_one_applies_and_the_other_finds_nothing_to_do(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one="CREATE TABLE one (); SELECT pg_sleep(1);", _02_two="CREATE TABLE two ();")
    with running(db_migrate) as first, running(db_migrate) as second:
        logs = [process.communicate(timeout=30)[0] for process in (first, second)]
        assert [first.returncode, second.returncode] == [0, 0], logs
    verdicts = sorted(log.strip().splitlines()[-1] for log in logs)
    assert verdicts == ["2 migrations applied to development", "development is up to date"]
    assert database.query("SELECT version, count(*) FROM migration_history GROUP BY 1 ORDER BY 1") == [
        ("01", 1),
        ("02", 1),
    ]


def test_a_plan_that_changed_while_waiting_does_not_run(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE, _02_two="CREATE TABLE two ();")
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        with running(db_migrate) as process:
            assert process.stdout is not None
            seen = ""
            while "waiting for another run" not in seen:
                seen += process.stdout.readline()
            other.execute((db_migrate.checkout / "migrations" / "01_one.sql").read_bytes())
            other.execute((bundled("migrations") / "00_migration_state_tracking.sql").read_bytes())
            other.execute(
                "INSERT INTO schema_migrations (version, name, checksum, status) "
                "VALUES ('01', 'one', encode(sha256('CREATE TABLE one ();'), 'hex'), 'completed')"
            )
            other.execute("SELECT pg_advisory_unlock_all()")
            rest, _ = process.communicate(timeout=20)
    assert process.returncode == 3, rest
    assert "the database changed while this run waited" in rest
    assert "two" not in database.tables()


def test_text_of_the_server_is_no_command_to_the_runner(db_migrate: CommandLine) -> None:
    hostile = "::error title=x::owned\n::add-mask::a\r::set-output name=outcome::owned ##[set-output name=y]z"
    quoted = hostile.replace("\n", "' || chr(10) || '").replace("\r", "' || chr(13) || '")
    db_migrate.write(
        _01_hostile=f"-- Migration: ::error::title ##[error]x\n-- Purpose: ::warning::p\n"
        f"DO $$ BEGIN RAISE EXCEPTION USING MESSAGE = '{quoted}', DETAIL = '{quoted}', HINT = '{quoted}'; END $$;"
    )
    ran = db_migrate("--verbose", GITHUB_ACTIONS="true")
    assert ran.exit_code == 1
    obeyed = [line for line in re.split(r"[\r\n]", ran.log) if line.lstrip().startswith("::") or "##[" in line]
    names = {line.split("::")[1].split(" ")[0] for line in obeyed}
    assert names == {"add-mask", "error"}
    assert [
        line for line in obeyed if "owned" in line and not line.startswith("::error file=migrations/01_hostile")
    ] == []
    assert len([line for line in obeyed if line.startswith("::error")]) == 1


def test_a_secret_that_the_server_quotes_reaches_neither_log_nor_ledger(
    db_migrate: CommandLine, database: Database
) -> None:
    secret = "s_3*cr[e]t"
    db_migrate.write(
        _01_quote=f"DO $$ BEGIN RAISE EXCEPTION 'login with {secret} failed' USING HINT = '{secret}'; END $$;"
    )
    ran = db_migrate(DATABASE_URL=database.as_role("postgres", secret), GITHUB_ACTIONS="true")
    assert ran.exit_code == 1
    shown = "\n".join(line for line in ran.log.splitlines() if not line.startswith("::add-mask::"))
    assert "login with *** failed" in shown
    assert "cr[e]t" not in shown
    assert "cr\\[e" not in ran.summary
    assert "login with \\*\\*\\* failed" in ran.summary
    assert secret not in str(database.query("SELECT error_message FROM migration_history"))
    assert secret not in str(database.query("SELECT error_message FROM schema_migrations"))
