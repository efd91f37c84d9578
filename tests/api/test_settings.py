"""What the API is started with, and what it hands on to its runs."""

import subprocess
import sys
from pathlib import Path

import pytest

import runner.api
from runner.api.runs import MIGRATE
from runner.api.settings import TOKEN as VARIABLE
from runner.api.settings import read_settings
from runner.cli import run
from runner.errors import InputError
from runner.flags import parse_flags
from runner.inputs import gather
from tests.api.conftest import TOKEN

URL = "postgresql://ada:s3cr3t-passw0rd@db/app"


def environ(checkout: Path, **others: str) -> dict[str, str]:
    """What a server is started with, and nothing is wrong with it."""
    return {"DATABASE_URL": URL, "GITHUB_WORKSPACE": str(checkout), VARIABLE: TOKEN} | others


def flags(*argv: str) -> dict[str, str]:
    """The flags of `serve`, parsed."""
    parsed = parse_flags(["serve", *argv])
    assert isinstance(parsed, dict)
    return parsed


def test_a_run_has_the_configuration_of_the_server(checkout: Path) -> None:
    (checkout / "db-migrate.yml").write_text("lint: error\n")
    given = flags("--lock-timeout", "7s", "--database-url", URL)
    settings = read_settings(given, environ(checkout, NODE_ENV="staging", DATABASE_URL=""))
    of_the_run = gather({}, settings.environ)
    assert {name: value.text for name, value in of_the_run.items()} == {
        "database-url": URL,
        "environment": "staging",
        "lock-timeout": "7s",
    }
    assert (settings.config.environment, settings.environ["GITHUB_WORKSPACE"]) == ("staging", str(checkout))


@pytest.mark.parametrize(
    "name",
    [
        VARIABLE,
        "GITHUB_ACTIONS",
        "GITHUB_STEP_SUMMARY",
        "CONFIRM_PRODUCTION_MIGRATION",
        "INPUT_CONFIRMATION",
        "INPUT_DRY-RUN",
        "INPUT_COMMAND",
    ],
)
def test_a_run_does_not_inherit_what_is_the_servers_or_opens_production(checkout: Path, name: str) -> None:
    given = {"GITHUB_SHA": "a1b2", name: TOKEN if name == VARIABLE else "true"}
    settings = read_settings({}, environ(checkout, **given))
    assert (name in settings.environ, settings.environ["GITHUB_SHA"]) == (False, "a1b2")
    assert TOKEN not in str(settings.environ)


def test_a_run_is_of_this_very_program_whatever_lies_where_it_starts(checkout: Path) -> None:
    for module in ("runner", "click"):
        (checkout / module).mkdir()
        (checkout / module / "__init__.py").write_text("raise SystemExit('somebody else')")
    settings = read_settings({}, environ(checkout))
    command = [*MIGRATE, "--help"]
    done = subprocess.run(command, env=settings.environ, cwd=checkout, capture_output=True, text=True, check=True)
    assert "Bring the database to what the checkout has" in done.stdout


def test_nothing_secret_is_shown_of_the_settings(checkout: Path) -> None:
    settings = read_settings({}, environ(checkout, PGPASSWORD="pg-p4ssw0rd"))
    told = settings.scrub(f"{settings} {TOKEN} {URL} pg-p4ssw0rd")
    assert not [secret for secret in (TOKEN, "s3cr3t-passw0rd", "pg-p4ssw0rd") if secret in told]
    assert TOKEN not in repr(settings)


def test_all_that_is_wrong_is_told_at_once(checkout: Path) -> None:
    wrong = {VARIABLE: "short", "INPUT_LINT": "loud", "DATABASE_URL": "embedded"}
    with pytest.raises(InputError) as error:
        read_settings({}, environ(checkout) | wrong)
    assert len(error.value.findings) == 3


def test_in_production_nobody_is_asked_for_a_token(checkout: Path) -> None:
    for given in ({VARIABLE: ""}, {VARIABLE: TOKEN}):
        settings = read_settings({}, environ(checkout, NODE_ENV="production") | given)
        assert settings.token == ""


# The application to mount


def test_the_application_is_made_when_it_is_asked_for_and_once(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(vars(runner.api), "app", raising=False)
    for name, text in environ(checkout).items():
        monkeypatch.setenv(name, text)
    try:
        assert runner.api.app is runner.api.app
    finally:
        vars(runner.api).pop("app", None)


def test_the_application_is_not_made_without_a_token(checkout: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in environ(checkout).items():
        monkeypatch.setenv(name, text)
    monkeypatch.delenv(VARIABLE)
    with pytest.raises(InputError, match="INTERNAL_ADMIN_TOKEN: is missing"):
        _ = runner.api.app


def test_without_the_extra_it_says_what_to_install(
    checkout: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "runner.api.serve", raising=False)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve"], environ(checkout)) == 2
    out = capsys.readouterr().out
    assert ("serve: uvicorn is not installed" in out, "pip install 'db-migrate-action[api]'" in out) == (True, True)
