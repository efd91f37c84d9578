"""Signals, lost connections, killed runners, two runs at once: the ledger says what is true."""

import os
import signal
import time

import pytest

from runner.postgres.watcher import mutex_key
from runner.resources import bundled
from tests.commands.conftest import CommandLine
from tests.commands.processes import SLEEPING, running, wait_until
from tests.conftest import Database
from tests.container.workflow_commands import read_log

SLOW = "CREATE TABLE slow (id int);\nSELECT pg_sleep(30);\n"
ONE = "CREATE TABLE one ();"


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
    log = read_log(ran.log)
    assert (log.outputs, log.failed, len(log.annotations)) == ({}, False, 1)
    assert log.annotations[0].title == "db-migrate"
    assert "a" not in log.masks


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


WATCHERS = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'db-migrate watcher%'"


def test_a_run_that_was_overtaken_does_not_claim_what_the_other_did(
    db_migrate: CommandLine, database: Database
) -> None:
    database.query("CREATE SEQUENCE turns")
    db_migrate.write(
        _01_a="SELECT CASE nextval('turns') WHEN 1 THEN pg_sleep(3) END;\nCREATE TABLE IF NOT EXISTS a ();"
    )
    with running(db_migrate) as first:
        wait_until(
            database, "SELECT pid FROM pg_stat_activity WHERE query LIKE 'SELECT CASE nextval%' AND state = 'active'"
        )
        database.query(WATCHERS)
        with running(db_migrate) as second:
            theirs, _ = second.communicate(timeout=30)
            ours, _ = first.communicate(timeout=30)
    assert second.returncode == 0, theirs
    assert first.returncode == 1, ours
    assert "ended what the server still executed for a run that died" in theirs
    assert "terminating connection due to administrator command" in ours
    assert database.query("SELECT outcome FROM migration_runs ORDER BY started_at") == [("failed",), ("applied",)]
    assert database.query("SELECT status FROM schema_migrations") == [("completed",)]
    assert database.value("SELECT count(*) FROM migration_history WHERE status = 'success'") == 1


