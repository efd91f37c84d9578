"""`db-migrate repair`: mend the ledger, after showing how, and by somebody's word."""

import io
import re
import threading

import pytest

from runner.postgres.watcher import mutex_key
from tests.commands.conftest import CommandLine, Ran
from tests.commands.processes import END_SLEEP, SLEEPING, running, wait_until
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST  # tests/postgres/test_mending.py has the SQL, on both versions

ONE = "CREATE TABLE one (id int);"
CONFIRMED = ("--confirmation", "MIGRATE-PRODUCTION")


STAGING = ("--environment", "staging")
UNTRIED = (*STAGING, "--dry-run-mode", "preview")
LEFT = "SELECT version, status FROM schema_migrations ORDER BY version"


def environment(database: Database) -> object:
    return database.value("SELECT environment FROM migration_environment")


@pytest.fixture
def staging(db_migrate: CommandLine) -> CommandLine:
    """A database of staging."""
    db_migrate.write(_01_one=ONE)
    assert db_migrate(*UNTRIED).exit_code == 0
    return db_migrate


def test_a_database_changes_its_environment_on_purpose(staging: CommandLine, database: Database) -> None:
    staging.write(_02_two="CREATE TABLE two (id int);")
    refused = staging("--environment", "testing")
    assert refused.exit_code == 3
    assert "db-migrate repair --set-environment testing" in refused.log
    ran = staging("repair", "--yes", "--set-environment", "testing")
    assert ran.exit_code == 0, ran.log
    assert "environment  staging  testing" in ran.log
    assert environment(database) == "testing"
    assert staging("--environment", "testing").exit_code == 0


def test_who_did_it_is_kept(staging: CommandLine, database: Database) -> None:
    assert staging("repair", "--yes", "--set-environment", "testing", GITHUB_ACTOR="grace").exit_code == 0
    assert database.query("SELECT version, status, executed_by FROM migration_history WHERE action = 'repair'") == [
        ("environment", "success", "grace")
    ]
    assert database.query("SELECT environment, outcome FROM migration_runs WHERE command = 'repair'") == [
        ("testing", "applied")
    ]
    [entry] = [line for line in staging("history").log.splitlines() if " repair " in line]
    assert entry.endswith("from staging to testing")


