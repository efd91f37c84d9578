"""The configuration file: what is read of it, which value counts, what is locked, and everything that is wrong."""

from datetime import timedelta
from pathlib import Path, PurePosixPath

import pytest

from runner.config import Config, load, load_folder
from runner.config_file import KEYS, LARGEST, parse_config_file, read_config_file
from runner.core.model import DryRunMode
from runner.core.naming import VersionOrder
from runner.core.policies import HealthMode, LintMode
from runner.errors import Finding, InputError
from runner.inputs import BY_NAME, FileValues, Given, gather

NAME = PurePosixPath("db-migrate.yml")
PRODUCTION = {"environment": "production"}


def parsed(text: str | bytes) -> FileValues:
    return parse_config_file(text.encode() if isinstance(text, str) else text, NAME)


def config(
    text: str = "", *, flags: dict[str, str] | None = None, manual: bool = False, environ: str = "", **inputs: str
) -> Config:
    """As the action would be given these inputs, beside this file; `environ` is more of the environment."""
    variables = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
    variables |= {"DATABASE_URL": "postgres://u:p@db/app"} | dict(pair.split("=") for pair in environ.split())
    return load(gather(flags or {}, variables), variables, manual=manual, file=parsed(text))


def problems(
    text: str | bytes, *, flags: dict[str, str] | None = None, manual: bool = False, environ: str = "", **inputs: str
) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        config(text, flags=flags, manual=manual, environ=environ, **inputs)  # type: ignore[arg-type]
    return caught.value.findings


def origin(config: Config, name: str) -> tuple[str, str]:
    value = next(value for value in config.values if value.name == name)
    return value.text, value.origin


# What is read


@pytest.mark.parametrize("text", ["", "\n", "# nothing yet\n", "---\n", "null", "{}\n"])
def test_a_file_may_say_nothing(text: str) -> None:
    assert parsed(text) == FileValues()


def test_a_value_has_its_place() -> None:
    file = parsed("lint: error\n\nenvironments:\n  production:\n    lock-timeout: 2s\n")
    assert file.top.values == {"lint": Given("error", "lint", NAME, 1)}
    inside = file.environments["production"].values["lock-timeout"]
    assert inside == Given("2s", "lock-timeout", NAME, 5, "environments.production")
    assert (inside.origin, file.top.values["lint"].origin) == (
        "environments.production, db-migrate.yml:5",
        "db-migrate.yml:1",
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        pytest.param("off", "off", id="no-boolean-of-yaml-1.1"),
        pytest.param("010", "010", id="no-octal-number"),
        pytest.param("1_000", "1_000", id="no-number-with-a-line"),
        pytest.param("12:30:45", "12:30:45", id="no-number-to-the-base-of-sixty"),
        pytest.param("2026-12-18", "2026-12-18", id="no-date"),
        pytest.param("'off'", "off", id="single-quotes"),
        pytest.param('"5\\u0073"', "5s", id="double-quotes"),
        pytest.param("5s # a comment", "5s", id="comment"),
        pytest.param("|\n  5s\n", "5s\n", id="block"),
    ],
)
def test_a_value_is_the_text_that_was_written(text: str, value: str) -> None:
    assert parsed(f"lint: {text}").top.values["lint"].text == value


def test_several_values_may_be_a_list() -> None:
    file = parsed("lint-exclude: [ban-drop-column, 'ban-drop-table']\nfreeze-windows:\n- daily 09:00-16:00 UTC\n")
    assert file.top.values["lint-exclude"].text == "ban-drop-column\nban-drop-table"
    assert file.top.values["freeze-windows"].text == "daily 09:00-16:00 UTC"


def test_crlf_and_a_byte_order_mark_do_no_harm() -> None:
    assert parsed(b"\xef\xbb\xbflint: off\r\nhealth: off\r\n").top.values["health"] == Given("off", "health", NAME, 2)


def test_the_file_has_every_key_but_secrets_and_what_is_said_for_each_run() -> None:
    assert sorted(BY_NAME.keys() - set(KEYS)) == sorted(
        ["command", "database-url", "github-token", "confirmation", "approved-plan", "version", "to", "steps", "from",
         "from-table", "set-environment", "settle", "forget", "yes", "config-file", "json", "limit", "action", "result",
         "since"]
    )  # fmt: skip


# Which value counts

LAYERS = """\
lock-timeout: 4s
lint: off
environments:
  production:
    lock-timeout: 3s
    dry-run-mode: rehearse
"""


