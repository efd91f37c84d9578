"""What cannot be done is said clearly, with the way out, and changes nothing."""

import socket
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine, run_captured
from tests.conftest import SCRAM_ROLE, Database

ONE = "CREATE TABLE one ();"
DISPATCH = {"GITHUB_EVENT_NAME": "workflow_dispatch"}


def test_names_every_wrong_input_in_one_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "INPUT_DATABASE-URL": "postgres://app:pa%ss@word@db:5432/app",
        "INPUT_DRY-RUN": "yes",
        "INPUT_LOCK-TIMEOUT": "soon",
        "INPUT_ENVIRONMENT": "Production",
        "INPUT_CONFIRMTION": "MIGRATE-PRODUCTION",
    }
    ran = run_captured(capsys, tmp_path, (), environ)
    assert ran.exit_code == 2
    for wrong in ("database-url:", "dry-run:", "lock-timeout:", "environment:", "confirmtion:"):
        assert f"✗ {wrong}" in ran.log
    assert "did you mean `confirmation`?" in ran.log
    masks = [line for line in ran.log.splitlines() if line.startswith("::add-mask::")]
    shown = "\n".join(line for line in ran.log.splitlines() if line not in masks) + ran.summary + ran.output_file
    for secret in ("pa%ss", "word@db", "pa%ss@word"):
        assert secret not in shown


def test_a_missing_url_says_where_to_put_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_captured(capsys, tmp_path, (), {})
    assert ran.exit_code == 2
    assert "database-url: is missing" in ran.log


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (None, "there is no such folder in the checkout"),
        ({}, "there is no migration in this folder"),
        ({"readme.sql": ONE}, "migrations/readme.sql: this name is not that of a migration"),
        ({"01_a.sql": ONE, "01_b.sql": ONE}, "migrations/01_b.sql: version 01 is also that of 01_a.sql"),
        ({"9_a.sql": ONE, "10_b.sql": ONE}, "rename it to 09_a.sql"),
        ({"01_a.sql": b"SELECT '\xff';"}, "migrations/01_a.sql:1: the file is not UTF-8"),
        ({"01_a.sql": ONE, "02_b.down.sql": ONE}, "there is no 02_b.sql that this file belongs to"),
    ],
    ids=["no folder", "empty folder", "wrong name", "duplicate", "9_ beside 10_", "not UTF-8", "orphan"],
)
def test_refuses_a_set_that_is_not_clear(
    db_migrate: CommandLine, database: Database, files: dict[str, str | bytes] | None, says: str
) -> None:
    folder = db_migrate.checkout / "migrations"
    for name, content in (files or {}).items():
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    if files is None:
        folder.rmdir()
    ran = db_migrate()
    assert ran.exit_code == 2
    assert says in ran.log
    assert database.tables() == set()


