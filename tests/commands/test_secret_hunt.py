"""A password, in whatever form it is given and whoever quotes it, shows in no place at all."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from runner.postgres.session import connect
from runner.resources import PACKAGE
from tests.commands.hunting import FIRST, Action, Secret, Step, action_in, processes
from tests.commands.processes import wait_until
from tests.conftest import SCRAM_ROLE, Database
from tests.faults.proxy import proxy_to
from tests.github_api import REPOSITORY, TOKEN, Answer, github_server

SECRETS = {
    "percent": Secret("%"),
    "looks-encoded": Secret("%41%2f"),
    "single-quote": Secret("'"),
    "double-quote": Secret('"'),
    "backtick": Secret("`"),
    "newline": Secret("\n"),
    "carriage-return": Secret("\r\n"),
    "workflow-command": Secret("::error::"),
    "blanks": Secret("  "),
    "tab": Secret("\t"),
    "backslash": Secret("\\"),
    "dollar": Secret("$$1"),
    "not-ascii": Secret("ü😀"),
    "markup": Secret("<b>&"),
    "bar": Secret("|"),
    "emphasis": Secret("*_~"),
    "mention": Secret("@"),
    "slashes": Secret("/?#"),
    "everything": Secret(" %25'\"`\\::|<&>$*_@#[x](y)/? "),
}


@pytest.fixture
def version() -> int:
    return 18


@pytest.fixture
def action(database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Action:
    return action_in(tmp_path, database, capfd)


@dataclass(frozen=True)
class Case:
    """A run that somebody makes quote the password. In its files LITERAL, NAME and TEXT stand for it."""

    files: Mapping[str, str]
    inputs: Mapping[str, str] = field(default_factory=dict)
    exit_code: int = 1
    environ: Mapping[str, str] = field(default_factory=dict)
    before: Mapping[str, str] = field(default_factory=dict)  # files that are applied first
    one_line: bool = False  # a password of several lines would be another SQL

    def files_with(self, secret: Secret, files: Mapping[str, str]) -> dict[str, str]:
        words = {"LITERAL": secret.literal, "NAME": secret.name, "TEXT": secret.text, "ADDRESS": secret.address}
        return {name: _replaced(text, words) for name, text in files.items()}


def _replaced(text: str, words: Mapping[str, str]) -> str:
    for word, value in words.items():
        text = text.replace(word, value)
    return text


RAISE = """
CREATE TABLE a (id int);
DO $body$
BEGIN
    RAISE EXCEPTION '%', 'no login with ' || LITERAL
        USING DETAIL = 'it was ' || LITERAL, HINT = 'not ' || LITERAL;