@pytest.mark.parametrize(
    ("flags", "inputs", "expected"),
    [
        pytest.param({"lock-timeout": "1s"}, PRODUCTION | {"lock_timeout": "2s"}, ("1s", "flag"), id="flag"),
        pytest.param({}, PRODUCTION | {"lock_timeout": "2s"}, ("2s", "input"), id="input"),
        pytest.param({}, PRODUCTION, ("3s", "environments.production, db-migrate.yml:5"), id="environment"),
        pytest.param({}, PRODUCTION | {"lock_timeout": ""}, ("3s", "environments.production, db-migrate.yml:5"),
                     id="an-empty-input-is-none"),
        pytest.param({}, {"environment": "staging"}, ("4s", "db-migrate.yml:1"), id="top"),
        pytest.param({}, {}, ("4s", "db-migrate.yml:1"), id="no-environment-given"),
    ],
)  # fmt: skip
def test_the_nearest_value_counts(flags: dict[str, str], inputs: dict[str, str], expected: tuple[str, str]) -> None:
    given = config(LAYERS, flags=flags, **inputs)  # type: ignore[arg-type]
    assert origin(given, "lock-timeout") == expected
    assert given.timing.lock_timeout == timedelta(seconds=int(expected[0][0]))
    assert given.lint.mode is LintMode.OFF


def test_without_the_file_defaults_count() -> None:
    assert origin(config(), "lock-timeout") == ("5s", "default")
    assert config().timing.lock_timeout == timedelta(seconds=5)


def test_a_variable_chooses_the_environment_before_the_file_does() -> None:
    text = "environment: staging\n" + LAYERS
    assert config(text).environment == "staging"
    assert origin(config(text), "environment") == ("staging", "db-migrate.yml:1")
    chosen = config(text, environ="NODE_ENV=production")
    assert origin(chosen, "environment") == ("production", "variable NODE_ENV")
    assert chosen.timing.lock_timeout == timedelta(seconds=3)
    assert config(text, environ="NODE_ENV=production", environment="qa").environment == "qa"


def test_what_an_environment_says_comes_before_its_own_default() -> None:
    assert config(LAYERS, environment="production").dry_run_mode is DryRunMode.REHEARSE
    assert config("dry-run-mode: preview", environment="production").dry_run_mode is DryRunMode.PREVIEW


@pytest.mark.parametrize(
    ("environment", "name", "expected"),
    [
        ("production", "review-delay", ("30s", "default of production")),
        ("production", "max-blocked-time", ("10s", "default of production")),
        ("production", "dry-run-mode", ("shadow", "default of production")),
        ("staging", "dry-run-mode", ("rehearse", "default of staging")),
        ("staging", "review-delay", ("0", "default")),
        ("development", "dry-run-mode", ("preview", "default")),
        ("production", "dry-run", ("false", "default")),
        ("production", "smoke-tests", ("not set", "default")),
    ],
)
def test_defaults_are_shown_as_they_are_in_the_environment(
    environment: str, name: str, expected: tuple[str, str]
) -> None:
    assert origin(config(environment=environment), name) == expected


def test_a_run_by_hand_shows_that_it_is_a_dry_run() -> None:
    assert origin(config(manual=True, environment="production"), "dry-run") == ("true", "default of a run by hand")
    by_file = config("environments: {production: {dry-run: false}}", manual=True, environment="production")
    assert not by_file.dry_run
    assert origin(by_file, "dry-run") == ("false", "environments.production, db-migrate.yml:1")


def test_secrets_are_hidden() -> None:
    given = config("shadow-database: postgres://me:s3cret@shadow:5433/x", github_token="t0ken")
    assert origin(given, "database-url") == ("db/app", "variable DATABASE_URL")
    assert origin(given, "shadow-database")[0] == "shadow:5433/x"
    assert origin(given, "github-token") == ("***", "input")
    assert "s3cret" not in repr(given)


def test_the_file_says_where_new_migrations_go() -> None:
    file = parsed("migrations-path: db\nversion-order: text\nlock-timeout: soon")
    assert load_folder(gather({}, {}), file) == (PurePosixPath("db"), VersionOrder.TEXT)
    assert load_folder(gather({"migrations-path": "x"}, {}), file)[0] == PurePosixPath("x")
    with pytest.raises(InputError, match=r"^db-migrate.yml:1: lnt: there is no key"):
        load_folder(gather({}, {}), parsed("lnt: off"))


# What is locked

LOCKED = """\
lint: error
locked: [lint, review-delay]
environments:
  production:
    health: error
    locked:
      - health
      - dry-run
"""


