"""`db-migrate baseline`: a database joins that was migrated before."""

import json
from collections.abc import Iterator

import pytest

from runner.core.naming import LEDGER_FILE
from runner.postgres.watcher import mutex_key
from runner.resources import bundled
from tests.commands.conftest import CommandLine, Ran
from tests.conftest import EXAMPLE, ON_NEWEST, Database

pytestmark = ON_NEWEST

USERS = """\
CREATE TABLE users (id int PRIMARY KEY, name text DEFAULT 'x', born date);
CREATE INDEX users_name ON users (name);
"""
ORDERS = """\
CREATE TABLE orders (id int PRIMARY KEY, user_id int NOT NULL REFERENCES users);
"""
FILES = {"_01_users": USERS, "_02_orders": ORDERS, "_02_orders__down": "DROP TABLE orders;", "_03_paid": (
    "ALTER TABLE orders ADD COLUMN paid boolean;"
)}  # fmt: skip
BASELINE = ("baseline", "--version", "2")
STAGING = ("--environment", "staging")
PRODUCTION = ("--environment", "production")
CONFIRMED = (*PRODUCTION, "--confirmation", "MIGRATE-PRODUCTION")
ROWS = "SELECT version, status FROM schema_migrations ORDER BY version"
TWO = [("01", "completed"), ("02", "completed")]


@pytest.fixture
def legacy(db_migrate: CommandLine, database: Database) -> CommandLine:
    """A database that somebody migrated up to 02, and nobody kept account of that."""
    db_migrate.write(**FILES)
    database.query(USERS + ORDERS)
    return db_migrate


@pytest.fixture
def comparing(database: Database) -> Iterator[tuple[str, ...]]:
    """What compares it with the files, on a database beside it."""
    name = f"{database.name}_empty"
    database.query(f"CREATE DATABASE {name}")
    yield ("--verify", "--shadow-database", database.server.url(name).value)
    database.query(f"DROP DATABASE {name} WITH (FORCE)")


def outputs(ran: Ran) -> dict[str, str]:
    """What was written to the file of GITHUB_OUTPUT."""
    lines = ran.output_file.split("\n")
    return {line.partition("<<")[0]: lines[number + 1] for number, line in enumerate(lines) if "<<ghadelimiter" in line}


# What is recorded


def test_nothing_runs_twice_and_the_next_file_runs(legacy: CommandLine, database: Database) -> None:
    ran = legacy(*BASELINE)
    assert ran.exit_code == 0, ran.log
    assert "2 migrations recorded as applied; none was run" in ran.log
    assert database.query(ROWS) == TWO
    ran = legacy()
    assert ran.exit_code == 0, ran.log
    assert database.query(ROWS) == [*TWO, ("03", "completed")]
    assert database.query("SELECT version, action, note FROM migration_history ORDER BY version") == [
        ("01", "baseline", "baseline up to 02"),
        ("02", "baseline", "baseline up to 02"),
        ("03", "apply", None),
    ]


def test_it_can_be_rolled_back_from_a_checkout_without_its_files(legacy: CommandLine, database: Database) -> None:
    assert legacy(*BASELINE).exit_code == 0
    for file in (legacy.checkout / "migrations").glob("02_*"):
        file.unlink()
    ran = legacy("rollback", "--steps", "1")
    assert ran.exit_code == 0, ran.log
    assert database.query(ROWS) == [("01", "completed")]
    assert not database.value("SELECT to_regclass('orders')")


def test_what_is_recorded_is_shown_in_log_summary_and_outputs(legacy: CommandLine) -> None:
    ran = legacy("baseline", "--version", "02", *STAGING)
    assert "02       orders  migrations/02_orders.sql" in ran.log
    assert "| 02 | orders | migrations/02\\_orders.sql |" in ran.summary
    told = outputs(ran)
    assert (told["outcome"], told["current-version"]) == ("applied", "02")
    assert json.loads(told["pending"]) == ["03"]
    assert json.loads(told["applied"]) == []  # nothing ran


def test_that_nobody_has_compared_is_told(legacy: CommandLine) -> None:
    ran = legacy(*BASELINE)
    assert "– compare        not compared: `verify` is false" in ran.log
    assert "nobody has looked whether the database has what these files make" in ran.summary


