"""The ledger's tables: made, brought up to date, and answering while a run is under way."""

import hashlib

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import Database

USERS_COLUMNS = """
    CREATE TABLE schema_migrations (
        version TEXT PRIMARY KEY, name TEXT NOT NULL, applied_at TIMESTAMPTZ DEFAULT now(), checksum TEXT NOT NULL,
        execution_time_ms INTEGER, status TEXT NOT NULL, error_message TEXT, applied_by TEXT);
    CREATE TABLE migration_history (
        id UUID PRIMARY KEY, version TEXT NOT NULL, action TEXT NOT NULL, executed_at TIMESTAMPTZ DEFAULT now(),
        execution_time_ms INTEGER, status TEXT NOT NULL, error_message TEXT, executed_by TEXT, environment TEXT);
"""
ONE = "CREATE TABLE one ();"
DIGEST = hashlib.sha256(ONE.encode()).hexdigest()


def columns(database: Database, table: str) -> set[str]:
    rows = database.query("SELECT column_name FROM information_schema.columns WHERE table_name = %s", table)
    return {str(name) for (name,) in rows}


def test_answers_with_one_row_of_status(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE, _02_two="SELECT 2;", _03_bad="SELECT 1 / 0;", _10_later="SELECT 10;")
    db_migrate("--environment", "staging", "--dry-run-mode", "preview")
    assert database.query(
        "SELECT total, completed, pending, running, failed, last_version, last_applied_at IS NOT NULL, environment "
        "FROM get_migration_status()"
    ) == [(4, 2, 1, 0, 1, "02", True, "staging")]


def test_the_view_shows_each_migration_with_its_last_history_entry(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE, _02_bad="SELECT 1 / 0;", _10_later="SELECT 10;")
    db_migrate()
    db_migrate.write(_02_bad="SELECT 2;")
    db_migrate()
    assert database.query("SELECT version, status, last_action, last_action_status FROM migration_status_view") == [
        ("01", "completed", "apply", "success"),
        ("02", "completed", "apply", "success"),
        ("10", "completed", "apply", "success"),
    ]


def test_a_ledger_of_the_promised_columns_alone_is_taken_over(db_migrate: CommandLine, database: Database) -> None:
    database.query(USERS_COLUMNS)
    database.query(
        f"INSERT INTO schema_migrations VALUES ('01', 'one', now(), '{DIGEST}', 5, 'completed', NULL, 'bob')"
    )
    db_migrate.write(_01_one=ONE, _02_two="CREATE TABLE two ();")
    assert db_migrate("status").exit_code == 0
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "one" not in database.tables()
    assert "two" in database.tables()
    assert columns(database, "schema_migrations") >= {"sql_digest", "body", "run_id", "statements_done"}
    assert columns(database, "migration_history") >= {"run_id", "note"}
    assert database.value("SELECT applied_by FROM schema_migrations WHERE version = '01'") == "bob"
    assert database.value("SELECT completed FROM get_migration_status()") == 2


def test_a_ledger_file_of_the_users_own_runs_first_and_is_recorded(db_migrate: CommandLine, database: Database) -> None:
    mine = USERS_COLUMNS + "\nCREATE VIEW migration_status_view AS SELECT version AS mine FROM schema_migrations;\n"
    db_migrate.write(_00_migration_state_tracking=mine, _01_one=ONE)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert database.query("SELECT version, status FROM schema_migrations ORDER BY 1") == [
        ("00", "completed"),
        ("01", "completed"),
    ]
    assert columns(database, "migration_status_view") == {"mine"}
    assert database.value("SELECT total FROM get_migration_status()") == 2
    assert db_migrate().exit_code == 0
    assert database.value("SELECT count(*) FROM migration_history") == 2


def test_a_broken_ledger_file_of_the_users_own_leaves_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_00_migration_state_tracking=USERS_COLUMNS + "\nSELECT nope;\n", _01_one=ONE)
    ran = db_migrate()
    assert ran.exit_code == 1
    assert "00_migration_state_tracking.sql:9:8: column" in ran.log
    assert "an error of db-migrate itself" not in ran.log
    assert database.tables() == set()


def test_bringing_the_ledger_up_to_date_again_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    from runner.resources import bundled

    db_migrate.write(_01_one=ONE)
    db_migrate()
    before = database.dump()
    database.query((bundled("migrations") / "00_migration_state_tracking.sql").read_text())
    assert database.dump() == before


@pytest.mark.parametrize("size", [1024 * 1024, 1024 * 1024 + 1], ids=["1 MiB", "more"])
def test_keeps_the_text_of_a_migration_up_to_a_mebibyte(db_migrate: CommandLine, database: Database, size: int) -> None:
    sql = "SELECT 1; --"
    db_migrate.write(_01_big=sql + "x" * (size - len(sql)))
    assert db_migrate().exit_code == 0
    kept = database.value("SELECT length(body) FROM schema_migrations")
    assert kept == (size if size <= 1024 * 1024 else None)


def test_a_ledger_file_of_the_users_own_may_be_the_only_one(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_00_migration_state_tracking=USERS_COLUMNS)
    assert db_migrate().exit_code == 0
    assert database.query("SELECT version, status FROM schema_migrations") == [("00", "completed")]