def test_a_locked_input_with_another_value_is_refused_with_both_places() -> None:
    (finding,) = problems(LOCKED, lint="off")
    assert str(finding) == (
        "db-migrate.yml:2: lint: is locked here, and the input lint gives another value than what db-migrate.yml:1 has"
    )
    assert finding.hint == "take it out there, or change db-migrate.yml, which is reviewed"


@pytest.mark.parametrize(
    ("flags", "environ", "told"),
    [({"lint": "off"}, "", "flag --lint"), ({}, "INPUT_LINT=off", "input lint")],
)
def test_says_who_gives_the_other_value(flags: dict[str, str], environ: str, told: str) -> None:
    (finding,) = problems(LOCKED, flags=flags, environ=environ)
    assert f"the {told} gives another value" in finding.message


def test_a_variable_does_not_loosen_a_lock_either() -> None:
    (finding,) = problems("environment: staging\nlocked: [environment]", environ="NODE_ENV=production")
    assert finding.message == (
        "environment: is locked here, and the variable NODE_ENV gives another value than what db-migrate.yml:1 has"
    )


@pytest.mark.parametrize(
    ("environment", "inputs", "refused"),
    [
        pytest.param("staging", {"lint": "error"}, False, id="the-same-value"),
        pytest.param("staging", {"lint": ""}, False, id="empty"),
        pytest.param("staging", {"review_delay": "0"}, False, id="the-default"),
        pytest.param("staging", {"review_delay": "0s"}, False, id="the-default-written-otherwise"),
        pytest.param("staging", {"review_delay": "1s"}, True, id="another-than-the-default"),
        pytest.param("production", {"review_delay": "0"}, True, id="another-than-production's-default"),
        pytest.param("production", {"review_delay": "30"}, False, id="production's-default"),
        pytest.param("staging", {"health": "off"}, False, id="locked-in-another-environment"),
        pytest.param("production", {"health": "off"}, True, id="locked-in-this-environment"),
        pytest.param("production", {"health": "error"}, False, id="the-value-of-this-environment"),
        pytest.param("production", {"lint": "warn"}, True, id="locked-at-the-top"),
        pytest.param("production", {"lock_timeout": "1h"}, False, id="not-locked"),
        pytest.param("production", {"dry_run": "false"}, False, id="a-flag's-default"),
        pytest.param("production", {"dry_run": "true"}, True, id="not-a-flag's-default"),
    ],
)
def test_a_lock_holds_where_it_is_said(environment: str, inputs: dict[str, str], refused: bool) -> None:
    if refused:
        (finding,) = problems(LOCKED, environment=environment, **inputs)  # type: ignore[arg-type]
        assert "is locked here" in finding.message
    else:
        config(LOCKED, environment=environment, **inputs)  # type: ignore[arg-type]


def test_a_lock_without_a_value_names_the_default() -> None:
    (finding,) = problems(LOCKED, review_delay="1s")
    assert finding.message.endswith("gives another value than its default, `0`")
    (finding,) = problems("locked: [freeze-windows]", freeze_windows="daily 09:00-10:00 UTC")
    assert finding.message.endswith("gives another value than its default, `not set`")


def test_a_form_cannot_make_a_run_by_hand_a_real_one_where_that_is_locked() -> None:
    (finding,) = problems(LOCKED, manual=True, environment="production", dry_run="false")
    assert finding.message == (
        "dry-run: is locked here, and the input dry-run gives another value than its default, `true`"
    )


def test_a_locked_window_cannot_be_left_out_by_another_one() -> None:
    text = "freeze-windows: closed daily 00:00-24:00 UTC\nlocked: [freeze-windows]"
    assert len(problems(text, freeze_windows="daily 00:00-24:00 UTC")) == 1
    assert config(text).freeze[0].closed


def test_an_unlocked_input_of_the_workflow_wins() -> None:
    assert config("health: error", health="off").health is HealthMode.OFF


# What is wrong


