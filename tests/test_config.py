"""Raw values into a Config, or into everything that is wrong with them."""

from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.config import ApprovedPlan, Config, load, load_folder
from runner.core.model import DryRunMode
from runner.core.naming import VersionOrder
from runner.core.policies import LintMode, LintPolicy, ParsePolicy, RetryPolicy, WatchPolicy
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.errors import Finding, InputError
from runner.inputs import gather, unknown

URL = "postgres://u:p@db/app"


def config(*, manual: bool = False, flags: dict[str, str] | None = None, environ: str = "", **inputs: str) -> Config:
    """As the action would be given these inputs; `environ` is more of the environment: `A=1 B=2`."""
    variables = {f"INPUT_{name.upper().replace('_', '-')}": value for name, value in inputs.items()}
    variables |= {"DATABASE_URL": URL} | dict(pair.split("=") for pair in environ.split())
    return load(gather(flags or {}, variables), variables, manual=manual, problems=unknown(variables))


def problems(
    *, manual: bool = False, flags: dict[str, str] | None = None, environ: str = "", **inputs: str
) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        config(manual=manual, flags=flags, environ=environ, **inputs)
    return caught.value.findings


def test_the_defaults() -> None:
    defaults = config()
    assert defaults.command == "migrate"
    assert defaults.database.value == URL
    assert defaults.environment == "development"
    assert defaults.migrations_path == PurePosixPath("migrations")
    assert defaults.tracking_schema == "public"
    assert (defaults.plan.version, defaults.plan.version_order) == (None, VersionOrder.AUTO)
    assert not any([defaults.plan.allow_out_of_order, defaults.dry_run, defaults.verbose])
    assert defaults.parse == ParsePolicy(tracking_schema="public", own_transactions=False)
    assert defaults.lint == LintPolicy(mode=LintMode.WARN, exclude=frozenset())
    assert defaults.shadow == ShadowChoice(provider=Provider.AUTO)
    assert (defaults.dry_run_mode, defaults.approved) == (DryRunMode.PREVIEW, None)
    assert defaults.github_token == ""
    assert (defaults.timing.lock_wait, defaults.timing.lock_timeout) == (timedelta(seconds=60), timedelta(seconds=5))
    assert defaults.timing.statement_timeout == timedelta()
    assert (defaults.release, defaults.retry) == (False, RetryPolicy(retries=10))
    assert defaults.watch == WatchPolicy(sessions=50, time=timedelta())


def test_every_value_arrives() -> None:
    given = config(
        command="status",
        database_url="postgres://other",
        environment="staging",
        migrations_path="db/migrate",
        version="03",
        dry_run="true",
        review_delay="5m",
        tracking_schema="db_migrate",
        lock_wait="10s",
        lock_timeout="250ms",
        statement_timeout="1h",
        transaction="release",
        lock_retries="3",
        max_blocked_sessions="7",
        max_blocked_time="2s",
        version_order="text",
        out_of_order="allow",
        own_transactions="honour",
        lint="error",
        lint_exclude="ban-drop-column,\n several-exclusive-locks,",
        github_token=" t0ken\n",
        verbose="true",
    )
    assert (given.command, given.database.value, given.environment) == ("status", "postgres://other", "staging")
    assert (str(given.migrations_path), given.tracking_schema) == ("db/migrate", "db_migrate")
    assert (given.plan.version, given.plan.version_order) == ("03", VersionOrder.TEXT)
    assert given.plan.allow_out_of_order
    assert given.parse == ParsePolicy(tracking_schema="db_migrate", own_transactions=True)
    assert given.lint == LintPolicy(
        mode=LintMode.ERROR, exclude=frozenset({"ban-drop-column", "several-exclusive-locks"})
    )
    assert given.github_token == "t0ken"
    assert given.dry_run
    assert given.verbose
    assert (given.timing.review_delay, given.timing.lock_wait) == (timedelta(minutes=5), timedelta(seconds=10))
    assert given.timing.lock_timeout == timedelta(milliseconds=250)
    assert given.timing.statement_timeout == timedelta(hours=1)
    assert (given.release, given.retry) == (True, RetryPolicy(retries=3))
    assert given.watch == WatchPolicy(sessions=7, time=timedelta(seconds=2))


def test_empty_values_are_as_if_not_given() -> None:
    assert config(version="", dry_run="", review_delay="", environment="", verbose="") == config()