def test_a_migration_whose_row_is_gone_does_not_run(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_delete="DO $$ BEGIN DELETE FROM schema_migrations WHERE status = 'pending'; END $$;",
        _02_next="CREATE TABLE c (); SELECT 1 / 0;",
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "the ledger no longer has this migration as one of this run" in ran.log
    assert '["01"]' in ran.output_file
    assert "c" not in database.tables()


def test_a_role_that_sees_only_part_of_the_ledger_is_told(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    assert db_migrate().exit_code == 0
    database.query(
        "ALTER TABLE schema_migrations ENABLE ROW LEVEL SECURITY; "
        "GRANT ALL ON ALL TABLES IN SCHEMA public TO nobody; GRANT USAGE ON SCHEMA public TO nobody"
    )
    ran = db_migrate("status", DATABASE_URL=database.as_role("nobody"))
    assert ran.exit_code == 6
    assert "row-level security" in ran.log


def test_runs_where_the_server_does_not_tell_its_log_position(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    database.query(
        "REVOKE EXECUTE ON FUNCTION pg_current_wal_lsn() FROM PUBLIC; GRANT CREATE, USAGE ON SCHEMA public TO nobody"
    )
    ran = db_migrate(DATABASE_URL=database.as_role("nobody"))
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT wal_start, outcome FROM migration_runs") == [(None, "applied")]


def test_a_server_that_ends_idle_sessions_does_not_end_a_review(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    database.query(f"ALTER DATABASE {database.name} SET idle_session_timeout = '300ms'")
    assert db_migrate("--review-delay", "1s").exit_code == 0


def test_a_default_of_the_role_does_not_end_the_runners_own_statements(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one=ONE, _02_two="SELECT pg_sleep(0.1);")
    database.query(f"ALTER DATABASE {database.name} SET statement_timeout = '20ms'")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log


@pytest.mark.parametrize(
    "obstacle",
    [
        """CREATE FUNCTION no() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not today'; END $$;
        CREATE EVENT TRIGGER no ON ddl_command_start EXECUTE FUNCTION no()""",
        """CREATE VIEW schema_migrations AS SELECT 1 AS version, 2 AS name, 3 AS applied_at, 4 AS checksum, 5 AS status,
        6 AS execution_time_ms, 7 AS error_message, 8 AS applied_by""",
    ],
    ids=["event trigger", "view"],
)
def test_a_ledger_that_cannot_be_made_is_no_defect_of_ours(
    db_migrate: CommandLine, database: Database, obstacle: str
) -> None:
    db_migrate.write(_01_one=ONE)
    database.query(obstacle)
    ran = db_migrate()
    assert ran.exit_code == 6, ran.log
    assert "the ledger could not be read or written" in ran.log
    assert "one" not in database.tables()


def test_a_database_of_another_encoding_keeps_what_it_can(db_migrate: CommandLine, database: Database) -> None:
    name = f"{database.name}_latin"
    database.query(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
    try:
        latin = Database(database.server, name)
        db_migrate.write(_01_arrow="-- from here → there\nCREATE TABLE one ();", _02_umlaut="SELECT 'für';")
        db_migrate.write(**{"_03_pfeil→": "SELECT 'zu →';"})
        ran = db_migrate(DATABASE_URL=latin.url.value)
        assert ran.exit_code == 1
        assert latin.query("SELECT version, body, status FROM schema_migrations ORDER BY 1") == [
            ("01", None, "completed"),
            ("02", "SELECT 'für';", "completed"),
            ("03", None, "failed"),
        ]
    finally:
        database.query(f"DROP DATABASE {name} WITH (FORCE)")


def test_a_summary_that_cannot_be_written_does_not_change_how_the_run_ended(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate(GITHUB_STEP_SUMMARY="/nonexistent/summary.md")
    assert ran.exit_code == 0
    assert "the job summary could not be written" in ran.log
    assert "applied" in ran.output_file


def test_a_reader_that_went_away_does_not_stop_the_run(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE, _02_wait="SELECT pg_sleep(1);", _03_three="CREATE TABLE three ();")
    with running(db_migrate, "--verbose") as process:
        assert process.stdout is not None
        while "02_wait" not in (line := process.stdout.readline()):
            assert line, "it has ended"
        process.stdout.close()
        assert process.wait(timeout=20) == 0
    assert "three" in database.tables()


def test_what_the_server_says_is_kept_within_bounds(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_long="DO $$ BEGIN RAISE EXCEPTION '%', repeat(E'x\\n', 600000); END $$;")
    ran = db_migrate()
    assert ran.exit_code == 1
    assert len(ran.log) < 50_000
    assert "### What now" in ran.summary
    assert int(str(database.value("SELECT length(error_message) FROM schema_migrations"))) < 10_000


def test_a_password_from_the_environment_is_a_secret_as_well(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_quote="DO $$ BEGIN RAISE EXCEPTION 'it is hush-hush-1'; END $$;")
    ran = db_migrate(PGPASSWORD="hush-hush-1")
    assert "it is ***" in ran.log
    assert "hush-hush-1" not in ran.log + ran.summary


def test_cancelling_while_waiting_for_the_mutex_executes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        with running(db_migrate) as process:
            assert process.stdout is not None
            while "waiting for another run" not in process.stdout.readline():
                pass
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=10)
    assert process.returncode == 143
    assert "cancelled by SIGTERM" in rest
    assert database.tables() == set()


def test_a_server_that_does_not_answer_is_left_within_five_seconds(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_slow=SLOW)
    with running(db_migrate) as process:
        wait_until(database, SLEEPING)
        backend = int(str(database.value(SLEEPING)))
        os.kill(backend, signal.SIGSTOP)
        try:
            signalled = time.monotonic()
            process.send_signal(signal.SIGTERM)
            log, _ = process.communicate(timeout=10)
            assert time.monotonic() - signalled < 6
        finally:
            os.kill(backend, signal.SIGCONT)
    assert process.returncode == 143
    assert "cancelled by SIGTERM" in log