def test_once_more_there_is_nothing_to_do(legacy: CommandLine, database: Database) -> None:
    assert legacy(*BASELINE).exit_code == 0
    before = database.dump()
    for version in ("2", "1"):
        ran = legacy("baseline", "--version", version)
        assert ran.exit_code == 0
        assert "nothing to do: the ledger has all of them" in ran.log
        assert outputs(ran)["outcome"] == "up-to-date"
    assert database.dump() == before


def test_a_later_baseline_goes_on_from_there(legacy: CommandLine, database: Database) -> None:
    assert legacy(*BASELINE).exit_code == 0
    database.query("ALTER TABLE orders ADD COLUMN paid boolean")
    ran = legacy("baseline", "--version", "3")
    assert "1 to record, 2 recorded before" in ran.log
    assert legacy().exit_code == 0
    assert database.query("SELECT count(*) FROM migration_history") == [(3,)]


def test_it_has_the_environment_from_then_on(legacy: CommandLine) -> None:
    assert legacy(*BASELINE, *STAGING).exit_code == 0
    ran = legacy("--environment", "testing")
    assert ran.exit_code == 3
    assert "this database is staging, and the run claims to be testing" in ran.log


def test_what_the_database_is_then_is_what_drift_is_told_from(legacy: CommandLine, database: Database) -> None:
    assert legacy(*BASELINE).exit_code == 0
    ran = legacy("verify")
    assert ran.exit_code == 0
    assert "as the last run left it" in ran.log
    database.query("ALTER TABLE users ADD COLUMN vip boolean")
    ran = legacy("verify")
    assert ran.exit_code == 4
    assert "+ column vip boolean" in ran.log


def test_a_file_that_changes_later_is_drift(legacy: CommandLine) -> None:
    assert legacy(*BASELINE).exit_code == 0
    legacy.write(_01_users=USERS + "SELECT 1;")
    ran = legacy()
    assert ran.exit_code == 4
    assert "+SELECT 1;" in ran.log
    assert legacy("baseline", "--version", "3").exit_code == 4


def test_the_ledger_is_where_the_run_keeps_it(legacy: CommandLine, database: Database) -> None:
    assert legacy(*BASELINE, "--tracking-schema", "db_migrate").exit_code == 0
    assert database.query("SELECT version FROM db_migrate.schema_migrations ORDER BY version") == [("01",), ("02",)]
    assert not database.value("SELECT to_regclass('public.schema_migrations')")


def test_a_ledger_file_of_the_users_is_recorded_like_any_other(legacy: CommandLine, database: Database) -> None:
    legacy.write(_00_migration_state_tracking=(bundled("migrations") / LEDGER_FILE).read_text())
    assert legacy(*BASELINE).exit_code == 0
    assert database.query(ROWS) == [("00", "completed"), *TWO]
    ran = legacy()
    assert ran.exit_code == 0, ran.log
    assert database.query(ROWS) == [("00", "completed"), *TWO, ("03", "completed")]


def test_a_file_that_could_not_run_here_is_recorded_with_a_warning(legacy: CommandLine, database: Database) -> None:
    legacy.write(_01_users="\\connect app\n" + USERS)
    ran = legacy(*BASELINE)
    assert ran.exit_code == 0, ran.log
    assert "! migrations/01_users.sql:1" in ran.log
    assert database.query("SELECT version, body LIKE '%\\connect%' FROM schema_migrations ORDER BY 1") == [
        ("01", True),
        ("02", False),
    ]
    assert legacy().exit_code == 0


# Dry run and gates


def test_a_dry_run_shows_what_would_be_recorded_and_writes_nothing(legacy: CommandLine, database: Database) -> None:
    before = database.dump()
    ran = legacy(*BASELINE, "--dry-run", *PRODUCTION)
    assert ran.exit_code == 0, ran.log
    assert "| 01 | users | migrations/01\\_users.sql |" in ran.summary
    assert "this is a dry run: 2 migrations would be recorded" in ran.log
    assert outputs(ran)["outcome"] == "dry-run"
    assert database.dump() == before


def test_a_run_by_hand_in_production_is_a_dry_run(legacy: CommandLine, database: Database) -> None:
    by_hand = {"GITHUB_EVENT_NAME": "workflow_dispatch"}
    ran = legacy(*BASELINE, *CONFIRMED, **by_hand)
    assert "a run started by hand in production is a dry run unless `dry-run: false`" in ran.log
    assert database.tables() == {"users", "orders"}
    assert legacy(*BASELINE, *CONFIRMED, "--no-dry-run", **by_hand).exit_code == 0