def test_blanks_around_a_value_are_ignored() -> None:
    assert config(database_url=f"  {URL}\n").database.value == URL
    assert config(environment=" production\n").environment == "production"
    assert config(version="03\n", lock_wait=" 5s ", out_of_order="allow ").plan.version == "03"


def test_a_flag_wins_over_an_input_and_an_input_over_a_variable() -> None:
    assert config(flags={"environment": "one"}, environment="two", environ="NODE_ENV=three").environment == "one"
    assert config(environment="two", environ="NODE_ENV=three").environment == "two"
    assert config(environ="NODE_ENV=three").environment == "three"


def test_no_secret_is_printed_with_the_config() -> None:
    printed = repr(config(github_token="t0ken"))
    assert "u:p" not in printed
    assert "t0ken" not in printed


# Where `check` proves the files


@pytest.mark.parametrize(
    ("inputs", "provider", "url"),
    [
        pytest.param({}, Provider.AUTO, "", id="by-default"),
        pytest.param({"shadow_database": "auto"}, Provider.AUTO, "", id="auto"),
        pytest.param({"shadow_database": "embedded"}, Provider.EMBEDDED, "", id="embedded"),
        pytest.param({"shadow_database": "postgres://shadow"}, Provider.URL, "postgres://shadow", id="shadow"),
        pytest.param({"database_url": "postgres://given"}, Provider.URL, "postgres://given", id="database-url"),
        pytest.param(
            {"flags": {"database-url": "postgres://given"}}, Provider.URL, "postgres://given", id="database-url-flag"
        ),
        pytest.param(
            {"shadow_database": "postgres://shadow", "database_url": "postgres://given"},
            Provider.URL,
            "postgres://shadow",
            id="shadow-before-database-url",
        ),
        pytest.param({"shadow_database": " off\n"}, Provider.OFF, "", id="off"),
        pytest.param({"shadow_database": "off", "database_url": "postgres://given"}, Provider.OFF, "", id="off-both"),
    ],
)
def test_check_never_proves_the_files_in_the_database_of_the_environment(
    inputs: dict[str, str], provider: Provider, url: str
) -> None:
    given = config(command="check", **inputs)  # type: ignore[arg-type]
    assert given.shadow.provider is provider
    assert (given.shadow.url.value if given.shadow.url else "") == url
    assert given.database.value == "embedded"


def test_check_needs_no_url() -> None:
    given = load(gather({"command": "check"}, {}), {}, manual=False)
    assert given.shadow.provider is Provider.AUTO


def test_the_shadow_of_a_run_is_not_its_database() -> None:
    given = config(shadow_database="postgres://shadow")
    assert given.database.value == URL
    assert given.shadow.url is not None
    assert given.shadow.url.value == "postgres://shadow"


def test_a_container_is_named_by_its_image() -> None:
    given = config(shadow_database="docker://ghcr.io:443/acme/postgis:17-3.5").shadow
    assert (given.provider, given.image) == (Provider.DOCKER, "ghcr.io:443/acme/postgis:17-3.5")


@pytest.mark.parametrize("image", ["", "Postgres", "postgres:17 --privileged", "-v", "a@sha256:1"])
def test_what_is_no_image_is_a_problem(image: str) -> None:
    (finding,) = problems(shadow_database=f"docker://{image}")
    assert "is not the name of an image" in finding.message


def test_a_run_cannot_do_without_a_shadow() -> None:
    (finding,) = problems(shadow_database="off")
    assert finding.message == "shadow-database: `off` is for `check`"


@pytest.mark.parametrize(
    ("environment", "mode"),
    [
        ("development", DryRunMode.PREVIEW),
        ("staging", DryRunMode.REHEARSE),
        ("production", DryRunMode.SHADOW),
        ("qa", DryRunMode.PREVIEW),
    ],
)
def test_the_environment_says_how_a_plan_is_tried(environment: str, mode: DryRunMode) -> None:
    assert config(environment=environment).dry_run_mode is mode
    assert config(environment=environment, dry_run_mode="preview").dry_run_mode is DryRunMode.PREVIEW