def test_nothing_is_written_where_nothing_is_to_be_changed(staging: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = staging("repair", "--yes", "--set-environment", "staging")
    assert ran.exit_code == 0
    assert "nothing to do" in ran.log
    assert database.dump() == before


@pytest.mark.parametrize("to", ["production", "testing"])
def test_production_is_neither_made_nor_left_without_its_confirmation(
    staging: CommandLine, database: Database, to: str
) -> None:
    if to != "production":
        assert staging("repair", "--yes", "--set-environment", "production", *CONFIRMED).exit_code == 0
    before = database.dump()
    ran = staging("repair", "--yes", "--set-environment", to)
    assert ran.exit_code == 3
    assert "production needs a confirmation" in ran.log
    assert database.dump() == before
    assert staging("repair", "--yes", "--set-environment", to, *CONFIRMED).exit_code == 0
    assert environment(database) == to


def test_there_must_be_a_ledger(db_migrate: CommandLine, database: Database) -> None:
    ran = db_migrate("repair", "--yes", "--set-environment", "staging")
    assert ran.exit_code == 2
    assert "there is no ledger in schema public to repair" in ran.log
    assert database.tables() == set()


def test_a_ledger_that_names_no_environment_gets_one(staging: CommandLine, database: Database) -> None:
    database.query("DELETE FROM migration_environment")
    unknown = staging("repair", "--yes")
    assert unknown.exit_code == 2
    assert "the ledger in schema public does not say which environment this database belongs to" in unknown.log
    ran = staging("repair", "--yes", "--set-environment", "testing")
    assert ran.exit_code == 0, ran.log
    assert environment(database) == "testing"
    assert staging("--environment", "testing").exit_code == 0


def test_until_it_is_changed_the_environment_is_the_one_that_the_ledger_says(staging: CommandLine) -> None:
    argv = ("repair", "--set-environment", "production", *CONFIRMED)
    assert "would be made to the ledger of staging" in staging(*argv, "--dry-run").log
    assert "Refused: nothing was mended in the ledger of staging" in staging(*argv).log
    assert "1 change made to the ledger of production" in staging(*argv, "--yes").log


@pytest.mark.parametrize("name", ["Production", "prod", "no name"])
def test_a_wrong_name_is_refused(staging: CommandLine, database: Database, name: str) -> None:
    assert staging("repair", "--yes", "--set-environment", name).exit_code == 2
    assert environment(database) == "staging"


def test_it_waits_for_a_run_and_not_for_ever(staging: CommandLine, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        ran = staging("repair", "--yes", "--set-environment", "testing", "--lock-wait", "0")
    assert ran.exit_code == 5
    assert environment(database) == "staging"


PULL_REQUEST = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/1/merge"}


@pytest.mark.parametrize("started", [PULL_REQUEST, {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}])
def test_production_is_not_taken_off_a_database_by_what_may_not_migrate_it(
    staging: CommandLine, database: Database, started: dict[str, str]
) -> None:
    assert staging("repair", "--yes", "--set-environment", "production", *CONFIRMED).exit_code == 0
    ran = staging("repair", "--yes", "--set-environment", "staging", CONFIRM_PRODUCTION_MIGRATION="true", **started)
    assert ran.exit_code == 3
    assert "✗ tag: " in ran.log
    assert environment(database) == "production"


def test_a_repair_by_hand_in_production_says_why_it_is_a_dry_run(staging: CommandLine, database: Database) -> None:
    given = ("repair", "--yes", "--set-environment", "production", "--environment", "production", *CONFIRMED)
    ran = staging(*given, GITHUB_EVENT_NAME="workflow_dispatch")
    assert ran.exit_code == 0
    assert "a run started by hand in production is a dry run unless `dry-run: false`" in ran.log
    assert "environment  staging  production" in ran.log
    assert environment(database) == "staging"
    assert staging(*given, "--no-dry-run", GITHUB_EVENT_NAME="workflow_dispatch").exit_code == 0
    assert environment(database) == "production"


def test_a_ledger_of_an_earlier_shape_can_be_repaired(staging: CommandLine, database: Database) -> None:
    database.query("ALTER TABLE migration_runs DROP COLUMN schema_snapshot")
    ran = staging("repair", "--yes", "--set-environment", "testing")
    assert ran.exit_code == 0, ran.log
    assert environment(database) == "testing"
    assert staging("--environment", "testing").exit_code == 0


def test_a_database_that_was_moved_while_it_waited_is_left(staging: CommandLine, database: Database) -> None:
    change = "UPDATE migration_environment SET environment = 'production'"
    ran = while_it_waits(staging, change, "repair", "--yes", "--set-environment", "qa")
    assert ran.exit_code == 3
    assert "the ledger changed while this run waited" in ran.log
    assert environment(database) == "production"


def while_it_waits(command: CommandLine, change: str, *argv: str) -> Ran:
    """Run a command, and change the ledger as soon as it waits for the mutex."""
    database = command.database
    with database.connect() as holder:
        holder.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])

        def change_it() -> None:
            wait_until(database, "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'db-migrate watcher%'")
            holder.execute(change.encode())
            holder.execute("SELECT pg_advisory_unlock_all()")

        changing = threading.Thread(target=change_it)
        changing.start()
        ran = command(*argv, "--lock-wait", "20s")
        changing.join()
    return ran


def test_verify_asks_which_database_it_is_when_that_was_said(staging: CommandLine) -> None:
    assert staging("verify").exit_code == 0
    assert staging("verify", "--environment", "staging").exit_code == 0
    ran = staging("verify", "--environment", "testing")
    assert ran.exit_code == 3
    assert "this database is staging, and the run claims to be testing" in ran.log


def test_a_second_ledger_does_not_hide_the_first(staging: CommandLine, database: Database) -> None:
    ran = staging("--environment", "testing", "--tracking-schema", "other")
    assert ran.exit_code == 3
    assert "this database is staging, as the ledger in schema public says" in ran.log
    assert database.value("SELECT to_regnamespace('other')") is None


# All that can be mended


