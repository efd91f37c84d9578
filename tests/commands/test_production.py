"""What guards a run, and what follows it: gates that refuse together, restore point, backup, smoke tests, release."""

import json
import signal
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest

from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import END_SLEEP, SLEEPING, running, wait_until
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST

ONE, TWO = "CREATE TABLE one (id int);", "CREATE TABLE two (id int);"
CLOSED = "closed daily 00:00-24:00 UTC"
PRODUCTION = ("--environment", "production", "--review-delay", "0", "--dry-run-mode", "preview")
CONFIRMED = (*PRODUCTION, "--confirmation", "MIGRATE-PRODUCTION")
TAG = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/tags/v1.2.3"}


def outputs(ran: Ran) -> dict[str, str]:
    """What was written to the file of GITHUB_OUTPUT."""
    lines = ran.output_file.split("\n")
    return {line.partition("<<")[0]: lines[number + 1] for number, line in enumerate(lines) if "<<ghadelimiter" in line}


@pytest.fixture
def two(db_migrate: CommandLine) -> CommandLine:
    """Two migrations, the second of which can be undone."""
    db_migrate.write(_01_one=ONE, _01_one__down="DROP TABLE one;", _02_two=TWO, _02_two__down="DROP TABLE two;")
    (db_migrate.checkout / "smoke").mkdir()
    return db_migrate


def smoke(command_line: CommandLine, sql: str, name: str = "a") -> tuple[str, ...]:
    (command_line.checkout / "smoke" / f"{name}.sql").write_text(sql)
    return ("--smoke-tests", "smoke/*.sql")


# Gates


def test_all_that_refuses_is_told_in_one_run(two: CommandLine, database: Database) -> None:
    ran = two(*PRODUCTION, "--freeze-windows", CLOSED, "--approved-plan", "0" * 64)
    assert ran.exit_code == 3
    for gate in ("✗ confirmation: ", "✗ freeze windows: ", "✗ approved plan: "):
        assert gate in ran.log
    assert "migrations/02_two.sql" in ran.log  # the plan is shown all the same
    assert database.tables() == set()


def test_a_branch_does_not_migrate_production_but_may_try(two: CommandLine, database: Database) -> None:
    branch = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    ran = two(*CONFIRMED, **branch)
    assert ran.exit_code == 3
    assert "this run is of branch main" in ran.log
    assert database.tables() == set()
    assert two(*PRODUCTION, "--dry-run", **branch).exit_code == 0
    assert two("--environment", "staging", "--dry-run-mode", "preview", **branch).exit_code == 0


def test_a_window_lets_a_run_pass_while_it_is_open(two: CommandLine) -> None:
    now = datetime.now(UTC)
    windows = f"{now - timedelta(days=1):%Y-%m-%d}..{now + timedelta(days=1):%Y-%m-%d} UTC"
    ran = two("--freeze-windows", windows)
    assert ran.exit_code == 0, ran.log
    assert "✓ freeze windows" in ran.log


def test_a_dry_run_is_not_asked_for_the_time_nor_for_a_confirmation(two: CommandLine) -> None:
    ran = two(*PRODUCTION, "--dry-run", "--freeze-windows", CLOSED)
    assert ran.exit_code == 0, ran.log


def test_health_warns_and_refuses_only_where_it_is_to(two: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE old (a int); CREATE INDEX old_idx ON old (a)")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'old_idx'::regclass")
    before = database.dump()
    refused = two("--health", "error")
    assert refused.exit_code == 3
    assert "✗ health: " in refused.log
    assert "old_idx" in refused.log
    assert database.dump() == before
    assert "old_idx" not in two("--health", "off", "--dry-run").log
    assert two("--health", "error", "--dry-run").exit_code == 0
    ran = two()
    assert ran.exit_code == 0
    assert "old_idx" in ran.log + ran.summary