@pytest.mark.parametrize(
    ("text", "line", "message", "hint"),
    [
        pytest.param("lock_timeout: 5s", 1, "lock_timeout: there is no key of this name",
                     "did you mean `lock-timeout`?", id="underscore"),
        pytest.param("\nLint: off", 2, "Lint: there is no key of this name", "did you mean `lint`?", id="capital"),
        pytest.param("colour: red", 1, "colour: there is no key of this name", "see docs/configuration.md",
                     id="nothing-alike"),
        pytest.param("environment: staging\nstaging:\n  lint: off", 2, "staging: there is no key of this name",
                     "did you mean an environment? Put it below `environments:`", id="environment-at-the-top"),
        pytest.param("enviroments:\n  staging:\n    lint: off", 1, "enviroments: there is no key of this name",
                     "did you mean `environments`?", id="environments-misspelt"),
        pytest.param("environments:\n  staging:\n    lnt: off", 3, "lnt: there is no key of this name",
                     "did you mean `lint`?", id="key-in-an-environment"),
        pytest.param("environments:\n  staging:\n    environment: x", 3, "`environment` stands at the top level only",
                     "move it there", id="environment-in-an-environment"),
        pytest.param("lint: off\ndatabase-url: postgres://x", 2,
                     "`database-url` cannot stand in this file: a secret does not belong into a file of the repository",
                     "give it in the workflow, or on the command line", id="secret"),
        pytest.param("confirmation: MIGRATE-PRODUCTION", 1,
                     "`confirmation` cannot stand in this file: it is said anew for each run",
                     "give it in the workflow, or on the command line", id="confirmation"),
        pytest.param("config-file: x", 1, "`config-file` cannot stand in this file: it names the file itself",
                     "give it in the workflow, or on the command line", id="config-file"),
        pytest.param("lint: off\n\tlock-timeout: 5s", 2, "the file is not YAML: a tab, where YAML only takes blanks",
                     "indent with blanks", id="tab"),
        pytest.param("lint: off: on", 1, "the file is not YAML: mapping values are not allowed here",
                     "a key, a colon, a blank and the value: `lock-timeout: 5s`; quote a value with signs in it",
                     id="two-colons"),
        pytest.param("lint: [off", 1, "the file is not YAML: expected ',' or ']', but got '<stream end>'",
                     "a key, a colon, a blank and the value: `lock-timeout: 5s`; quote a value with signs in it",
                     id="open-bracket"),
        pytest.param("lint: off\nhealth: off\nlint: warn", 3, "`lint` stands here for the second time",
                     "keep this one, or that of line 1", id="twice"),
        pytest.param("environments:\n  qa: {lint: off}\n  qa: {}", 3, "`qa` stands here for the second time",
                     "keep this one, or that of line 2", id="environment-twice"),
        pytest.param("lint: off\n---\nlint: on", 2, "a second document begins here",
                     "keep one; `---` stands between two", id="two-documents"),
        pytest.param("- lint: off", 1, "the file: keys with values are wanted here",
                     "such as `lock-timeout: 5s`, one a line", id="a-list"),
        pytest.param("lint off", 1, "the file: keys with values are wanted here",
                     "such as `lock-timeout: 5s`, one a line", id="a-word"),
        pytest.param("environments: [staging]", 1, "environments: keys with values are wanted here",
                     "such as `lock-timeout: 5s`, one a line", id="environments-are-a-list"),
        pytest.param("environments:\n  staging: lint", 2, "`staging`: keys with values are wanted here",
                     "such as `lock-timeout: 5s`, one a line", id="environment-is-a-word"),
        pytest.param("lock-timeout: [5s]", 1, "lock-timeout: text is wanted here", "such as `lock-timeout: 5s`",
                     id="a-list-where-text-is-wanted"),
        pytest.param("lint: {mode: off}", 1, "lint: text is wanted here", "such as `lint: warn`", id="keys-for-text"),
        pytest.param("lint-exclude:\n- [a]", 2, "lint-exclude: text, or a list of texts, is wanted here",
                     "such as `lint-exclude: …`", id="a-list-in-a-list"),
        pytest.param("lint-exclude: []", 1, "`lint-exclude` has no value", "give it one, or take the key out",
                     id="an-empty-list"),
        pytest.param("health: off\nlint:\n", 2, "`lint` has no value", "give it one, or take the key out",
                     id="no-value"),
        pytest.param("lint: ~", 1, "`lint` has no value", "give it one, or take the key out", id="null"),
        pytest.param("lint: ''", 1, "`lint` has no value", "give it one, or take the key out", id="empty-text"),
        pytest.param("environments:\n  staging:", 2, "`staging` has no value", "give it one, or take the key out",
                     id="environment-without-values"),
        pytest.param("lint: &x off\nhealth: off", 1, "`&x`: anchors are not read",
                     "write the value out, as plain text", id="anchor"),
        pytest.param("lint: *x", 1, "`*x`: aliases are not read", "write the value out, as plain text", id="alias"),
        pytest.param("environments:\n  qa:\n    <<: {lint: off}", 3, "`<<`: merge keys are not read",
                     "write the keys out", id="merge-key"),
        pytest.param("lint: !!python/object/apply:os.system [ls]", 1,
                     "`tag:yaml.org,2002:python/object/apply:os.system`: tags are not read",
                     "write the value out, as plain text", id="tag"),
        pytest.param("lock-timeout: ${{ inputs.timeout }}", 1,
                     "lock-timeout: expressions are not evaluated in this file",
                     "GitHub evaluates them in workflows only: give this input there", id="expression"),
        pytest.param("? [a, b]\n: off", 1, "a key is plain text", "such as `lock-timeout: 5s`", id="a-list-as-key"),
        pytest.param("lint: off\nhealth: a\x07b", 2, "a character that YAML does not allow",
                     "take it out; is this a text file at all?", id="control-character"),
        pytest.param(b"lint: off\nhealth: \xff", 2, "the file is not UTF-8", "save it as UTF-8", id="latin-1"),
        pytest.param("lint: off\n".encode("utf-16"), 1, "the file is not UTF-8", "save it as UTF-8", id="utf-16"),
        pytest.param(b"#" * (LARGEST + 1), None, "the file is larger than 256 KiB", "is this the right file?",
                     id="large"),
        pytest.param("lint: " + "[" * 100_000, 1, "too many lists or mappings in each other",
                     "inputs have text, or a list of texts", id="deep"),
        pytest.param("locked: lint", 1, "locked: a list of inputs is wanted here", "such as `locked: [lint, health]`",
                     id="locked-is-a-word"),
        pytest.param("locked:\n- lint\n- helth", 3, "locked: there is no input `helth`", "did you mean `health`?",
                     id="locked-misspelt"),
        pytest.param("locked: [confirmation]", 1,
                     "locked: `confirmation` cannot be locked, as it cannot stand here itself", "take it out",
                     id="locked-what-is-not-in-the-file"),
        pytest.param("environments:\n  qa:\n    locked: [environment]", 3,
                     "locked: `environment` cannot be locked, as it cannot stand here itself", "take it out",
                     id="locked-environment-in-an-environment"),
        pytest.param("environments:\n  prod: {lint: off}", 2,
                     "environments: `prod` is almost `production`, and would pass by its gates", "write `production`",
                     id="nearly-production"),
        pytest.param("environments:\n  Staging: {lint: off}", 2,
                     "environments: `Staging` is not the name of an environment",
                     "lower-case letters, digits, - and _", id="no-name"),
        pytest.param("environment: Production", 1,
                     "environment: `Production` is almost `production`, and would pass by its gates",
                     "write `production`", id="nearly-production-at-the-top"),
        pytest.param("health: warn\nlint: yes", 2, "lint: `yes` is not one of off, warn, error",
                     "write one of them, such as `off`", id="word"),
        pytest.param("verbose: yes", 1, "verbose: `yes` is neither true nor false", "write true or false",
                     id="boolean"),
        pytest.param("lock-timeout: 5 minutes", 1, "lock-timeout: `5 minutes` is not a duration",
                     "write it like 250ms, 30s, 5min or 1h; a number alone means seconds", id="duration"),
        pytest.param("lock-retries: 1_0", 1, "lock-retries: `1_0` is not a whole number from 0 to 100",
                     "write it in digits, without a unit",
                     id="number"),
        pytest.param("lint: off\nlint-exclude: [ban-drop-colum]", 2, "lint-exclude: there is no rule `ban-drop-colum`",
                     "did you mean `ban-drop-column`?", id="rule"),
        pytest.param("smoke-tests: ../x.sql", 1,
                     "smoke-tests: `../x.sql` is not a pattern of SQL files in the checkout",
                     "such as smoke-tests/*.sql", id="pattern"),
    ],
)  # fmt: skip
def test_says_what_is_wrong_where_and_what_to_write(
    text: str | bytes, line: int | None, message: str, hint: str
) -> None:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(InputError) as caught:
        load(gather({"command": "check"}, {}), {}, manual=False, file=parse_config_file(data, NAME))
    (finding,) = caught.value.findings
    assert (finding.path, finding.line, finding.message, finding.hint) == (NAME, line, message, hint)