def rows_of(ran: Ran) -> list[list[str]]:
    """The table that a repair shows, and the summary has as well."""
    shown = ran.log.partition("before")[2].split("\n")[2:]
    table = [re.split(r" {2,}", line) for line in shown if line.startswith(("migration ", "environment "))]
    assert all(cell in ran.summary.replace("\\", "") for line in table for cell in line)
    return table


def test_what_is_well_needs_no_repair(staging: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = staging("repair", *STAGING)
    assert (ran.exit_code, "outcome<<" in ran.output_file, "up-to-date" in ran.output_file) == (0, True, True)
    assert database.dump() == before


def test_a_file_edited_in_comments_becomes_what_the_ledger_has(staging: CommandLine, database: Database) -> None:
    staging.write(_01_one=f"-- Purpose: one\n{ONE}")
    assert "was edited after being applied" in staging("verify").log
    ran = staging("repair", *STAGING, "--yes")
    assert ran.exit_code == 0, ran.log
    [[what, before, after]] = rows_of(ran)
    assert (what, before[:23], after[-12:]) == ("migration 01", "the text with checksum ", "the same SQL")
    assert "was edited after being applied" not in staging("verify").log
    assert database.value("SELECT body FROM schema_migrations") == f"-- Purpose: one\n{ONE}"
    [[version, note]] = database.query("SELECT version, note FROM migration_history WHERE action = 'repair'")
    assert version == "01"
    assert re.fullmatch(r"checksum from \w{8} to \w{8}: edited in comments or layout", str(note))


def test_another_sql_is_refused_with_all_else_and_the_difference_is_shown(
    staging: CommandLine, database: Database
) -> None:
    staging.write(_02_two="SELECT 1 / 0;")
    assert staging(*UNTRIED).exit_code == 1
    staging.write(_01_one=ONE.replace("int", "bigint"))
    before = database.dump()
    ran = staging("repair", *STAGING, "--yes")
    assert ran.exit_code == 4
    assert "Migration 01 checksum mismatch!" in ran.log
    assert "+CREATE TABLE one (id bigint);" in ran.log
    assert "put the change into a new migration" in ran.log
    assert database.dump() == before


def test_rows_of_what_failed_died_or_was_only_planned_go(staging: CommandLine, database: Database) -> None:
    staging.write(_02_two="SELECT 1 / 0;", _03_three="SELECT 3;", _04_four="SELECT 4;")
    assert staging(*UNTRIED).exit_code == 1
    database.query("UPDATE schema_migrations SET status = 'running' WHERE version = '04'")
    assert database.query(LEFT) == [("01", "completed"), ("02", "failed"), ("03", "pending"), ("04", "running")]
    ran = staging("repair", *STAGING, "--yes")
    assert ran.exit_code == 0, ran.log
    assert [line[:2] for line in rows_of(ran)] == [
        ["migration 02", "failed, and was rolled back"],
        ["migration 03", "pending, for a run that has ended"],
        ["migration 04", "running, and its run has died"],
    ]
    assert database.query(LEFT) == [("01", "completed")]
    staging.write(_02_two="SELECT 2;")
    assert staging(*STAGING).exit_code == 0
    assert [status for _, status in database.query(LEFT)] == ["completed"] * 4


def test_a_run_that_is_under_way_keeps_its_rows(staging: CommandLine, database: Database) -> None:
    staging.write(_02_two="SELECT pg_sleep(30);", _03_three="SELECT 3;")
    with running(staging, *UNTRIED) as process:
        wait_until(database, SLEEPING)
        ran = staging("repair", *STAGING, "--dry-run")
        assert ran.exit_code == 0
        assert "nothing to do" in ran.log
        process.kill()
        database.query(END_SLEEP)
        process.wait()
    ran = staging("repair", *STAGING, "--dry-run")
    assert [line[0] for line in rows_of(ran)] == ["migration 02", "migration 03"]


OUTSIDE = "-- migrate: no-transaction\nCREATE TABLE a ();\nCREATE TABLE b ();\nSELECT 1 / %s;\n"


@pytest.fixture
def half_done(db_migrate: CommandLine) -> CommandLine:
    """A database of staging, where 02 has done two of its three statements."""
    db_migrate.write(_01_one=ONE, _02_two=OUTSIDE % 0)
    assert db_migrate(*UNTRIED).exit_code == 1
    return db_migrate


def test_what_is_half_done_is_told_with_its_ways_out(half_done: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = half_done("repair", *STAGING, "--yes")
    assert ran.exit_code == 0
    assert "! migration 02 is not mended: failed, with 2 statements done" in ran.log
    assert "`db-migrate repair --settle 02=undone`" in ran.log
    assert "migration 02 is not mended" in ran.summary
    assert database.dump() == before


def test_a_run_goes_on_where_a_person_said(half_done: CommandLine, database: Database) -> None:
    database.query("DROP TABLE b")
    ran = half_done("repair", *STAGING, "--settle", "02=1", "--yes")
    assert ran.exit_code == 0, ran.log
    assert rows_of(ran) == [
        [
            "migration 02",
            "failed, with 2 statements done",
            "failed, with 1 statement done: the next run goes on there",
        ]
    ]
    half_done.write(_02_two=OUTSIDE % 1)
    ran = half_done(*STAGING)
    assert ran.exit_code == 0, ran.log
    assert {"a", "b"} <= database.tables()


def test_a_run_begins_anew_what_a_person_has_undone(half_done: CommandLine, database: Database) -> None:
    database.query("DROP TABLE a, b")
    assert half_done("repair", *STAGING, "--settle", "02=undone", "--yes").exit_code == 0
    assert database.query(LEFT) == [("01", "completed")]
    half_done.write(_02_two="CREATE TABLE a ();")
    assert half_done(*STAGING).exit_code == 0


@pytest.mark.parametrize("given", ["02=4", "03=1", "01=undone"])
def test_what_cannot_be_is_not_settled(half_done: CommandLine, database: Database, given: str) -> None:
    before = database.dump()
    ran = half_done("repair", *STAGING, "--settle", given, "--yes")
    assert ran.exit_code == 2
    assert "settle: " in ran.log
    assert database.dump() == before


@pytest.mark.parametrize("settled", ["undone", "1"])
def test_what_undoing_has_left_in_its_middle_is_settled_by_a_person(
    staging: CommandLine, database: Database, settled: str
) -> None:
    staging.write(_02_two="CREATE TABLE two ();", _02_two__down=OUTSIDE % 0)
    (staging.checkout / "smoke.sql").write_text("SELECT false;")
    assert staging(*UNTRIED, "--smoke-tests", "smoke.sql", "--on-smoke-failure", "rollback").exit_code == 1
    assert "migration 02 is not mended: it is completed, and undoing it has failed" in staging("repair", *STAGING).log
    assert staging("repair", *STAGING, "--yes", "--settle", f"02={settled}").exit_code == 0
    assert "is not mended" not in staging("repair", *STAGING).log
    left = [("01", "completed")] + ([("02", "completed")] if settled == "1" else [])
    assert database.query(LEFT) == left


@pytest.mark.parametrize("given", [(), ("--settle", "02=undone")])
def test_an_undoing_that_was_rolled_back_leaves_nothing_to_settle(
    staging: CommandLine, database: Database, given: tuple[str, ...]
) -> None:
    staging.write(_02_two="CREATE TABLE two ();", _02_two__down="DROP TABLE two; SELECT 1 / 0;")
    (staging.checkout / "smoke.sql").write_text("SELECT false;")
    assert staging(*UNTRIED, "--smoke-tests", "smoke.sql", "--on-smoke-failure", "rollback").exit_code == 1
    (staging.checkout / "migrations" / "02_two.down.sql").unlink()  # the ledger has kept it
    before = database.dump()
    ran = staging("repair", *STAGING, "--yes", *given)
    assert ran.exit_code == (2 if given else 0)
    assert ("is completed, and nothing about it is unsettled" in ran.log) is bool(given)
    assert "is not mended" not in ran.log
    assert database.dump() == before


# What development forgets


def test_development_forgets_a_migration_that_then_runs_again(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one="CREATE TABLE IF NOT EXISTS one ();", _02_two="SELECT 2;")
    assert db_migrate().exit_code == 0
    ran = db_migrate("repair", "--forget", "1", "--yes")
    assert ran.exit_code == 0, ran.log
    assert rows_of(ran) == [["migration 01", "completed", "no row and no history: it runs again, on what it has left"]]
    assert database.query("SELECT version, action FROM migration_history ORDER BY version") == [
        ("01", "repair"),
        ("02", "apply"),
    ]
    assert db_migrate("--out-of-order", "allow").exit_code == 0
    assert database.query(LEFT) == [("01", "completed"), ("02", "completed")]


def test_no_other_environment_forgets(staging: CommandLine, database: Database) -> None:
    before = database.dump()
    for claimed in ("staging", "development"):
        ran = staging("repair", "--environment", claimed, "--forget", "01", "--yes")
        assert ran.exit_code == 3
        assert "this database is staging" in ran.log
    assert database.dump() == before


# By whose word


def test_without_a_yes_the_changes_are_only_shown(half_done: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = half_done("repair", *STAGING, "--settle", "02=undone")
    assert ran.exit_code == 3
    assert "nobody has said yes to these changes" in ran.log
    assert "`yes: true`" in ran.log
    assert [line[0] for line in rows_of(ran)] == ["migration 02"]
    assert database.dump() == before


def test_a_dry_run_needs_no_yes_and_changes_nothing(half_done: CommandLine, database: Database) -> None:
    before = database.dump()
    for given in ((), ("--yes",)):
        ran = half_done("repair", *STAGING, "--settle", "02=undone", "--dry-run", *given)
        assert (ran.exit_code, "dry-run" in ran.output_file) == (0, True)
        assert [line[0] for line in rows_of(ran)] == ["migration 02"]
    assert database.dump() == before


class Keyboard(io.StringIO):
    """Somebody at a terminal, who types this."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("typed", "exit_code"), [("y\n", 0), ("yes\n", 0), ("n\n", 3), ("\n", 3)])
def test_at_a_terminal_it_asks(
    half_done: CommandLine, database: Database, monkeypatch: pytest.MonkeyPatch, typed: str, exit_code: int
) -> None:
    monkeypatch.setattr("sys.stdin", Keyboard(typed))
    ran = half_done("repair", *STAGING, "--settle", "02=undone")
    assert ran.exit_code == exit_code, ran.log
    assert "Make 1 change to the ledger of " in ran.log
    assert len(database.query(LEFT)) == (1 if exit_code == 0 else 2)


def test_another_environment_than_the_runs_is_not_repaired(half_done: CommandLine, database: Database) -> None:
    ran = half_done("repair", "--settle", "02=undone", "--yes")
    assert ran.exit_code == 3
    assert "this database is staging, and the run claims to be development" in ran.log
    assert len(database.query(LEFT)) == 2


@pytest.mark.parametrize("asked", [("--settle", "02=undone"), ()])
def test_production_asks_for_its_confirmation(
    half_done: CommandLine, database: Database, asked: tuple[str, ...]
) -> None:
    half_done.write(_01_one=f"-- edited\n{ONE}")
    assert half_done("repair", "--set-environment", "production", *CONFIRMED, "--yes").exit_code == 0
    before = database.dump()
    given = ("repair", "--environment", "production", *asked, "--yes")
    ran = half_done(*given)
    assert ran.exit_code == 3
    assert "production needs a confirmation" in ran.log
    branch = {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}
    assert "✗ tag: " in half_done(*given, *CONFIRMED, **branch).log
    assert database.dump() == before
    assert half_done(*given, *CONFIRMED).exit_code == 0
    assert database.dump() != before


def test_a_row_that_changed_while_it_waited_is_left(half_done: CommandLine, database: Database) -> None:
    change = "UPDATE schema_migrations SET statements_done = 1 WHERE version = '02'"
    ran = while_it_waits(half_done, change, "repair", *STAGING, "--settle", "02=undone", "--yes")
    assert ran.exit_code == 3
    assert "the ledger changed while this run waited" in ran.log
    assert len(database.query(LEFT)) == 2


def test_a_time_that_no_calendar_has_does_not_keep_it_from_looking(staging: CommandLine, database: Database) -> None:
    database.query("UPDATE schema_migrations SET applied_at = 'infinity'")
    for command in ("repair", "verify", "status"):
        ran = staging(command, "--environment", "staging")
        assert ran.exit_code == 0, ran.log