def test_a_rehearsal_executes_on_the_database_and_passes_the_gates_of_a_run(two: CommandLine) -> None:
    rehearsing = ("--environment", "production", "--dry-run", "--dry-run-mode", "rehearse")
    branch = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/1/merge"}
    assert "✗ tag: " in two(*rehearsing, **branch).log
    assert "✗ freeze windows: " in two(*rehearsing, "--freeze-windows", CLOSED).log
    assert two(*rehearsing).exit_code == 0


def test_a_plan_is_approved_with_what_may_have_it_undone(two: CommandLine) -> None:
    plain = outputs(two("--dry-run"))["plan-digest"]
    tested = outputs(two("--dry-run", *smoke(two, "SELECT true;")))["plan-digest"]
    undoing = outputs(two("--dry-run", *smoke(two, "SELECT true;"), "--on-smoke-failure", "rollback"))["plan-digest"]
    changed = outputs(two("--dry-run", *smoke(two, "SELECT false;")))["plan-digest"]
    assert len({plain, tested, undoing, changed}) == 4
    ran = two(*smoke(two, "SELECT false;"), "--approved-plan", tested)
    assert ran.exit_code == 3


# Restore point and backup


def test_a_dry_run_says_that_the_real_run_would_be_refused(two: CommandLine, database: Database) -> None:
    database.query(f"GRANT CREATE ON DATABASE {database.name} TO nobody; GRANT CREATE ON SCHEMA public TO nobody")
    given = ("--database-url", database.as_role("nobody"), "--restore-point", "required")
    ran = two(*given, "--dry-run")
    assert ran.exit_code == 0, ran.log
    assert "a run that is no dry run would be refused: restore point: " in ran.log
    assert two(*given).exit_code == 3
    database.query(f"REVOKE ALL ON DATABASE {database.name} FROM nobody")


def test_what_nobody_can_tell_is_refused_before_anything_is_marked(two: CommandLine, database: Database) -> None:
    two.write(
        _03_out="-- migrate: no-transaction\nCREATE TABLE three (id int);\nINSERT INTO three VALUES (1);\nSELECT 1/0;"
    )
    assert two().exit_code == 1
    runs = database.value("SELECT count(*) FROM migration_runs")
    two.write(
        _03_out="-- migrate: no-transaction\nCREATE TABLE other (id int);\nINSERT INTO three VALUES (1);\nSELECT 1;"
    )
    ran = two("--backup", "schema")
    assert ran.exit_code == 3, ran.log
    assert outputs(ran)["restore-point"] == ""
    assert not (two.checkout / "db-migrate-report/backup.dump").exists()
    assert database.value("SELECT count(*) FROM migration_runs") == runs


def test_a_restore_point_is_made_and_kept(two: CommandLine, database: Database) -> None:
    ran = two("--restore-point", "required")
    assert ran.exit_code == 0, ran.log
    [(kept, run)] = database.query("SELECT restore_point, left(run_id::text, 8) FROM migration_runs")
    assert kept == f"db_migrate_{run}" == outputs(ran)["restore-point"]


def test_none_is_made_where_none_is_wanted(two: CommandLine, database: Database) -> None:
    ran = two("--restore-point", "off")
    assert ran.exit_code == 0
    assert database.value("SELECT restore_point FROM migration_runs") is None
    assert outputs(ran)["restore-point"] == ""


def test_a_backup_is_written_before_anything_runs(two: CommandLine) -> None:
    assert two("--version", "01").exit_code == 0
    ran = two("--backup", "schema", "--backup-path", "out/before.dump")
    assert ran.exit_code == 0, ran.log
    assert outputs(ran)["backup"] == "out/before.dump"
    data = (two.checkout / "out/before.dump").read_bytes()
    assert data.startswith(b"PGDMP")
    assert b"one" in data
    assert b"CREATE TABLE public.two" not in data


def test_a_backup_that_cannot_be_written_keeps_the_run_from_beginning(two: CommandLine, database: Database) -> None:
    (two.checkout / "out").write_text("a file where a folder should be")
    ran = two("--backup", "schema", "--backup-path", "out/before.dump")
    assert ran.exit_code == 2, ran.log
    assert "✗ backup-path: the file cannot be made" in ran.log
    assert "one" not in database.tables()