def test_a_window_that_is_none_is_told_where_it_stands() -> None:
    (finding,) = problems("lint: off\nfreeze-windows:\n- daily 09:00-16:00 UTC\n- Mon-Thu 09:00-16:00 Europe/Berln\n")
    assert str(finding).startswith("db-migrate.yml:2: freeze-windows: `Europe/Berln`")


def test_everything_is_told_at_once_file_and_inputs() -> None:
    found = problems(
        "lint: strict\nhealht: off\nlock-timeout: soon\nlocked: [lnt]\n"
        "environments:\n  qa:\n    lock-timeout: 5y\n  prod:\n    lint: [off]\n",
        dry_run="yes",
    )
    assert sorted(str(finding).split(": ", 2)[:2] for finding in found) == [
        ["db-migrate.yml:1", "lint"],
        ["db-migrate.yml:2", "healht"],
        ["db-migrate.yml:3", "lock-timeout"],
        ["db-migrate.yml:4", "locked"],
        ["db-migrate.yml:7", "lock-timeout"],
        ["db-migrate.yml:8", "environments"],
        ["db-migrate.yml:9", "lint"],
        ["dry-run", "`yes` is neither true nor false"],
    ]


def test_a_slip_shows_where_it_is_not_used() -> None:
    text = "lock-timeout: soon\nenvironments:\n  production:\n    lint: strict\n"
    found = problems(text, environment="staging", lock_timeout="1s")
    assert [finding.line for finding in found] == [1, 4]


