"""`db-migrate status` and `history`."""

import pytest

from runner.cli import run
from tests.commands.conftest import CommandLine
from tests.conftest import Database

ONE = "CREATE TABLE one ();"


def test_shows_each_migration_and_its_state(db_migrate: CommandLine) -> None:
    db_migrate.write(
        _00_look="SELECT 0;", _01_one=ONE, _02_gone="SELECT 2;", _03_bad="SELECT 1 / 0;", _04_later="SELECT 4;"
    )
    db_migrate("--environment", "staging", "--dry-run-mode", "preview")
    (db_migrate.checkout / "migrations" / "02_gone.sql").unlink()
    db_migrate.write(_00_look="SELECT 0; -- changed", _01_one=ONE + "SELECT 1;")
    ran = db_migrate("status")
    assert ran.exit_code == 0
    lines = {line.split()[0]: line for line in ran.log.splitlines() if line[:2].isdecimal()}
    assert "completed, file edited in comments or layout" in lines["00"]
    assert "completed, file modified" in lines["01"]
    assert "completed, file missing" in lines["02"]
    assert "failed" in lines["03"]
    assert "pending" in lines["04"]
    assert "staging is at 02, 2 migrations pending" in ran.log


def test_reads_a_database_without_a_ledger_and_changes_nothing(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    for command in ("status", "history"):
        assert db_migrate(command).exit_code == 0
    assert database.tables() == set()


def test_needs_no_right_but_to_read(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    db_migrate()
    nobody = database.as_role("nobody")
    assert db_migrate("status", DATABASE_URL=nobody).exit_code == 6
    database.query(
        "GRANT SELECT ON schema_migrations, migration_environment, migration_history TO nobody; "
        "GRANT USAGE ON SCHEMA public TO nobody"
    )
    for command in ("status", "history"):
        ran = db_migrate(command, DATABASE_URL=nobody)
        assert ran.exit_code == 0, ran.log


def test_help_explains_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"], {}) == 0
    shown = capsys.readouterr().out
    for command in ("migrate", "status", "history", "demo"):
        assert command in shown


@pytest.mark.parametrize("argv", [["--verison", "1"], ["statsu"], ["status", "--dry-run"]])
def test_an_unknown_word_ends_with_exit_code_2(argv: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(argv, {}) == 2
    assert "No such" in capsys.readouterr().err
