"""`db-migrate repair --set-environment`: say where a database belongs."""

import threading

import pytest

from runner.postgres.session import Connection
from runner.postgres.watcher import mutex_key
from tests.commands.conftest import CommandLine
from tests.conftest import Database

ONE = "CREATE TABLE one (id int);"
CONFIRMED = ("--confirmation", "MIGRATE-PRODUCTION")


def environment(database: Database) -> object:
    return database.value("SELECT environment FROM migration_environment")


@pytest.fixture
def staging(db_migrate: CommandLine) -> CommandLine:
    """A database of staging."""
    db_migrate.write(_01_one=ONE)
    assert db_migrate("--environment", "staging").exit_code == 0
    return db_migrate


def test_a_database_changes_its_environment_on_purpose(staging: CommandLine, database: Database) -> None:
    staging.write(_02_two="CREATE TABLE two (id int);")
    refused = staging("--environment", "testing")
    assert refused.exit_code == 3
    assert "db-migrate repair --set-environment testing" in refused.log
    ran = staging("repair", "--set-environment", "testing")
    assert ran.exit_code == 0, ran.log
    assert "this database was staging, and is testing from now on" in ran.log
    assert environment(database) == "testing"
    assert staging("--environment", "testing").exit_code == 0


def test_who_did_it_is_kept(staging: CommandLine, database: Database) -> None:
    assert staging("repair", "--set-environment", "testing", GITHUB_ACTOR="grace").exit_code == 0
    assert database.query("SELECT version, status, executed_by FROM migration_history WHERE action = 'repair'") == [
        ("environment", "success", "grace")
    ]
    assert database.query("SELECT environment, outcome FROM migration_runs WHERE command = 'repair'") == [
        ("testing", "applied")
    ]
    assert "repair" in staging("history").log


def test_nothing_is_written_where_nothing_is_to_be_changed(staging: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = staging("repair", "--set-environment", "staging")
    assert ran.exit_code == 0
    assert "nothing to do: this database is staging" in ran.log
    assert database.dump() == before


@pytest.mark.parametrize("to", ["production", "testing"])
def test_production_is_neither_made_nor_left_without_its_confirmation(
    staging: CommandLine, database: Database, to: str
) -> None:
    if to != "production":
        assert staging("repair", "--set-environment", "production", *CONFIRMED).exit_code == 0
    before = database.dump()
    ran = staging("repair", "--set-environment", to)
    assert ran.exit_code == 3
    assert "production needs a confirmation" in ran.log
    assert database.dump() == before
    assert staging("repair", "--set-environment", to, *CONFIRMED).exit_code == 0
    assert environment(database) == to


def test_there_must_be_a_ledger(db_migrate: CommandLine, database: Database) -> None:
    ran = db_migrate("repair", "--set-environment", "staging")
    assert ran.exit_code == 2
    assert "there is no ledger in schema public to repair" in ran.log
    assert database.tables() == set()


def test_it_says_what_it_lacks(staging: CommandLine) -> None:
    ran = staging("repair")
    assert ran.exit_code == 2
    assert "set-environment: is missing" in ran.log


@pytest.mark.parametrize("name", ["Production", "prod", "no name"])
def test_a_wrong_name_is_refused(staging: CommandLine, database: Database, name: str) -> None:
    assert staging("repair", "--set-environment", name).exit_code == 2
    assert environment(database) == "staging"


def test_it_waits_for_a_run_and_not_for_ever(staging: CommandLine, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        ran = staging("repair", "--set-environment", "testing", "--lock-wait", "0")
    assert ran.exit_code == 5
    assert environment(database) == "staging"


PULL_REQUEST = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_REF": "refs/pull/1/merge"}


@pytest.mark.parametrize("started", [PULL_REQUEST, {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}])
def test_production_is_not_taken_off_a_database_by_what_may_not_migrate_it(
    staging: CommandLine, database: Database, started: dict[str, str]
) -> None:
    assert staging("repair", "--set-environment", "production", *CONFIRMED).exit_code == 0
    ran = staging("repair", "--set-environment", "staging", CONFIRM_PRODUCTION_MIGRATION="true", **started)
    assert ran.exit_code == 3
    assert "✗ tag: " in ran.log
    assert environment(database) == "production"


def test_a_repair_by_hand_in_production_says_why_it_is_a_dry_run(staging: CommandLine, database: Database) -> None:
    given = ("repair", "--set-environment", "production", "--environment", "production", *CONFIRMED)
    ran = staging(*given, GITHUB_EVENT_NAME="workflow_dispatch")
    assert ran.exit_code == 0
    assert "unless `dry-run: false`: staging would become production" in ran.log
    assert environment(database) == "staging"
    assert staging(*given, "--no-dry-run", GITHUB_EVENT_NAME="workflow_dispatch").exit_code == 0
    assert environment(database) == "production"


def test_a_ledger_of_an_earlier_shape_can_be_repaired(staging: CommandLine, database: Database) -> None:
    database.query("ALTER TABLE migration_runs DROP COLUMN schema_snapshot")
    ran = staging("repair", "--set-environment", "testing")
    assert ran.exit_code == 0, ran.log
    assert environment(database) == "testing"
    assert staging("--environment", "testing").exit_code == 0


def test_what_changed_while_it_waited_is_not_overwritten(staging: CommandLine, database: Database) -> None:
    assert staging("status").exit_code == 0
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        waiting = threading.Timer(1.5, lambda: _move(other))
        waiting.start()
        ran = staging("repair", "--set-environment", "qa", "--lock-wait", "20s")
        waiting.join()
    assert ran.exit_code == 3
    assert "this database is not staging any more" in ran.log
    assert environment(database) == "production"


def _move(holder: Connection) -> None:
    holder.execute("UPDATE migration_environment SET environment = 'production'")
    holder.execute("SELECT pg_advisory_unlock_all()")


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