def test_no_shadow_is_for_check_in_the_file_too() -> None:
    (finding,) = problems("\nshadow-database: off")
    assert str(finding) == "db-migrate.yml:2: shadow-database: `off` is for `check`"
    load(gather({"command": "check"}, {}), {}, manual=False, file=parsed("shadow-database: off"))


# Where the file is


def read(checkout: Path, name: str | None = None) -> FileValues:
    return read_config_file(checkout, Given(name, "config-file") if name is not None else None)


def refused(checkout: Path, name: str | None = None) -> str:
    (finding,) = read(checkout, name).problems
    return str(finding)


@pytest.mark.parametrize("name", [None, "db-migrate.yml"], ids=["not-given", "the-default-of-the-action"])
def test_the_default_file_need_not_be_there(tmp_path: Path, name: str | None) -> None:
    assert read(tmp_path, name) == FileValues()


def test_reads_the_default_file_or_another_one(tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db-migrate.yml").write_text("lint: off")
    (tmp_path / "db" / "x.yaml").write_text("lint: error")
    assert read(tmp_path).top.values["lint"].origin == "db-migrate.yml:1"
    assert read(tmp_path, "db/x.yaml\n").top.values["lint"].origin == "db/x.yaml:1"
    assert read(tmp_path, str(tmp_path / "db" / "x.yaml")).top.values["lint"].origin == "db/x.yaml:1"


def test_a_file_that_was_named_must_be_there(tmp_path: Path) -> None:
    assert refused(tmp_path, "x.yml") == "config-file: `x.yml` cannot be read: No such file or directory"
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path, "folder") == "config-file: `folder` is not a file"
    assert "cannot be read" in refused(tmp_path, "x" * 1000)
    assert "cannot be read" in refused(tmp_path, "a\0b")
    assert refused(tmp_path, "a\udcff") == "config-file: it is not UTF-8"


def test_a_file_outside_of_the_checkout_is_refused(tmp_path: Path) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    outside = tmp_path / "outside.yml"
    outside.write_text("lint: off")
    (checkout / "db-migrate.yml").symlink_to(outside)
    for name in ("../outside.yml", str(outside), None):
        assert refused(checkout, name).endswith("leads out of the checkout")


def test_a_link_may_lead_to_a_file_of_the_checkout_and_not_nowhere(tmp_path: Path) -> None:
    (tmp_path / "real.yml").write_text("lint: off")
    link = tmp_path / "db-migrate.yml"
    link.symlink_to("real.yml")
    assert read(tmp_path).top.values["lint"].origin == "db-migrate.yml:1"
    link.unlink()
    link.symlink_to("gone.yml")
    assert "cannot be read: No such file" in refused(tmp_path)
    link.unlink()
    link.symlink_to("db-migrate.yml")
    assert "leads to itself" in refused(tmp_path) or "symbolic links" in refused(tmp_path)


def test_the_other_spelling_of_the_name_is_told_instead_of_passed_over(tmp_path: Path) -> None:
    (tmp_path / "db-migrate.yaml").write_text("lint: off")
    (finding,) = read(tmp_path).problems
    assert str(finding) == "db-migrate.yaml: a file of this name is not read"
    assert finding.hint == "rename it to db-migrate.yml, or name it with `config-file`"
    assert read(tmp_path, "db-migrate.yaml").problems == ()