def test_nothing_is_dumped_when_nothing_is_to_run(two: CommandLine) -> None:
    assert two().exit_code == 0
    ran = two("--backup", "schema", "--restore-point", "required")
    assert ran.exit_code == 0
    assert not (two.checkout / "db-migrate-report/backup.dump").exists()


# Verify


def test_an_index_that_the_run_left_invalid_fails_it(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_one="CREATE TABLE one (id int); CREATE INDEX one_idx ON one (id);\n"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'one_idx'::regclass;"
    )
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "one_idx" in ran.log
    assert database.value("SELECT outcome FROM migration_runs") == "failed"
    assert db_migrate("verify").exit_code == 4


def test_a_constraint_that_a_file_validates_must_be_valid(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_one="CREATE TABLE one (id int);\nALTER TABLE one ADD CONSTRAINT positive CHECK (id > 0) NOT VALID;",
        _02_valid="ALTER TABLE one VALIDATE CONSTRAINT positive;",
    )
    assert db_migrate().exit_code == 0
    assert db_migrate("verify").exit_code == 0
    database.query("UPDATE pg_constraint SET convalidated = false WHERE conname = 'positive'")
    ran = db_migrate("verify")
    assert ran.exit_code == 4
    assert "positive" in ran.log


# Smoke tests


def test_smoke_tests_run_behind_the_migrations(two: CommandLine) -> None:
    ran = two(*smoke(two, "SELECT count(*) = 0 FROM two;"))
    assert ran.exit_code == 0, ran.log
    assert "✓ smoke tests" in ran.log
    assert "smoke/a.sql" in ran.log


def test_one_that_is_not_true_fails_the_run_and_what_was_applied_stays(two: CommandLine, database: Database) -> None:
    smoke(two, "SELECT true;", "b")
    ran = two(*smoke(two, "SELECT true;\nSELECT count(*) > 0 FROM two;"))
    assert ran.exit_code == 1
    assert "smoke/a.sql:2" in ran.log
    assert "✓ smoke/b.sql" in ran.log
    assert database.value("SELECT outcome FROM migration_runs") == "failed"
    assert {"one", "two"} <= database.tables()
    assert outputs(ran)["outcome"] == "failed"
    assert two("verify").exit_code == 0


def test_what_was_applied_is_undone_where_that_is_wanted(two: CommandLine, database: Database) -> None:
    ran = two(*smoke(two, "SELECT count(*) > 0 FROM two;"), "--on-smoke-failure", "rollback")
    assert ran.exit_code == 1, ran.log
    given = outputs(ran)
    assert (given["outcome"], given["applied"], json.loads(given["pending"])) == ("rolled-back", "[]", ["01", "02"])
    assert not {"one", "two"} & database.tables()
    assert database.query("SELECT action, version FROM migration_history ORDER BY executed_at") == [
        ("apply", "01"), ("apply", "02"), ("rollback", "02"), ("rollback", "01"),
    ]  # fmt: skip
    assert database.value("SELECT outcome FROM migration_runs") == "rolled-back"
    assert two("verify").exit_code == 0
    assert two(*smoke(two, "SELECT count(*) = 0 FROM two;")).exit_code == 0


def test_only_what_this_run_applied_is_undone(two: CommandLine, database: Database) -> None:
    assert two("--version", "01").exit_code == 0
    ran = two(*smoke(two, "SELECT false;"), "--on-smoke-failure", "rollback")
    assert ran.exit_code == 1
    assert database.tables() >= {"one"}
    assert "two" not in database.tables()


def test_nothing_is_undone_where_a_migration_cannot_be(two: CommandLine, database: Database) -> None:
    (two.checkout / "migrations/01_one.down.sql").unlink()
    ran = two(*smoke(two, "SELECT false;"), "--on-smoke-failure", "rollback")
    assert ran.exit_code == 1
    assert outputs(ran)["outcome"] == "failed"
    assert "nothing was undone: " in ran.log
    assert "01" in ran.log.partition("nothing was undone: ")[2]
    assert {"one", "two"} <= database.tables()


