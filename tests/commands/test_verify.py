"""`db-migrate verify`: is the database what its ledger, the files and the last run say?"""

import pytest

from tests.commands.conftest import CommandLine
from tests.conftest import Database


@pytest.fixture
def applied(db_migrate: CommandLine) -> CommandLine:
    db_migrate.write(_01_users="CREATE TABLE users (id int);", _02_orders="CREATE TABLE orders (id int);")
    assert db_migrate().exit_code == 0
    return db_migrate


def test_nothing_is_wrong_right_after_a_run(applied: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = applied("verify")
    assert ran.exit_code == 0, ran.log
    assert "development is what its ledger and the files say" in ran.log
    assert "as the last run left it" in ran.log
    assert database.dump() == before


def test_what_others_changed_is_drift_with_the_difference(applied: CommandLine, database: Database) -> None:
    database.query("ALTER TABLE users ADD COLUMN vip boolean; DROP TABLE orders")
    ran = applied("verify")
    assert ran.exit_code == 4
    assert "the schema was changed since the run" in ran.log
    assert "- table public.orders (1 column)" in ran.log
    assert "+ column vip boolean" in ran.log
    assert "is not what its ledger and the files say: 1 difference" in ran.summary


def test_the_next_run_warns_and_what_it_leaves_counts_from_then_on(applied: CommandLine, database: Database) -> None:
    database.query("ALTER TABLE users ADD COLUMN vip boolean")
    applied.write(_03_more="CREATE TABLE more (id int);")
    ran = applied()
    assert ran.exit_code == 0
    assert "! the schema was changed since the run" in ran.log
    assert applied("verify").exit_code == 0


def test_a_run_that_failed_keeps_what_it_left(applied: CommandLine) -> None:
    applied.write(_03_more="CREATE TABLE more (id int);", _04_wrong="SELECT nope;")
    assert applied().exit_code == 1
    ran = applied("verify")
    assert ran.exit_code == 0, ran.log
    assert "as the last run left it" in ran.log


def test_only_the_last_run_keeps_the_schema_itself(applied: CommandLine, database: Database) -> None:
    applied.write(_03_more="CREATE TABLE more (id int);")
    assert applied().exit_code == 0
    kept = database.query(
        "SELECT schema_fingerprint IS NOT NULL, schema_snapshot IS NOT NULL FROM migration_runs ORDER BY started_at"
    )
    assert kept == [(True, False), (True, True)]


def test_a_run_that_did_not_tell_what_it_left_is_not_judged_by_another(
    applied: CommandLine, database: Database
) -> None:
    database.query("UPDATE migration_runs SET schema_fingerprint = NULL, schema_snapshot = NULL")
    database.query("CREATE TABLE other (id int)")
    ran = applied("verify")
    assert ran.exit_code == 0
    assert "not known: no run has told yet what it left" in ran.log


def test_a_schema_that_the_ledger_could_not_keep_is_told_as_changed(applied: CommandLine, database: Database) -> None:
    database.query("UPDATE migration_runs SET schema_snapshot = NULL")
    database.query("CREATE TABLE other (id int)")
    ran = applied("verify")
    assert ran.exit_code == 4
    assert "it is too large for the ledger to know how" in ran.log


def test_a_changed_file_is_drift(applied: CommandLine) -> None:
    applied.write(_01_users="CREATE TABLE users (id bigint);")
    ran = applied("verify")
    assert ran.exit_code == 4
    assert "Migration 01 checksum mismatch" in ran.log


def test_pending_files_are_none_of_its_business(applied: CommandLine) -> None:
    applied.write(_03_more="CREATE TABLE more (id int);")
    assert applied("verify").exit_code == 0


def test_a_database_without_a_ledger_has_nothing_to_compare(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_users="CREATE TABLE users (id int);")
    assert db_migrate("verify").exit_code == 0


def test_what_is_half_done_is_told(applied: CommandLine, database: Database) -> None:
    applied.write(_03_out="-- migrate: no-transaction\nCREATE TABLE three (id int);\nSELECT 1/0;")
    assert applied().exit_code == 1
    ran = applied("verify")
    assert ran.exit_code == 4
    assert "migration 03 is failed in the ledger, outside of a transaction, with 1 statements done" in ran.log
    database.query("UPDATE schema_migrations SET status = 'running' WHERE version = '03'")
    assert applied("verify").exit_code == 4


def test_what_was_rolled_back_is_not_half_done(applied: CommandLine) -> None:
    applied.write(_03_wrong="CREATE TABLE three (id int); SELECT 1/0;")
    assert applied().exit_code == 1
    assert applied("verify").exit_code == 0


@pytest.mark.parametrize(("down", "exit_code"), [("VACUUM; SELECT 1/0;", 4), ("DROP TABLE one; SELECT 1/0;", 0)])
def test_an_undoing_that_failed_is_told_unless_it_was_rolled_back(
    db_migrate: CommandLine, down: str, exit_code: int
) -> None:
    db_migrate.write(_01_one="CREATE TABLE one (id int);", _01_one__down=down)
    (db_migrate.checkout / "smoke.sql").write_text("SELECT false;")
    assert db_migrate("--smoke-tests", "*.sql", "--on-smoke-failure", "rollback").exit_code == 1
    ran = db_migrate("verify")
    assert ran.exit_code == exit_code, ran.log
    told = "migration 01 is completed in the ledger, and undoing it has failed"
    assert (told in ran.log) is (exit_code == 4)
