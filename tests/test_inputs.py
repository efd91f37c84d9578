"""Where a value comes from, and inputs that do not exist."""

from pathlib import PurePosixPath

import pytest

from runner.flags import parse_flags
from runner.inputs import (
    BY_NAME,
    INPUTS,
    OF_THE_ACTION,
    FileValues,
    Given,
    Section,
    gather,
    layered,
    unknown,
    variable_of,
)


def test_a_flag_comes_before_an_input_before_a_variable() -> None:
    flags = {"database-url": "of the flag"}
    environ = {"INPUT_DATABASE-URL": "of the input", "DATABASE_URL": "of the variable"}
    assert gather(flags, environ)["database-url"] == Given("of the flag", "--database-url")
    assert gather({}, environ)["database-url"] == Given("of the input", "database-url")
    del environ["INPUT_DATABASE-URL"]
    assert gather({}, environ)["database-url"] == Given("of the variable", "DATABASE_URL")


def test_empty_is_absent_at_every_step() -> None:
    environ = {"INPUT_DATABASE-URL": "", "DATABASE_URL": "of the variable"}
    assert gather({"database-url": ""}, environ)["database-url"].text == "of the variable"
    assert gather({"version": ""}, {"INPUT_VERSION": "", "DATABASE_URL": ""}) == {}


def test_nothing_given_is_nothing() -> None:
    assert gather({}, {"PATH": "/bin", "HOME": "/root"}) == {}


def test_node_env_stands_in_for_the_environment() -> None:
    assert gather({}, {"NODE_ENV": "staging"})["environment"] == Given("staging", "NODE_ENV")


def test_githubs_token_may_be_in_its_usual_variable() -> None:
    assert gather({}, {"GITHUB_TOKEN": "t"})["github-token"] == Given("t", "GITHUB_TOKEN")
    assert gather({}, {"INPUT_GITHUB-TOKEN": "i", "GITHUB_TOKEN": "t"})["github-token"] == Given("i", "github-token")


def test_other_inputs_have_no_variable_to_stand_in() -> None:
    named_alike = {known.name.upper().replace("-", "_"): "x" for known in INPUTS}
    assert gather({}, named_alike).keys() == {"database-url", "github-token"}


def test_every_input_is_named_once() -> None:
    assert len(BY_NAME) == len(INPUTS)


def test_a_value_is_taken_as_it_is_written() -> None:
    assert gather({}, {"INPUT_CONFIRMATION": " x\n"})["confirmation"].text == " x\n"


# Below what is given: the configuration file


def of_the_file(text: str, section: str = "") -> Given:
    return Given(text, "lint", PurePosixPath("db-migrate.yml"), 7, section)


FILE = FileValues(
    top=Section(values={"lint": of_the_file("warn"), "environment": Given("staging", "environment")}),
    environments={"production": Section(values={"lint": of_the_file("error", "environments.production")})},
)


@pytest.mark.parametrize(
    ("given", "lint"),
    [
        pytest.param({}, "warn", id="top"),
        pytest.param({"environment": Given(" production\n", "environment")}, "error", id="environment"),
        pytest.param({"environment": Given("qa", "NODE_ENV")}, "warn", id="environment-without-values"),
        pytest.param({"lint": Given("off", "lint")}, "off", id="given"),
    ],
)
def test_the_file_stands_behind_what_is_given(given: dict[str, Given], lint: str) -> None:
    assert layered(given, FILE)["lint"].text == lint


def test_without_a_file_what_is_given_is_all() -> None:
    given = {"lint": Given("off", "lint")}
    assert layered(given, FileValues()) == given


@pytest.mark.parametrize(
    ("given", "origin"),
    [
        (Given("off", "--lint"), "flag"),
        (Given("off", "lint"), "input"),
        (Given("staging", "NODE_ENV"), "variable NODE_ENV"),
        (of_the_file("off"), "db-migrate.yml:7"),
        (of_the_file("off", "environments.qa"), "environments.qa, db-migrate.yml:7"),
    ],
)
def test_a_value_knows_where_it_comes_from(given: Given, origin: str) -> None:
    assert given.origin == origin


@pytest.mark.parametrize(
    ("name", "environment", "default"),
    [
        ("review-delay", "production", "30s"),
        ("review-delay", "qa", "0"),
        ("dry-run-mode", "staging", "rehearse"),
        ("lock-timeout", "production", "5s"),
        ("version", "production", ""),
    ],
)
def test_some_defaults_depend_on_the_environment(name: str, environment: str, default: str) -> None:
    assert BY_NAME[name].default_in(environment) == default


@pytest.mark.parametrize(
    "argument",
    [
        pytest.param("postgres://u:s3cret@db", id="url"),
        pytest.param("host=db password=s3cret", id="keywords"),
        pytest.param(
            "postgres://u:my s3cret@db",
            id="url-with-a-blank",
        ),
        pytest.param(
            "host=db password = 'my s3cret'",
            id="keywords-with-blanks",
        ),
    ],
)
@pytest.mark.parametrize("before", [[], ["migrate"], ["migrate", "--dry-run"]], ids=["alone", "command", "flag"])
def test_a_url_in_the_wrong_place_of_the_command_line_is_not_repeated(
    before: list[str], argument: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert parse_flags([*before, argument]) == 2
    told = "".join(capfd.readouterr())
    assert "Error: " in told
    assert "s3cret" not in told


@pytest.mark.parametrize(
    ("name", "variable"), [("database-url", "INPUT_DATABASE-URL"), ("version", "INPUT_VERSION"), ("a b", "INPUT_A_B")]
)
def test_names_the_variable_as_githubs_runner_does(name: str, variable: str) -> None:
    assert variable_of(name) == variable


@pytest.mark.parametrize(
    ("variable", "message", "hint"),
    [
        pytest.param(
            "INPUT_DRYRUN", "dryrun: there is no input of this name", "did you mean `dry-run`?", id="no-hyphen"
        ),
        pytest.param(
            "INPUT_DRY_RUN", "dry_run: there is no input of this name", "did you mean `dry-run`?", id="underscore"
        ),
        pytest.param(
            "INPUT_MIGRATION-PATH",
            "migration-path: there is no input of this name",
            "did you mean `migrations-path`?",
            id="singular",
        ),
        pytest.param("INPUT_COLOUR", "colour: there is no input of this name", "see action.yml", id="nothing-alike"),
    ],
)
def test_an_input_that_nobody_reads_is_a_problem(variable: str, message: str, hint: str) -> None:
    (finding,) = unknown({variable: "x"})
    assert (finding.message, finding.hint) == (message, hint)


def test_a_misspelt_input_is_a_problem_even_when_it_is_empty() -> None:
    assert len(unknown({"INPUT_DRYRUN": ""})) == 1


def test_every_known_input_and_those_of_the_runner_are_fine() -> None:
    given = {variable_of(name): "x" for name in [*OF_THE_ACTION, "entrypoint", "args"]}
    assert unknown(given | {"DATABASE_URL": "x", "MY_INPUT_X": "y"}) == []
