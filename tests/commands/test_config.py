"""`db-migrate config`, and what the configuration file does to a run."""

from pathlib import Path

import pytest

from runner.resources import bundled
from tests.commands.conftest import CommandLine, Ran, run_captured
from tests.conftest import ON_NEWEST

ONE = "CREATE TABLE one ();"
FILE = """\
lint: error
locked: [lint]
environments:
  production:
    lock-timeout: 2s
    shadow-database: postgres://shadow:s3cret@127.0.0.1:5433/empty
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A checkout with a configuration file."""
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "db-migrate.yml").write_text(FILE)
    return checkout


def rows(ran: Ran) -> dict[str, tuple[str, ...]]:
    """The table that was printed: values and origins by input."""
    table = "".join(ran.log.partition("input  ")[1:])
    lines = [line for line in table.splitlines() if "  " in line]
    begins = [lines[0].index(heading) for heading in ("value", "from")]
    return {
        line[: begins[0]].strip(): (line[begins[0] : begins[1]].strip(), line[begins[1] :].strip())
        for line in lines[2:]
    }


def test_shows_every_value_and_where_it_comes_from(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"GITHUB_WORKSPACE": str(here), "DATABASE_URL": "postgres://me:pa55word@db.example.com:5432/shop"}
    ran = run_captured(
        capsys, here.parent, ("config", "--environment", "production", "--lock-wait=5s", "--lint", "error"), environ
    )
    assert ran.exit_code == 0, ran.log
    shown = rows(ran)
    assert shown["environment"] == ("production", "flag")
    assert shown["database-url"] == ("db.example.com:5432/shop", "variable DATABASE_URL")
    assert shown["lock-timeout"] == ("2s", "environments.production, db-migrate.yml:5")
    assert shown["shadow-database"] == ("127.0.0.1:5433/empty", "environments.production, db-migrate.yml:6")
    assert shown["lint"] == ("error", "flag, locked")
    assert shown["lock-wait"] == ("5s", "flag")
    assert shown["review-delay"] == ("30s", "default of production")
    assert shown["version-order"] == ("auto", "default")
    assert "| lint | error | flag, locked |" in ran.summary
    assert "up-to-date" in ran.output_file
    assert not [secret for secret in ("pa55word", "s3cret") if secret in ran.log + ran.summary + ran.output_file]


def test_needs_no_database(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran = run_captured(capsys, here.parent, ("config",), {"GITHUB_WORKSPACE": str(here)})
    assert ran.exit_code == 0, ran.log
    assert rows(ran)["database-url"] == ("not set", "default")
    assert rows(ran)["lint"] == ("error", "db-migrate.yml:1, locked")


def test_as_the_action_it_reads_inputs_and_masks_what_the_file_has(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environ = {
        "GITHUB_ACTIONS": "true",
        "GITHUB_WORKSPACE": str(here),
        "INPUT_COMMAND": "config",
        "INPUT_ENVIRONMENT": "production",
        "INPUT_CONFIG-FILE": "db-migrate.yml",
        "INPUT_LOCK-TIMEOUT": "",
        "INPUT_GITHUB-TOKEN": "t0ken",
    }
    ran = run_captured(capsys, here.parent, (), environ)
    assert ran.exit_code == 0, ran.log
    assert "::add-mask::s3cret" in ran.log
    assert rows(ran)["github-token"] == ("***", "input")
    assert rows(ran)["lock-timeout"] == ("2s", "environments.production, db-migrate.yml:5")


def test_tells_everything_that_is_wrong_as_annotations(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "db-migrate.yml").write_text(FILE + "  staging:\n    lock_timeout: 3s\n    health: eror\n")
    environ = {"GITHUB_WORKSPACE": str(here), "GITHUB_ACTIONS": "true", "INPUT_COMMAND": "config", "INPUT_LINT": "off"}
    ran = run_captured(capsys, here.parent, (), environ)
    assert ran.exit_code == 2
    for line, message in (
        (2, "lint: is locked here"),
        (8, "lock_timeout: there is no key of this name"),
        (9, "health: `eror` is not one of warn, error, off"),
    ):
        assert f"✗ db-migrate.yml:{line}: {message}" in ran.log
        assert f"::error file=db-migrate.yml,line={line}" in ran.log


# What the file does to a run


@ON_NEWEST
def test_a_run_takes_its_values_from_the_file(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    (db_migrate.checkout / "migrations").rename(db_migrate.checkout / "db")
    text = "environment: staging\nmigrations-path: db\nenvironments:\n  staging:\n    tracking-schema: ledger\n"
    (db_migrate.checkout / "db-migrate.yml").write_text(text)
    ran = db_migrate()
    assert ran.exit_code == 0, ran.log
    assert "1 migration applied to staging" in ran.log
    assert db_migrate.database.query("SELECT version FROM ledger.schema_migrations WHERE version = '01'") == [("01",)]
    assert db_migrate.database.query("SELECT environment FROM ledger.migration_environment") == [("staging",)]
    assert db_migrate("status").log.count("completed") >= 1
    assert db_migrate("new", "second").log.strip() == "db/02_second.sql"


@ON_NEWEST
def test_nothing_runs_against_a_lock(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    (db_migrate.checkout / "db-migrate.yml").write_text("out-of-order: refuse\nlocked: [out-of-order]\n")
    refused = db_migrate("--out-of-order", "allow")
    assert refused.exit_code == 2
    assert "db-migrate.yml:2: out-of-order: is locked here, and the flag --out-of-order gives another" in refused.log
    assert db_migrate.database.tables() == set()
    assert db_migrate("--out-of-order", "refuse").exit_code == 0


@ON_NEWEST
def test_a_broken_file_stops_every_command(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    (db_migrate.checkout / "db-migrate.yml").write_text("lint: [\n")
    for argv in ([], ["check"], ["status"], ["history"], ["verify"], ["config"], ["new", "x"]):
        ran = db_migrate(*argv)
        assert ran.exit_code == 2, argv
        assert "✗ db-migrate.yml:2: the file is not YAML" in ran.log
    assert db_migrate.database.tables() == set()


@ON_NEWEST
def test_another_file_can_be_named_and_must_be_there(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one=ONE)
    (db_migrate.checkout / "other.yml").write_text("tracking-schema: ledger\n")
    missing = db_migrate("--config-file", "none.yml")
    assert missing.exit_code == 2
    assert "--config-file: `none.yml` cannot be read: No such file or directory" in missing.log
    assert db_migrate("--config-file", "other.yml").exit_code == 0
    assert db_migrate.database.value("SELECT to_regclass('ledger.schema_migrations') IS NOT NULL")


@pytest.mark.parametrize("environment", ["development", "staging", "production"])
def test_the_file_of_the_example_is_sound(environment: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    environ = {"GITHUB_WORKSPACE": str(bundled("examples/knowledge-workspace"))}
    ran = run_captured(capsys, tmp_path, ("config", "--environment", environment), environ)
    assert ran.exit_code == 0, ran.log
    locked = [name for name, (_, origin) in rows(ran).items() if origin.endswith("locked")]
    assert {"tracking-schema", "out-of-order", "own-transactions"} <= set(locked)
    assert ("allow-prerelease" in locked) == (environment == "production")