@pytest.mark.parametrize(
    ("argv", "environ", "message"),
    [
        (PRODUCTION, {}, "production needs a confirmation, and none was given"),
        (CONFIRMED, {"GITHUB_EVENT_NAME": "push", "GITHUB_REF": "refs/heads/main"}, "✗ tag: "),
    ],
)
def test_production_has_its_gates(
    legacy: CommandLine, database: Database, argv: tuple[str, ...], environ: dict[str, str], message: str
) -> None:
    ran = legacy(*BASELINE, *argv, **environ)
    assert ran.exit_code == 3
    assert message in ran.log
    assert database.tables() == {"users", "orders"}
    assert legacy(*BASELINE, *CONFIRMED).exit_code == 0


def test_another_environment_is_refused(legacy: CommandLine, database: Database) -> None:
    assert legacy("baseline", "--version", "1", *STAGING).exit_code == 0
    ran = legacy(*BASELINE, *CONFIRMED)
    assert ran.exit_code == 3
    assert "this database is staging, and the run claims to be production" in ran.log
    assert database.query(ROWS) == [("01", "completed")]


# What is refused


def test_a_version_without_a_file_is_refused_with_those_that_have_one(legacy: CommandLine, database: Database) -> None:
    ran = legacy("baseline", "--version", "7")
    assert ran.exit_code == 2
    assert "version: there is no migration 7" in ran.log
    assert "the last versions here are 01, 02, 03" in ran.log
    assert database.tables() == {"users", "orders"}


def test_a_ledger_that_is_further_is_refused(legacy: CommandLine, database: Database) -> None:
    assert legacy("baseline", "--version", "3").exit_code == 0
    database.query("DELETE FROM schema_migrations WHERE version = '01'")
    ran = legacy(*BASELINE)
    assert ran.exit_code == 3
    assert "the ledger has 03 as completed, and 01, which comes before it, not" in ran.log
    assert legacy("baseline", "--version", "3").exit_code == 0


def test_a_half_done_migration_is_refused(db_migrate: CommandLine, database: Database) -> None:
    db_migrate.write(_01_users=USERS, _02_half="CREATE INDEX CONCURRENTLY i ON users (id);\nCREATE INDEX CONCURRENTLY "
                     "j ON nobody (id);")  # fmt: skip
    assert db_migrate().exit_code == 1
    before = database.dump()
    ran = db_migrate("baseline", "--version", "2")
    assert ran.exit_code == 3
    assert "migration 02 is failed in the ledger, outside of a transaction" in ran.log
    assert database.dump() == before


def test_what_failed_and_was_rolled_back_may_have_been_done_by_hand(
    db_migrate: CommandLine, database: Database
) -> None:
    db_migrate.write(_01_users=USERS + "SELECT nope;")
    assert db_migrate().exit_code == 1
    database.query(USERS)
    db_migrate.write(_01_users=USERS)
    assert db_migrate("baseline", "--version", "1").exit_code == 0
    assert db_migrate().exit_code == 0
    assert database.query("SELECT status, error_message FROM schema_migrations") == [("completed", None)]


def test_while_another_run_migrates_it_waits_as_long_as_it_may(legacy: CommandLine, database: Database) -> None:
    with database.connect() as other:
        other.execute("SELECT pg_advisory_lock(%s)", [mutex_key("public")])
        ran = legacy(*BASELINE, "--lock-wait", "0s")
    assert ran.exit_code == 5
    assert database.tables() == {"users", "orders"}


def test_another_tools_table_in_the_place_of_the_ledger_is_refused(legacy: CommandLine, database: Database) -> None:
    database.query("CREATE TABLE schema_migrations (version bigint, dirty boolean)")
    ran = legacy(*BASELINE)
    assert ran.exit_code == 2
    assert "public.schema_migrations belongs to golang-migrate" in ran.log
    assert "`tracking-schema: db_migrate`" in ran.log
    assert legacy(*BASELINE, "--tracking-schema", "db_migrate").exit_code == 0


# Compared with the files