def test_undoing_that_fails_half_way_says_what_remains(two: CommandLine, database: Database) -> None:
    two.write(_01_one__down="DROP TABLE nope;")
    ran = two(*smoke(two, "SELECT false;"), "--on-smoke-failure", "rollback")
    assert ran.exit_code == 1
    given = outputs(ran)
    assert (given["outcome"], json.loads(given["applied"])) == ("failed", ["01"])
    assert "one" in database.tables()
    assert "two" not in database.tables()
    assert 'table "nope" does not exist' in ran.log + ran.summary
    assert database.query("SELECT version, status FROM schema_migrations ORDER BY 1") == [("01", "completed")]


def test_a_smoke_test_that_cannot_be_read_is_told_before_anything_runs(two: CommandLine, database: Database) -> None:
    ran = two(*smoke(two, "SELECT true;\nDELETE FROM one;"))
    assert ran.exit_code == 2
    assert "smoke/a.sql:2" in ran.log
    assert database.tables() == set()


def test_a_pattern_that_matches_nothing_is_refused(two: CommandLine, database: Database) -> None:
    ran = two("--smoke-tests", "smokes/*.sql")
    assert ran.exit_code == 2
    assert "smoke-tests" in ran.log
    assert database.tables() == set()


def test_running_again_asks_again_what_failed(two: CommandLine, database: Database) -> None:
    tests = smoke(two, "SELECT count(*) > 0 FROM two;")
    assert two(*tests).exit_code == 1
    again = two(*tests)
    assert again.exit_code == 1
    assert "asked, as the last run ended as failed" in again.log
    database.query("INSERT INTO two VALUES (1)")
    mended = two(*tests)
    assert mended.exit_code == 0
    assert outputs(mended)["outcome"] == "up-to-date"


def test_a_run_that_ended_well_is_not_asked_again(two: CommandLine) -> None:
    tests = smoke(two, "SELECT count(*) = 0 FROM two;")
    assert two(*tests).exit_code == 0
    smoke(two, "SELECT false;")
    assert two(*tests).exit_code == 0


def test_an_invalid_index_does_not_become_green_by_running_again(db_migrate: CommandLine) -> None:
    db_migrate.write(
        _01_one="CREATE TABLE one (id int); CREATE INDEX one_idx ON one (id);\n"
        "UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'one_idx'::regclass;"
    )
    assert db_migrate().exit_code == 1
    again = db_migrate()
    assert again.exit_code == 1
    assert "index public.one_idx" in again.log


def test_an_index_that_was_invalid_all_along_does_not_fail_a_run_behind_one_that_failed(
    two: CommandLine, database: Database
) -> None:
    database.query("CREATE TABLE old (a int); CREATE INDEX old_idx ON old (a)")
    database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'old_idx'::regclass")
    two.write(_03_wrong="SELECT 1/0;")
    assert two().exit_code == 1
    (two.checkout / "migrations/03_wrong.sql").unlink()
    ran = two()
    assert ran.exit_code == 0, ran.log
    assert "! index public.old_idx" in ran.log