DIGEST = "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("text", "approved"),
    [
        ("none", None),
        (DIGEST, ApprovedPlan(digest=DIGEST)),
        (f" {DIGEST}  plan.json\n", ApprovedPlan(digest=DIGEST, path=PurePosixPath("plan.json"))),
    ],
)
def test_an_approval_is_a_digest_a_file_or_both(text: str, approved: ApprovedPlan | None) -> None:
    assert config(approved_plan=text).approved == approved


def test_an_empty_approval_is_a_problem_as_it_would_switch_the_gate_off() -> None:
    (finding,) = problems(approved_plan="")
    assert finding.message == "approved-plan: it is empty"


def test_what_changes_a_plan_is_kept_as_it_was_given() -> None:
    settings = config(lock_timeout="10s").settings
    assert (settings["lock-timeout"], settings["transaction"]) == ("10s", "migration")
    assert "confirmation" not in settings


def test_a_plan_does_not_keep_the_password_of_the_shadow() -> None:
    given = config(shadow_database="postgres://me:s3cret@shadow:5433/x")
    assert given.settings["shadow-database"] == "shadow:5433/x"
    assert "s3cret" not in repr(given)


def test_a_malformed_shadow_is_a_problem() -> None:
    (finding,) = problems(command="check", shadow_database="of")
    assert finding.message.startswith("shadow-database: the connection URL is malformed: ")


# The folder alone


def test_the_folder_and_its_order_can_be_read_alone() -> None:
    assert load_folder(gather({}, {})) == (PurePosixPath("migrations"), VersionOrder.AUTO)
    given = gather({"migrations-path": "db", "version-order": "text"}, {"INPUT_LOCK-TIMEOUT": "soon"})
    assert load_folder(given) == (PurePosixPath("db"), VersionOrder.TEXT)


def test_what_is_wrong_with_the_folder_is_told_alone() -> None:
    with pytest.raises(InputError, match=r"^--version-order: `natural` is not one of auto, numeric, text$"):
        load_folder(gather({"version-order": "natural"}, {}))


# What is wrong


def test_everything_that_is_wrong_is_told_at_once_with_its_source() -> None:
    found = problems(
        flags={"lock-wait": "soon"},
        environ="NODE_ENV=Prod INPUT_DRYRUN=true",
        database_url="mysql://x",
        dry_run="yes",
        version="v3",
        version_order="natural",
        out_of_order="maybe",
        own_transactions="true",
        lint="yes",
        lint_exclude="nothing",
        command="migrat",
        tracking_schema="pg_ledger",
        verbose="1",
        statement_timeout="-1",
        review_delay="x",
        lock_timeout="y",
        lock_retries="101",
        max_blocked_sessions="many",
        max_blocked_time="long",
        transaction="all",
    )
    assert sorted(str(finding).split(":")[0] for finding in found) == [
        "--lock-wait",
        "NODE_ENV",
        "command",
        "database-url",
        "dry-run",
        "dryrun",
        "lint",
        "lint-exclude",
        "lock-retries",
        "lock-timeout",
        "max-blocked-sessions",
        "max-blocked-time",
        "out-of-order",
        "own-transactions",
        "review-delay",
        "statement-timeout",
        "tracking-schema",
        "transaction",
        "verbose",
        "version",
        "version-order",
    ]


