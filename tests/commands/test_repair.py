"""`db-migrate repair --set-environment`: say where a database belongs."""

import pytest

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