def test_an_unreachable_server_is_named(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        port = nobody.getsockname()[1]
        ran = db_migrate(DATABASE_URL=f"postgresql://app:s3cret@127.0.0.1:{port}/app")
    assert ran.exit_code == 6
    assert f"cannot connect to 127.0.0.1:{port}/app" in ran.log
    assert "Connection refused" in ran.log
    assert "s3cret" not in ran.log + ran.summary


def test_a_wrong_password_is_told_and_not_shown(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate(DATABASE_URL=database.as_role(SCRAM_ROLE, "wr%C3%B6ng"))
    assert ran.exit_code == 6
    assert "password authentication failed" in ran.log
    assert "check user and password" in ran.log
    for secret in ("wröng", "wr%C3%B6ng"):
        assert secret not in ran.log + ran.summary
    database.query(f"GRANT CREATE ON SCHEMA public TO {SCRAM_ROLE}")
    assert db_migrate("--dry-run", DATABASE_URL=database.as_role(SCRAM_ROLE, "right")).exit_code == 0


def test_an_unknown_parameter_of_the_url_is_named(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate(DATABASE_URL=database.url.value + "&schema=app")
    assert ran.exit_code == 2
    assert "does not understand the parameter `schema`" in ran.log


def test_a_missing_right_names_the_grant_that_mends_it(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    database.query("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
    url = database.as_role("nobody")
    ran = db_migrate(DATABASE_URL=url)
    assert ran.exit_code == 6
    assert 'GRANT USAGE, CREATE ON SCHEMA "public" TO "nobody";' in ran.log
    assert database.tables() == set()

    ran = db_migrate("--tracking-schema", "ledger", DATABASE_URL=url)
    assert ran.exit_code == 6
    assert f'GRANT CREATE ON DATABASE "{database.name}" TO "nobody";' in ran.log

    database.query("GRANT USAGE, CREATE ON SCHEMA public TO nobody;")
    assert db_migrate(DATABASE_URL=url).exit_code == 0


def test_a_ledger_that_may_not_be_written_names_the_grant(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_two="SELECT 2;")
    ran = db_migrate(DATABASE_URL=database.as_role("nobody"))
    assert ran.exit_code == 6
    grant = ran.log.partition("→ GRANT ")[2].partition(";")[0]
    database.query(f"GRANT {grant}")
    ran = db_migrate(DATABASE_URL=database.as_role("nobody"))
    assert ran.exit_code == 0, ran.log


@pytest.mark.parametrize(
    ("table", "tool"),
    [
        ("CREATE TABLE schema_migrations (version bigint PRIMARY KEY, dirty boolean NOT NULL)", "golang-migrate"),
        ("CREATE TABLE schema_migrations (version varchar(128) PRIMARY KEY)", "dbmate, Rails"),
    ],
)
def test_a_ledger_of_another_tool_is_left_alone(
    db_migrate: CommandLine, database: Database, table: str, tool: str
) -> None:
    database.query(table)
    before = database.dump()
    db_migrate.write(_01_one=ONE)
    ran = db_migrate()
    assert ran.exit_code == 2
    assert tool in ran.log
    assert "tracking-schema" in ran.log
    assert "db-migrate adopt --from " in ran.log
    assert database.dump() == before
    assert db_migrate("--tracking-schema", "db_migrate").exit_code == 0


def test_a_database_that_is_read_only_is_told(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    database.query(f"ALTER DATABASE {database.name} SET default_transaction_read_only = on")
    ran = db_migrate()
    assert ran.exit_code == 6
    assert "read-only" in ran.log


def test_a_late_lower_version_is_refused_unless_allowed(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_02_two="SELECT 2;")
    db_migrate()
    db_migrate.write(_01_one=ONE)
    before = database.dump()
    ran = db_migrate()
    assert ran.exit_code == 3
    assert "migration 01 came late: the database already has 02" in ran.log
    assert database.dump() == before
    assert db_migrate("--out-of-order", "allow").exit_code == 0
    assert "one" in database.tables()


def test_a_database_of_another_environment_is_refused(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    production = ("--environment", "production", "--confirmation", "MIGRATE-PRODUCTION", "--review-delay", "0")
    assert db_migrate(*production).exit_code == 0
    db_migrate.write(_02_two="CREATE TABLE two ();")
    before = database.dump()
    ran = db_migrate("--environment", "staging")
    assert ran.exit_code == 3
    assert "this database is production, and the run claims to be staging" in ran.log
    assert database.dump() == before


@pytest.mark.parametrize("given", ["", "migrate-production", " MIGRATE-PRODUCTION", "yes"])
def test_production_needs_the_exact_phrase(db_migrate: CommandLine, database: Database, given: str) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate("--environment", "production", "--review-delay", "0", "--confirmation", given)
    assert ran.exit_code == 3
    assert "MIGRATE-PRODUCTION" in ran.log
    assert database.tables() == set()


def test_production_shows_the_plan_and_waits(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    environ = {"CONFIRM_PRODUCTION_MIGRATION": "true", "NODE_ENV": "production"}
    ran = db_migrate("--review-delay", "1s", **environ)
    assert ran.exit_code == 0
    assert ran.log.index("01_one.sql") < ran.log.index("review window closes") < ran.log.index("✓ apply")
    assert "one" in database.tables()


def test_a_run_by_hand_in_production_is_a_dry_run_unless_told_otherwise(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_one=ONE)
    by_hand = DISPATCH | {
        "INPUT_ENVIRONMENT": "production",
        "INPUT_CONFIRMATION": "MIGRATE-PRODUCTION",
        "INPUT_REVIEW-DELAY": "0",
    }
    ran = db_migrate(**by_hand)
    assert ran.exit_code == 0
    assert "a run started by hand in production is a dry run unless `dry-run: false`" in ran.log
    assert database.tables() == set()
    assert db_migrate(**by_hand, **{"INPUT_DRY-RUN": "false"}).exit_code == 0
    assert "one" in database.tables()


def test_the_variable_does_not_confirm_a_run_by_hand(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate(
        **DISPATCH,
        **{"INPUT_ENVIRONMENT": "production", "INPUT_DRY-RUN": "false", "CONFIRM_PRODUCTION_MIGRATION": "true"},
    )
    assert ran.exit_code == 3
    assert "the phrase must be typed" in ran.log
    assert database.tables() == set()


def test_an_unknown_version_is_told(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate("--version=07")
    assert ran.exit_code == 2
    assert "there is no migration 07" in ran.log
    assert database.tables() == set()


def test_a_role_that_may_only_read_can_still_see_what_would_run(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_one=ONE)
    assert db_migrate().exit_code == 0
    db_migrate.write(_02_two="SELECT 2;")
    database.query("GRANT SELECT ON schema_migrations, migration_environment TO nobody")
    reader = database.as_role("nobody")
    ran = db_migrate("--dry-run", DATABASE_URL=reader)
    assert ran.exit_code == 0
    assert "! role nobody may not write the ledger" in ran.log
    assert "1 migration would be applied" in ran.log
    assert db_migrate(DATABASE_URL=reader).exit_code == 6


def test_escapes_that_are_not_text_are_refused_without_showing_them(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    ran = db_migrate(DATABASE_URL="postgresql://app:topsecret%bbword@127.0.0.1:5432/app", GITHUB_ACTIONS="true")
    assert ran.exit_code == 2
    shown = "\n".join(line for line in ran.log.splitlines() if not line.startswith("::add-mask::"))
    assert "its escapes are not UTF-8" in shown
    assert "topsecret" not in shown + ran.summary