@pytest.mark.parametrize(
    ("inputs", "message", "hint"),
    [
        pytest.param(
            {"command": "up"},
            "command: `up` is not one of migrate, check, verify, status, history, rollback, baseline, adopt, repair, "
            "config",
            "write one of them, such as `migrate`",
            id="command",
        ),
        pytest.param(
            {"dry_run": "yes"}, "dry-run: `yes` is neither true nor false", "write true or false", id="boolean"
        ),
        pytest.param(
            {"version": "v3"},
            "version: `v3` is not the version of a migration",
            'the digits of its file name, quoted: "03"',
            id="version",
        ),
        pytest.param(
            {"lock_timeout": "5 minutes"},
            "lock-timeout: `5 minutes` is not a duration",
            "write it like 250ms, 30s, 5min or 1h; a number alone means seconds",
            id="duration",
        ),
        pytest.param(
            {"lock_retries": "101"},
            "lock-retries: `101` is not a whole number from 0 to 100",
            "write it in digits, without a unit",
            id="whole-number",
        ),
        pytest.param(
            {"transaction": "all"},
            "transaction: `all` is not one of migration, release",
            "write one of them, such as `migration`",
            id="transaction",
        ),
        pytest.param(
            {"tracking_schema": "pg_x"},
            "tracking-schema: `pg_x` cannot be the name of a schema",
            "at most 63 bytes, not beginning with pg_",
            id="schema-of-the-server",
        ),
        pytest.param(
            {"environment": "Staging"},
            "environment: `Staging` is not the name of an environment",
            "lower-case letters, digits, - and _",
            id="environment",
        ),
        pytest.param(
            {"version_order": "natural"},
            "version-order: `natural` is not one of auto, numeric, text",
            "write one of them, such as `auto`",
            id="order",
        ),
        pytest.param(
            {"out_of_order": "true"},
            "out-of-order: `true` is not one of refuse, allow",
            "write one of them, such as `refuse`",
            id="out-of-order",
        ),
        pytest.param(
            {"own_transactions": "yes"},
            "own-transactions: `yes` is not one of refuse, honour",
            "write one of them, such as `refuse`",
            id="own-transactions",
        ),
        pytest.param(
            {"lint": "strict"},
            "lint: `strict` is not one of off, warn, error",
            "write one of them, such as `off`",
            id="lint",
        ),
        pytest.param(
            {"lint_exclude": "ban-drop-column, ban_drop_tabel"},
            "lint-exclude: there is no rule `ban_drop_tabel`",
            "did you mean `ban-drop-table`?",
            id="lint-exclude",
        ),
        pytest.param(
            {"lint_exclude": "X"},
            "lint-exclude: there is no rule `X`",
            "the names stand beside the findings, and in docs/lint.md",
            id="lint-exclude-of-nothing-alike",
        ),
        pytest.param(
            {"environ": "INPUT_DRYRUN=true"},
            "dryrun: there is no input of this name",
            "did you mean `dry-run`?",
            id="unknown",
        ),
    ],
)
def test_says_what_is_wrong_and_what_to_write(inputs: dict[str, str], message: str, hint: str) -> None:
    (finding,) = problems(**inputs)  # type: ignore[arg-type]
    assert (finding.message, finding.hint) == (message, hint)


@pytest.mark.parametrize("version", ["-1", "1.5", "1e3", "٣", "latest", "03_x"])
def test_a_version_is_digits(version: str) -> None:
    assert len(problems(version=version)) == 1


def test_a_version_is_not_longer_than_a_file_name() -> None:
    assert len(problems(version="1" * 5000)) == 1


@pytest.mark.parametrize("schema", ["s" * 64, "ü" * 32, "pg_catalog"])
def test_a_schema_name_is_one_that_the_server_takes(schema: str) -> None:
    assert len(problems(tracking_schema=schema)) == 1


@pytest.mark.parametrize("schema", ["db_migrate", "My Ledger", 'a"b', "ü", "s" * 63])
def test_a_schema_may_have_an_odd_name(schema: str) -> None:
    assert config(tracking_schema=schema).tracking_schema == schema


def test_a_missing_url_is_a_problem_like_any_other() -> None:
    with pytest.raises(InputError) as caught:
        load(gather({}, {"INPUT_DRY-RUN": "x"}), {}, manual=False)
    assert sorted(finding.message.split(":")[0] for finding in caught.value.findings) == ["database-url", "dry-run"]
    missing = next(finding for finding in caught.value.findings if "database-url" in finding.message)
    assert missing.message == "database-url: is missing"
    assert missing.hint == "give it from a secret, as in `database-url: ${{ secrets.DATABASE_URL }}`"


def test_a_malformed_url_is_not_repeated() -> None:
    (finding,) = problems(database_url="postgres://user:tr0ub4dor@3@db/app")
    assert finding.message.startswith("database-url: the connection URL is malformed: ")
    assert not [part for part in ("tr0ub4dor", "user:", "@3") if part in finding.message + finding.hint]


def test_a_malformed_url_in_the_variable_names_the_variable() -> None:
    (finding,) = problems(environ="DATABASE_URL=mysql://db")
    assert finding.message.startswith("DATABASE_URL: the connection URL is malformed")


@pytest.mark.parametrize("text", ["-1", "+1", "1.0", "1e1", "ten", "101", "9" * 5000, "٣"])
def test_refuses_what_is_no_whole_number_in_the_range(text: str) -> None:
    assert len(problems(lock_retries=text)) == 1


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("100", 100), (" 7\n", 7), ("007", 7)])
def test_reads_whole_numbers(text: str, number: int) -> None:
    assert config(lock_retries=text).retry.retries == config(max_blocked_sessions=text).watch.sessions == number