def test_an_index_that_the_run_mends_is_not_told_as_ill(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(
        _01_one="CREATE TABLE one (id int); INSERT INTO one VALUES (1), (1);",
        _02_index="CREATE UNIQUE INDEX CONCURRENTLY one_idx ON one (id);",
    )
    assert db_migrate().exit_code == 1
    database.query("DELETE FROM one")
    ran = db_migrate("--health", "error")
    assert ran.exit_code == 0, ran.log
    assert "is invalid" not in ran.log + ran.summary


def test_a_smoke_test_in_whose_way_others_are_is_not_cancelled_for_them(two: CommandLine, database: Database) -> None:
    """What waits behind it would have it give way, and its migrations undone, were it a migration."""
    tests = smoke(two, "SELECT count(*) = 0 AND pg_sleep(3) IS NOT NULL FROM two;")
    waiting = threading.Thread(target=lambda: _truncate_once_there_is(database, "two"))
    waiting.start()
    ran = two(*tests, "--on-smoke-failure", "rollback", "--max-blocked-time", "500ms")
    waiting.join()
    assert ran.exit_code == 0, ran.log
    assert "two" in database.tables()


def _truncate_once_there_is(database: Database, table: str) -> None:
    deadline = time.monotonic() + 20
    with database.connect() as connection:
        while time.monotonic() < deadline:
            busy = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(3)%' AND wait_event = 'PgSleep'"
            [(count,)] = connection.execute(busy).fetchall()
            if count:
                connection.execute(f"TRUNCATE {table}".encode())
                return
            time.sleep(0.05)


def test_a_smoke_test_that_somebody_cancels_is_no_answer(two: CommandLine, database: Database) -> None:
    tests = smoke(two, "SELECT pg_sleep(20) IS NOT NULL;")
    cancelling = threading.Thread(target=lambda: _cancel_once_it_sleeps(database))
    cancelling.start()
    ran = two(*tests, "--on-smoke-failure", "rollback")
    cancelling.join()
    assert ran.exit_code == 6, ran.log
    assert "somebody has cancelled smoke/a.sql" in ran.log
    assert {"one", "two"} <= database.tables()
    assert database.value("SELECT outcome FROM migration_runs") == "failed"


def _cancel_once_it_sleeps(database: Database) -> None:
    deadline = time.monotonic() + 20
    with database.connect() as connection:
        while time.monotonic() < deadline:
            cancel = (
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(20)%' "
                "AND wait_event = 'PgSleep'"
            )
            if connection.execute(cancel).fetchall():
                return
            time.sleep(0.05)


@pytest.mark.parametrize("undoing", [False, True], ids=["smoke-test", "undo"])
def test_a_run_that_is_cancelled_behind_its_migrations_ends_as_cancelled(
    two: CommandLine, database: Database, undoing: bool
) -> None:
    tests = smoke(two, "SELECT false;" if undoing else "SELECT pg_sleep(30) IS NOT NULL;")
    if undoing:
        two.write(_01_one__down="SELECT pg_sleep(30); DROP TABLE one;")
    with running(two, *tests, "--on-smoke-failure", "rollback") as process:
        wait_until(database, SLEEPING)
        process.send_signal(signal.SIGTERM)
        log, _ = process.communicate(timeout=10)
    assert process.returncode == 143, log
    assert database.value("SELECT outcome FROM migration_runs") == "cancelled"
    assert "one" in database.tables()
    assert ("two" in database.tables()) is not undoing
    assert not undoing or "the smoke test failed" in log  # why it was undone


def test_a_run_that_is_killed_in_its_smoke_tests_is_asked_again(two: CommandLine, database: Database) -> None:
    tests = smoke(two, "SELECT pg_sleep(30) IS NOT NULL;")
    with running(two, *tests) as process:
        wait_until(database, SLEEPING)
        process.kill()
        process.wait()
    database.query(END_SLEEP)
    smoke(two, "SELECT false;")
    ran = two(*tests)
    assert ran.exit_code == 1, ran.log
    assert "asked, as the last run ended as interrupted" in ran.log


# Release


def test_a_tag_gets_its_notes(two: CommandLine) -> None:
    ran = two(*CONFIRMED, **TAG)
    assert ran.exit_code == 0, ran.log
    assert "✓ release" in ran.log
    notes = (two.checkout / outputs(ran)["release-notes"]).read_text()
    assert notes.startswith("### Database migrations in v1.2.3")
    assert "+ table public.two" in notes


def test_a_run_by_hand_has_none(two: CommandLine) -> None:
    ran = two(*CONFIRMED)
    assert ran.exit_code == 0, ran.log
    assert "– release" in ran.log
    assert outputs(ran)["release-notes"] == ""
