"""Files that changed after they were applied."""

from tests.commands.conftest import CommandLine
from tests.conftest import Database

SQL = "CREATE TABLE users (\n    id int\n);\n"


def test_a_cosmetic_change_is_a_warning_and_the_run_goes_on(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=SQL)
    assert db_migrate().exit_code == 0
    db_migrate.write(_01_users="-- (c) the company\n" + SQL.replace("    ", "\t"), _02_more="CREATE TABLE more ();")
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "01_users.sql:1: migration 01 was edited after being applied, in comments or layout only" in ran.log
    assert "more" in database.tables()


def test_a_change_of_the_sql_is_refused_with_the_difference(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=SQL)
    assert db_migrate().exit_code == 0
    before = database.dump()
    db_migrate.write(_01_users=SQL.replace("int", "bigint"), _02_more="CREATE TABLE more ();")
    ran = db_migrate()
    assert ran.exit_code == 4
    assert "01_users.sql:2: Migration 01 checksum mismatch! File has been modified after being applied." in ran.log
    assert "    -    id int\n    +    id bigint\n" in ran.log
    assert "```diff\n--- migrations/01_users.sql (as applied)" in ran.summary
    assert database.dump() == before


def test_a_ledger_of_an_older_run_still_tells_cosmetic_from_real(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=SQL)
    assert db_migrate().exit_code == 0
    database.query("UPDATE schema_migrations SET sql_digest = NULL")
    db_migrate.write(_01_users=SQL + "-- done\n")
    assert db_migrate().exit_code == 0
    database.query("UPDATE schema_migrations SET body = NULL")
    assert db_migrate().exit_code == 4