def test_a_database_that_is_what_the_files_make_is_recorded(
    legacy: CommandLine, database: Database, comparing: tuple[str, ...]
) -> None:
    database.query(
        "GRANT SELECT ON users TO nobody; COMMENT ON TABLE users IS 'all'; CREATE EXTENSION vector;"
        "CREATE TABLE flyway_schema_history (installed_rank int); CREATE SCHEMA auth; CREATE TABLE auth.users (id int)"
    )
    ran = legacy(*BASELINE, *comparing)
    assert ran.exit_code == 0, ran.log
    assert "✓ compare        the database has what the files make on PostgreSQL 18." in ran.log
    assert "; not compared: auth, where no file is at work" in ran.log
    assert "nobody has looked" not in ran.log
    assert database.query(ROWS) == TWO


@pytest.mark.parametrize(
    ("change", "how", "what", "line"),
    [
        ("ALTER TABLE users DROP COLUMN born", "other", "- column born", "-    born date,"),
        ("ALTER TABLE users ALTER name SET DEFAULT 'y'", "other", "~ column name: ", "+    name text DEFAULT 'y'"),
        ("ALTER TABLE users ALTER id TYPE bigint", "other", "~ column id: integer → bigint", "+    id bigint"),
        ("ALTER TABLE users ADD CHECK (id > 0)", "other", "+ constraint users_id_check", "+    CONSTRAINT users_id_c"),
        ("CREATE INDEX extra ON users (born)", "more", "index public.extra on public.users (born)", "+CREATE INDEX ex"),
        ("DROP INDEX users_name", "missing", "index public.users_name", "-CREATE INDEX users_name ON"),
        ("CREATE TABLE extra (id int)", "more", "table public.extra (1 column)", "+table public.extra ("),
        ("DROP TABLE orders", "missing", "table public.orders (2 columns)", "-table public.orders ("),
    ],
)
def test_what_differs_is_told_in_words_and_line_by_line_and_refused(
    legacy: CommandLine, database: Database, comparing: tuple[str, ...], change: str, how: str, what: str, line: str
) -> None:  # fmt: skip
    database.query(change)
    ran = legacy(*BASELINE, *comparing)
    assert ran.exit_code == 3
    assert "this database is not what the files up to 02 make: 1 difference" in ran.log
    [row] = [row for row in ran.log.splitlines() if row.startswith(how)]
    assert what in row
    assert line in ran.log
    assert f"| {how} |" in ran.summary
    assert "schema_migrations" not in database.tables()


def test_a_dry_run_compares_too(legacy: CommandLine, database: Database, comparing: tuple[str, ...]) -> None:
    assert legacy(*BASELINE, *comparing, "--dry-run").exit_code == 0
    database.query("DROP INDEX users_name")
    assert legacy(*BASELINE, *comparing, "--dry-run").exit_code == 3
    assert database.tables() == {"users", "orders"}


def test_files_that_cannot_make_a_database_are_refused_with_their_place(
    legacy: CommandLine, database: Database, comparing: tuple[str, ...]
) -> None:
    legacy.write(_01_users="ALTER TABLE legacy ADD COLUMN x int;\n" + USERS)
    ran = legacy(*BASELINE, *comparing)
    assert ran.exit_code == 3
    assert 'migrations/01_users.sql:1:1: on an empty database this fails: relation "legacy" does not exist' in ran.log
    legacy.write(_01_users="\\connect app\n" + USERS)
    ran = legacy(*BASELINE, *comparing)
    assert ran.exit_code == 2
    assert "migrations/01_users.sql:1" in ran.log
    assert "schema_migrations" not in database.tables()


def test_nothing_is_executed_on_a_server_of_the_users_that_would_stay_there(
    legacy: CommandLine, comparing: tuple[str, ...]
) -> None:
    legacy.write(_01_users=USERS + "ALTER SYSTEM SET work_mem = '5MB';")
    ran = legacy(*BASELINE, *comparing)
    assert ran.exit_code == 3
    assert "ALTER SYSTEM would stay on the server of `shadow-database`" in ran.log


def test_the_example_is_what_its_files_make(
    db_migrate: CommandLine, example_database: Database, comparing: tuple[str, ...]
) -> None:
    example_database.query(
        "DROP TABLE schema_migrations, migration_history, migration_runs, migration_environment CASCADE"
    )
    files = ("--migrations-path", str(EXAMPLE / "migrations"))
    ran = db_migrate("baseline", "--version", "7", *files, *comparing, DATABASE_URL=example_database.url.value)
    assert ran.exit_code == 0, ran.log
    assert example_database.value("SELECT count(*) FROM schema_migrations WHERE status = 'completed'") == 7