# Booleans, as YAML 1.2 has them


@pytest.mark.parametrize(
    ("text", "value"),
    [(text, True) for text in ("true", "True", "TRUE", " true\n")]
    + [(text, False) for text in ("false", "False", "FALSE")],
)
def test_reads_booleans(text: str, value: bool) -> None:
    assert config(dry_run=text).dry_run is config(verbose=text).verbose is value


@pytest.mark.parametrize("text", ["yes", "no", "on", "off", "1", "0", "tRUE", "y", "null"])
def test_refuses_what_only_looks_like_a_boolean(text: str) -> None:
    (finding,) = problems(dry_run=text)
    assert finding.message == f"dry-run: `{text}` is neither true nor false"


def test_step_debugging_is_verbose() -> None:
    assert config(environ="RUNNER_DEBUG=1").verbose
    assert not config(environ="RUNNER_DEBUG=0").verbose


# Production


@pytest.mark.parametrize(
    "name",
    [
        "Production",
        "PRODUCTION",
        "ProDuction",
        "prod",
        "Prod",
        "prd",
        "live",
        "produktion",
        "productive",
        "productoin",
        "prod-eu",
        "production2",
    ],
)
def test_a_near_miss_of_production_is_refused_as_it_would_pass_its_gates(name: str) -> None:
    (finding,) = problems(environment=name)
    assert finding.message == f"environment: `{name}` is almost `production`, and would pass by its gates"
    assert finding.hint == "write `production`"


@pytest.mark.parametrize("name", ["production", "pre-production", "preproduction", "preprod", "staging", "qa2", "e"])
def test_an_environment_may_have_a_name_of_its_own(name: str) -> None:
    assert config(environment=name).environment == name


@pytest.mark.parametrize("name", ["2nd", "-x", "a b", "ä", "x" * 64, "a/b", "a\nb"])
def test_an_environment_has_a_plain_name(name: str) -> None:
    assert len(problems(environment=name)) == 1


def test_production_has_a_review_window_unless_told_otherwise() -> None:
    assert config(environment="production").timing.review_delay == timedelta(seconds=30)
    assert config(environment="production", review_delay="0").timing.review_delay == timedelta()
    assert config(environment="staging").timing.review_delay == timedelta()
    assert config(environment="staging", review_delay="10s").timing.review_delay == timedelta(seconds=10)


def test_in_production_nobody_waits_long_behind_a_migration_unless_told_otherwise() -> None:
    assert config(environment="production").watch.time == timedelta(seconds=10)
    assert config(environment="production", max_blocked_time="0").watch.time == timedelta()
    assert config(environment="staging").watch.time == timedelta()
    assert config(environment="staging", max_blocked_time="1m").watch.time == timedelta(minutes=1)


def test_a_run_by_hand_in_production_is_a_dry_run_and_says_why() -> None:
    given = config(environment="production", manual=True)
    assert given.dry_run
    assert given.dry_run_reason == "a run started by hand in production is a dry run unless `dry-run: false`"


@pytest.mark.parametrize(
    ("inputs", "dry_run"),
    [
        pytest.param({"environment": "production", "manual": True, "dry_run": "false"}, False, id="told-not-to-be"),
        pytest.param({"environment": "production", "manual": True, "dry_run": "true"}, True, id="asked-for"),
        pytest.param({"environment": "production", "manual": False}, False, id="by-an-event"),
        pytest.param({"environment": "staging", "manual": True}, False, id="elsewhere"),
    ],
)
def test_otherwise_a_run_is_what_was_asked_for(inputs: dict[str, str], dry_run: bool) -> None:
    given = config(**inputs)  # type: ignore[arg-type]
    assert (given.dry_run, given.dry_run_reason) == (dry_run, "")


def test_the_confirmation_arrives_to_the_letter() -> None:
    given = config(
        environment="production", confirmation=" x\n", environ="CONFIRM_PRODUCTION_MIGRATION=true", manual=True
    )
    policy = given.confirmation
    assert (policy.environment, policy.confirmation, policy.variable, policy.manual) == (
        "production",
        " x\n",
        "true",
        True,
    )