END $body$;
"""
FAR = f"/* {'x' * 120} */ "  # so far to the right that a frame is cut off within the password
REHEARSE = {"dry_run": "true", "dry_run_mode": "rehearse"}
CASES = {
    "raise": Case({"01_a.sql": RAISE}),
    "raise-in-a-rehearsal": Case({"01_a.sql": RAISE}, REHEARSE),
    "raise-in-a-release": Case({"01_a.sql": RAISE}, {"transaction": "release"}),
    "wrong-value": Case({"01_a.sql": "SELECT LITERAL::int;"}),
    "failing-row": Case(
        {"01_a.sql": "CREATE TABLE a (t text CHECK (length(t) < 3));\nINSERT INTO a VALUES (LITERAL);"}
    ),
    "duplicate-key": Case(
        {"01_a.sql": "CREATE TABLE a (t text PRIMARY KEY);\n" + 2 * "INSERT INTO a VALUES (LITERAL);\n"}
    ),
    "beside-the-error": Case({"01_a.sql": "CREATE ROLE hunted PASSWORD LITERAL;\nSELECT 1 / 0; SELECT LITERAL;"}),
    "syntax-error": Case({"01_a.sql": "SELECT LITERAL; CREATE TABEL a ();"}, exit_code=2),
    "refused-file": Case({"01_a.sql": "SELECT LITERAL;\nCOMMIT;\nSELECT LITERAL;"}, exit_code=2),
    "cut-off-in-the-frame": Case({"01_a.sql": FAR + "SELECT " + " " * 16 + "LITERAL::int;"}),
    "cut-off-in-a-message": Case({"01_a.sql": "SELECT (repeat('x', 4045) || LITERAL)::int;"}),
    "cut-off-by-the-server": Case(
        {
            "01_a.sql": "CREATE TABLE a (t text CHECK (length(t) < 3));\n"
            "INSERT INTO a VALUES (repeat('x', 50) || LITERAL);"
        }
    ),
    "check-file": Case({"01_a.sql": "CREATE TABLE a ();", "01_a.check.sql": "SELECT LITERAL::int = 1;"}),
    "smoke-test": Case(
        {
            "01_a.sql": "CREATE TABLE a ();",
            "smoke/a.sql": "SELECT true;\nSELECT LITERAL;",
            "smoke/b.sql": "SELECT LITERAL::int = 1;",
        },
        {"smoke_tests": "smoke/*.sql"},
    ),
    "smoke-test-rolled-back": Case(
        {"01_a.sql": "CREATE TABLE a ();", "01_a.down.sql": "SELECT LITERAL::int;", "smoke/a.sql": "SELECT LITERAL;"},
        {"smoke_tests": "smoke/*.sql", "on_smoke_failure": "rollback"},
    ),
    "notice": Case(
        {"01_a.sql": "DO $body$ BEGIN RAISE NOTICE 'it is %', LITERAL; RAISE WARNING 'it is %', LITERAL; END $body$;"},
        exit_code=0,
    ),
    "subscription": Case({"01_a.sql": "CREATE SUBSCRIPTION s CONNECTION ADDRESS PUBLICATION p;"}),
    "roles-and-mappings": Case(
        {
            "01_a.sql": "CREATE FOREIGN DATA WRAPPER hunted;\n"
            "CREATE SERVER hunted FOREIGN DATA WRAPPER hunted OPTIONS (password LITERAL, x LITERAL);\n"
            "CREATE USER MAPPING FOR CURRENT_USER SERVER hunted OPTIONS (password LITERAL);\n"
        },
        exit_code=0,
    ),
    "schema": Case(
        {
            "01_a.sql": "CREATE TABLE a (t text DEFAULT LITERAL CHECK (t <> LITERAL));\n"
            "COMMENT ON TABLE a IS LITERAL;\nCREATE VIEW v AS SELECT LITERAL::text AS t;\n"
            "CREATE FUNCTION f() RETURNS text LANGUAGE sql AS $body$ SELECT LITERAL::text $body$;\n"
        },
        exit_code=0,
    ),
    "schema-in-a-rehearsal": Case(
        {
            "01_a.sql": "CREATE TABLE a (t text DEFAULT LITERAL);\nCOMMENT ON TABLE a IS LITERAL;\n"
            "CREATE TYPE e AS ENUM (LITERAL);"
        },
        REHEARSE,
        exit_code=0,
    ),
    "names": Case(
        {
            "02_b.sql": "ALTER TABLE NAME ADD COLUMN NAME text NOT NULL DEFAULT LITERAL;\n"
            "CREATE INDEX NAME ON NAME (id);\nDROP TABLE NAME;"
        },
        {"dry_run_mode": "rehearse", "environment": "staging", "lint": "warn"},
        before={"01_a.sql": "CREATE TABLE NAME (id bigint);"},
    ),
    "statements-of-a-rehearsal": Case(
        {"02_b.sql": f"UPDATE a SET t = LITERAL;\nUPDATE a SET t = '{'x' * 207}' || LITERAL;\n"},  # cut off within it
        {"dry_run_mode": "rehearse", "environment": "staging"},
        exit_code=0,
        before={"01_a.sql": "CREATE TABLE a (t text); INSERT INTO a SELECT 'x' FROM generate_series(1, 10);"},
    ),
    "headers": Case(
        {"01_a.sql": "-- Migration: TEXT\n-- Purpose: sets TEXT\n-- Breaking: not TEXT\nSELECT 1;\n"},
        exit_code=0,
        one_line=True,
    ),
    "unknown-directive": Case({"01_a.sql": "-- migrate: TEXT\nSELECT 1;\n"}, exit_code=2, one_line=True),
    "psql-command": Case({"01_a.sql": "\\connect TEXT\nSELECT 1;\n"}, exit_code=2, one_line=True),
    "drift": Case(
        {"01_a.sql": "SELECT LITERAL;\nSELECT 2;\n"}, exit_code=4, before={"01_a.sql": "SELECT LITERAL;\nSELECT 1;\n"}
    ),
    "verify": Case(
        {"01_a.sql": "SELECT LITERAL;\nSELECT 2;\n"},
        {"command": "verify"},
        exit_code=4,
        before={"01_a.sql": "SELECT LITERAL;"},
    ),
    "status": Case(
        {}, {"command": "status"}, exit_code=0, before={"01_a.sql": "-- Migration: LITERAL\nSELECT 1;"}, one_line=True
    ),
    "outside-of-a-transaction": Case(
        {"02_b.sql": "-- migrate: no-transaction\nINSERT INTO a VALUES (LITERAL);\nSELECT LITERAL::int;\n"},
        before={"01_a.sql": "CREATE TABLE a (t text);"},
    ),
    "unique-index-concurrently": Case(
        {"02_b.sql": "CREATE UNIQUE INDEX CONCURRENTLY a_t ON a (t);"},
        before={"01_a.sql": "CREATE TABLE a (t text); INSERT INTO a VALUES (LITERAL), (LITERAL);"},
    ),
    "file-that-was-committed": Case(
        {"db-migrate.yml": "database-url: LITERAL\nlock-timeout: LITERAL\nTEXT: 1\n", "01_a.sql": "SELECT 1;"},
        exit_code=2,
        one_line=True,
    ),
    "backup": Case({"01_a.sql": "CREATE TABLE a (t text DEFAULT LITERAL);"}, {"backup": "dump"}, exit_code=0),
    "production": Case(
        {"01_a.sql": "CREATE TABLE a (t text DEFAULT LITERAL);"},
        {
            "environment": "production",
            "confirmation": "MIGRATE-PRODUCTION",
            "review_delay": "0",
            "dry_run_mode": "preview",
        },
        exit_code=0,
        environ={"GITHUB_REF": "refs/tags/v1.2.3"},
    ),
}


def _covering() -> Iterator[tuple[str, str]]:
    """Each case with a password that has everything; each password with one that quotes it all over, and another."""
    yield from ((name, "everything") for name in CASES)
    yield from (("raise", form) for form in SECRETS)
    several_lines = [name for name, case in CASES.items() if not case.one_line]
    yield from zip(several_lines[::-1], SECRETS, strict=False)


@pytest.mark.parametrize(("name", "form"), dict.fromkeys(_covering()))
def test_what_a_file_or_the_server_quotes_shows_nowhere(name: str, form: str, action: Action) -> None:
    case, secret = CASES[name], SECRETS[form]
    if case.before:
        action.write(case.files_with(secret, case.before))
        assert action(environment=case.inputs.get("environment", "")).exit_code == 0
    action.write(case.files_with(secret, case.files))
    given = secret.as_url(action.database) if len(form) % 2 else secret.as_keywords(action.database)
    step = action(case.environ, database_url=given, **case.inputs)
    assert_hidden(secret, step)
    assert step.exit_code == case.exit_code, step.places["log"]


def assert_hidden(secret: Secret, step: Step) -> None:
    assert not (seen := secret.seen_in(step)), "".join(f"\n{place}: {text!r}" for place, text in seen.items())


# Connections

SOUND = {"01_a.sql": "SELECT 1;"}
RIGHT = "right"  # of the role that must give one


@pytest.fixture
def locked(database: Database) -> Iterator[Callable[[Secret], None]]:
    """Gives the role that must have one a password for the length of a test."""

    def set_password(secret: str) -> None:
        database.query(f"ALTER ROLE {SCRAM_ROLE} SUPERUSER PASSWORD {secret}")

    yield lambda secret: set_password(secret.literal)
    database.query(f"ALTER ROLE {SCRAM_ROLE} NOSUPERUSER PASSWORD '{RIGHT}'")


@pytest.mark.parametrize("form", ["everything", "looks-encoded", "newline", "blanks", "backslash", "not-ascii"])
def test_a_password_lets_in_and_shows_nowhere(form: str, action: Action, locked: Callable[[Secret], None]) -> None:
    secret = SECRETS[form]
    locked(secret)
    action.write({"01_a.sql": "CREATE TABLE seen AS SELECT application_name FROM pg_stat_activity;"})
    step = action(database_url=secret.as_url(action.database, SCRAM_ROLE), dry_run_mode="rehearse", backup="dump")
    assert step.exit_code == 0, step.places["log"]
    assert_hidden(secret, step)
    assert FIRST not in str(action.database.query("SELECT * FROM seen"))


def test_a_wrong_password_shows_nowhere(action: Action) -> None:
    action.write(SOUND)
    for number, secret in enumerate(SECRETS.values()):
        as_given = (Secret.as_url, Secret.as_keywords)[number % 2]
        step = action(database_url=as_given(secret, action.database, SCRAM_ROLE))
        assert step.exit_code == 6, step.places["log"]
        assert "password authentication failed" in step.places["log"]
        assert_hidden(secret, step)


@pytest.mark.parametrize("form", ["everything", "newline"])
def test_a_password_of_the_environment_shows_nowhere(
    form: str, action: Action, locked: Callable[[Secret], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = SECRETS[form]
    locked(secret)
    monkeypatch.setenv("PGPASSWORD", secret.text)
    action.write({"01_a.sql": RAISE.replace("LITERAL", secret.literal)})
    url = f"postgresql:///{action.database.name}?host={action.database.server.folder}&user={SCRAM_ROLE}"
    step = action({"PGPASSWORD": secret.text}, database_url=url)
    assert step.exit_code == 1, step.places["log"]
    assert_hidden(secret, step)


UNREACHABLE = {
    "host": {"host": "nowhere.invalid"},
    "port": {"host": "127.0.0.1", "port": "1"},
    "folder": {"host": "/nowhere"},
    "root": {"host": "127.0.0.1", "port": "1", "sslmode": "verify-full", "sslrootcert": "/nowhere/root.crt"},
    "option": {"nonsense": "1"},
    "sslmode": {"sslmode": "nonsense"},
    "database": {"dbname": "nowhere"},
    "startup-option": {"options": "-c nonsense=1"},
}
COMMANDS = ("migrate", "status", "history", "verify", "repair")
OF_EACH_KIND = [SECRETS[form] for form in ("everything", "newline", "not-ascii", "looks-encoded", "blanks")]


@pytest.mark.parametrize("what", UNREACHABLE)
def test_an_address_that_leads_nowhere_shows_no_password(what: str, action: Action) -> None:
    action.write(SOUND)
    for command, secret in zip(COMMANDS, OF_EACH_KIND, strict=True):
        as_given = Secret.as_keywords if secret.between.isspace() else Secret.as_url
        step = action(database_url=as_given(secret, action.database, **UNREACHABLE[what]), command=command)
        assert step.exit_code in {2, 6}, step.places["log"]
        assert_hidden(secret, step)


def test_a_server_without_tls_is_told_no_password(action: Action) -> None:
    action.write(SOUND)
    with proxy_to(action.database.server.folder) as network:
        for secret in OF_EACH_KIND:
            url = secret.through(network.url(action.database.name), sslmode="verify-full", sslrootcert="system")
            step = action(database_url=url)
            assert step.exit_code == 6, step.places["log"]
            assert "SSL" in step.places["log"]
            assert_hidden(secret, step)


MALFORMED = (
    "postgresql://app:TEXT@db:nonsense/app",
    "postgresql://app:TEXT@TEXT/app",
    "postgresql://app:TEXT",
    "postgres:TEXT@db/app",
    "TEXT",
    "https://app:TEXT@db/app",
    "host=db password=TEXT nonsense=1",
    "host=db password='TEXT",
    "host=db password = TEXT",
    "postgresql://db/app?password=TEXT&nonsense=1",
    "postgresql://db/app?sslpassword=TEXT&sslmode=nonsense",
)


@pytest.mark.parametrize("address", MALFORMED)
def test_an_address_that_is_none_shows_nowhere(address: str, action: Action) -> None:
    action.write(SOUND)
    for secret in OF_EACH_KIND:
        step = action(database_url=address.replace("TEXT", secret.text))
        assert step.exit_code in {2, 6}, step.places["log"]
        assert_hidden(secret, step)


@pytest.mark.parametrize(
    "name", ["environment", "version", "migrations_path", "lock_timeout", "confirmation", "templates_path"]
)
def test_an_address_in_the_wrong_input_shows_nowhere(name: str, action: Action) -> None:
    action.write(SOUND)
    for form in ("everything", "not-ascii"):
        secret = SECRETS[form]
        url = secret.as_url(action.database)
        step = action(database_url=url, **{name: url})
        assert step.exit_code in {0, 2}, step.places["log"]
        assert_hidden(secret, step)


# Commands and dry runs


@pytest.mark.parametrize("command", ["status", "history", "verify", "config", "check"])
@pytest.mark.parametrize("form", ["everything", "newline"])
def test_no_command_shows_an_address(command: str, form: str, action: Action, database: Database) -> None:
    secret = SECRETS[form]
    action.write({"01_a.sql": RAISE.replace("LITERAL", secret.literal)})
    given = {"database_url": secret.as_url(database), "shadow_database": secret.as_keywords(database)}
    assert_hidden(secret, action(**given))  # it fails, and the ledger keeps why
    assert_hidden(secret, action(command=command, **given))


def test_a_shadow_shows_neither_address(action: Action, database: Database) -> None:
    name = f"{database.name}_shadow"
    database.server.create_database(name)
    try:
        for form in ("everything", "newline", "single-quote"):
            secret, other = SECRETS[form], Secret(SECRETS[form].between, "Numbat5", "Bilby8")
            shadow = replace(database, name=name)
            action.write({"01_a.sql": RAISE.replace("LITERAL", f"{secret.literal} || {other.literal}")})
            step = action(
                database_url=secret.as_url(database),
                shadow_database=other.as_url(shadow),
                dry_run="true",
                dry_run_mode="shadow",
            )
            assert step.exit_code == 1, step.places["log"]
            assert_hidden(secret, step)
            assert_hidden(other, step)
    finally:
        database.query(f"DROP DATABASE {name} WITH (FORCE)")


def test_sessions_in_the_way_do_not_show_it(action: Action, database: Database) -> None:
    secret = SECRETS["everything"]
    database.query("CREATE TABLE a (t text)")
    action.write({"01_a.sql": "ALTER TABLE a ADD COLUMN b int;"})
    with connect(database.url, application_name=secret.text[:60]) as other, other.transaction():
        other.execute(f"SELECT {secret.literal} FROM a".encode())
        step = action(database_url=secret.as_url(database), lock_timeout="60ms", lock_retries="1")
    assert step.exit_code == 1, step.places["log"]
    assert "idle in transaction" in step.places["log"]
    assert_hidden(secret, step)


# GitHub's API


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=401, body={"message": f"Bad credentials: Bearer {TOKEN}"}),
        Answer(status=403, body={"message": f"{'x' * 190}{TOKEN}"}),
        Answer(status=200, body=TOKEN),
        Answer(status=302, headers={"Location": f"ftp://127.0.0.1/{TOKEN}"}),
    ],
    ids=["in-the-message", "cut-off", "no-json", "in-a-redirect"],
)
def test_a_token_that_an_answer_quotes_shows_nowhere(answer: Answer, action: Action, tmp_path: Path) -> None:
    event = tmp_path / "event.json"
    commits = {"number": 7, "base": {"ref": "main", "sha": "a" * 40}, "head": {"ref": "topic", "sha": "b" * 40}}
    event.write_text(json.dumps({"number": 7, "pull_request": commits, "repository": {"full_name": REPOSITORY}}))
    action.write({"01_a.sql": "SELECT 1;"})
    with github_server() as github:
        github.next_answers += [answer] * 4
        action.github = github
        pull = {"GITHUB_EVENT_NAME": "pull_request", "GITHUB_EVENT_PATH": str(event), "GITHUB_REF": "refs/pull/7/merge"}
        step = action(pull, command="check", shadow_database="off")
    assert step.exit_code == 2, step.places["log"]
    assert github.requests
    assert_hidden(Secret("", TOKEN[:20], TOKEN[20:]), step)


# The list of processes


def test_no_process_is_started_with_a_password_in_sight(
    action: Action, database: Database, locked: Callable[[Secret], None]
) -> None:
    secret = SECRETS["everything"]
    locked(secret)
    database.query("CREATE TABLE a ()")
    action.write({"01_b.sql": "CREATE TABLE b ();"})
    command = [sys.executable, "-m", "runner", "--backup", "dump"]
    environ = {**os.environ, "PYTHONPATH": str(PACKAGE.parent), "GITHUB_WORKSPACE": str(action.checkout)}
    environ["DATABASE_URL"] = secret.as_url(database, SCRAM_ROLE)
    with database.connect() as other, other.transaction():
        other.execute("LOCK TABLE a")  # pg_dump waits for it, so that there is time to look
        process = subprocess.Popen(command, env=environ, stdout=subprocess.DEVNULL)
        try:
            wait_until(database, "SELECT 1 FROM pg_locks WHERE NOT granted AND relation = 'a'::regclass")
            alive = list(processes())
            names = database.query("SELECT application_name FROM pg_stat_activity")
        finally:
            process.terminate()
            process.wait()
    started = [each for each in alive if each.parent == process.pid]
    assert any("pg_dump" in each.arguments for each in started)
    assert not [each.arguments for each in alive if FIRST in each.arguments]
    for each in started:  # the one variable that pg_dump takes the password from, and none of ours
        variables = dict(pair.partition("=")[::2] for pair in each.environ.split("\0"))
        assert {name for name, value in variables.items() if FIRST in value} <= {"PGPASSWORD"}
    assert FIRST not in str(names)
