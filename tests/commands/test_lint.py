"""What is looked at before anything runs: all the text that the ledger keeps."""

import pytest

from tests.commands.conftest import CommandLine

KEY = "-- AKIAIOSFODNN7ABCDEFG\n"
PASSWORD = "SELECT true;\nCREATE ROLE stays_out PASSWORD 'hush12345';\n"


@pytest.fixture
def version() -> int:
    """What is found in files does not depend on the server."""
    return 18


def test_down_and_check_files_are_searched_for_secrets(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _01_a__down=KEY + "DROP TABLE a;", _01_a__check=KEY + "SELECT true;")
    ran = db_migrate("--lint", "error")
    assert ran.exit_code == 3
    for name in ("01_a.down.sql", "01_a.check.sql"):
        assert f"migrations/{name}:1:4: this looks like a secret (AWS Access Key)" in ran.log
    assert db_migrate.database.tables() == set()


def test_a_password_in_a_check_is_told_once(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _01_a__check=PASSWORD)
    ran = db_migrate("--lint", "error")
    assert ran.exit_code == 3
    assert [line for line in ran.log.splitlines() if "01_a.check.sql:2" in line and "[password-in-sql]" in line]
    assert not [line for line in ran.log.splitlines() if "01_a.check.sql:2" in line and "[secret]" in line]


def test_a_password_in_a_check_can_be_excluded(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_a="CREATE TABLE a ();", _01_a__check="SELECT true; -- lint-ignore password-in-sql")
    assert db_migrate("--lint", "error").exit_code == 0
    db_migrate.write(_02_b="CREATE TABLE b ();", _02_b__check=PASSWORD)
    ran = db_migrate("--lint", "error", "--lint-exclude", "password-in-sql,secret", "--dry-run")
    assert ran.exit_code == 0
