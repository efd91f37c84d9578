"""`db-migrate adopt`: what another tool's table says is recorded, once it is clear."""

import re

import pytest

from tests.commands.conftest import CommandLine, Ran
from tests.conftest import ON_NEWEST

pytestmark = ON_NEWEST

PRISMA = """
    CREATE TABLE {} (
        migration_name varchar(255) NOT NULL, started_at timestamptz NOT NULL DEFAULT now(), finished_at timestamptz,
        rolled_back_at timestamptz)"""
FLYWAY = """
    CREATE TABLE flyway_schema_history (
        installed_rank integer, version varchar(50), description varchar(200), type varchar(20), script varchar(1000),
        installed_by varchar(100), installed_on timestamp, success boolean)"""
BY_GRACE = """
    INSERT INTO flyway_schema_history VALUES (1, '1', 'a', 'SQL', 'V1__a.sql', 'grace', '2024-01-01 12:00', true)"""
VERSIONS = "CREATE TABLE schema_migrations (version varchar PRIMARY KEY)"


def finished(db_migrate: CommandLine, *names: str, table: str = "_prisma_migrations") -> None:
    """Prisma's table, with these migrations finished."""
    db_migrate.database.query(PRISMA.format(table))
    for name in names:
        db_migrate.database.query(f"INSERT INTO {table} VALUES (%s, now(), now())", name)


def output(ran: Ran, name: str) -> str:
    found = re.search(rf"^{name}<<(\S+)\n(.*?)\n\1$", ran.output_file, re.MULTILINE | re.DOTALL)
    assert found, ran.log
    return found[2]


def test_records_when_and_by_whom_the_other_tool_applied_it(db_migrate: CommandLine) -> None:
    db_migrate.database.query(FLYWAY)
    db_migrate.database.query(BY_GRACE)
    db_migrate.write(_01_a="CREATE TABLE a ();")
    assert db_migrate("adopt", "--from", "flyway").exit_code == 0
    assert db_migrate.database.query(
        "SELECT status, applied_by, applied_at = '2024-01-01 12:00'::timestamptz FROM schema_migrations"
    ) == [("completed", "grace", True)]
    assert db_migrate.database.query("SELECT version, action, status, executed_by, note FROM migration_history") == [
        ("01", "baseline", "success", "ada", "adopted from flyway: V1__a")
    ]


def test_shows_theirs_beside_ours_in_log_and_summary(db_migrate: CommandLine) -> None:
    finished(db_migrate, "20240101_a")
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="CREATE TABLE b ();")
    ran = db_migrate("adopt", "--from", "prisma", GITHUB_ACTIONS="true")
    assert ran.exit_code == 0
    for told in (ran.log, ran.summary.replace("\\", "")):
        assert re.search(r"20240101_a\W.*01_a\.sql\W.*its name", told)
        assert re.search(r"02_b\.sql\W.*pending", told)
    assert (output(ran, "applied"), output(ran, "pending"), output(ran, "current-version")) == ("[]", '["02"]', "01")


def test_a_dry_run_shows_the_same_and_writes_nothing(db_migrate: CommandLine) -> None:
    finished(db_migrate, "20240101_a")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", "prisma", "--dry-run")
    assert (ran.exit_code, output(ran, "outcome")) == (0, "dry-run")
    assert re.search(r"20240101_a .*01_a\.sql .*its name", ran.log)
    assert db_migrate.database.tables() == {"_prisma_migrations"}


@pytest.mark.parametrize(
    ("names", "message"),
    [
        pytest.param(["1_a", "2_b"], "✗ prisma has applied what has no file here: 2_b", id="no-file"),
        pytest.param(["7_x"], "✗ no file here is one of the migrations that prisma has applied", id="none"),
        pytest.param(["8_a", "9_a"], "✗ migrations/01_a.sql:1: this file may be either of 8_a and 9_a", id="unclear"),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_recorded(
    db_migrate: CommandLine, names: list[str], message: str
) -> None:
    finished(db_migrate, *names)
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", "prisma")
    assert ran.exit_code == 3
    assert message in ran.log
    assert db_migrate.database.tables() == {"_prisma_migrations"}


def test_a_file_of_comments_stands_for_what_has_no_sql(db_migrate: CommandLine) -> None:
    finished(db_migrate, "1_a", "2_import")
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_import="-- Origin: 2_import\n-- It was a program.\n")
    assert db_migrate("adopt", "--from", "prisma").exit_code == 0
    assert db_migrate.database.value("SELECT count(*) FROM schema_migrations WHERE status = 'completed'") == 2


def test_what_the_other_tool_applies_later_is_recorded_later(db_migrate: CommandLine) -> None:
    finished(db_migrate, "1_a")
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="CREATE TABLE b ();")
    assert db_migrate("adopt", "--from", "prisma").exit_code == 0
    db_migrate.database.query("INSERT INTO _prisma_migrations VALUES ('2_b', now(), now())")
    ran = db_migrate("adopt", "--from", "prisma")
    assert (ran.exit_code, output(ran, "current-version")) == (0, "02")


def test_a_tool_that_has_applied_nothing_leaves_nothing_to_record(db_migrate: CommandLine) -> None:
    finished(db_migrate)
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", "prisma")
    assert (ran.exit_code, output(ran, "outcome"), output(ran, "pending")) == (0, "up-to-date", '["01"]')
    assert "prisma has applied none of these files: nothing was recorded" in ran.log
    assert db_migrate.database.tables() == {"_prisma_migrations"}


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--environment", "testing"], "✗ environment: this database is staging, and the run claims to be testing"),
        (["--environment", "production", "--confirmation", "MIGRATE-PRODUCTION"], "✗ tag: "),
    ],
    ids=["environment", "tag"],
)
def test_who_may_not_adopt_is_not_told_that_there_is_nothing_to_do(
    db_migrate: CommandLine, argv: list[str], message: str
) -> None:
    finished(db_migrate, *(["1_a"] if "testing" in argv else []))
    db_migrate.write(_01_a="CREATE TABLE a ();")
    assert db_migrate("adopt", "--from", "prisma", "--environment", "staging").exit_code == 0
    db_migrate.database.query("DELETE FROM _prisma_migrations")
    ran = db_migrate("adopt", "--from", "prisma", *argv, GITHUB_EVENT_NAME="push", GITHUB_REF="refs/heads/main")
    assert ran.exit_code == 3
    assert message in ran.log


def test_what_was_written_since_the_move_stays_pending_and_runs(db_migrate: CommandLine) -> None:
    db_migrate.database.query(FLYWAY)
    for rank, version, kind in ((1, "10", "BASELINE"), (2, "10.1", "SQL")):
        db_migrate.database.query(
            "INSERT INTO flyway_schema_history VALUES (%s, %s, 'a', %s, %s, 'grace', now(), true)",
            rank, version, kind, f"V{version}__a.sql",
        )  # fmt: skip
    db_migrate.write(_0001_a="-- Origin: V10.1__a.sql\nCREATE TABLE a ();", _0002_b="CREATE TABLE b ();")
    for outcome in ("applied", "up-to-date"):
        ran = db_migrate("adopt", "--from", "flyway")
        assert (ran.exit_code, output(ran, "outcome"), output(ran, "pending")) == (0, outcome, '["0002"]')
    assert output(db_migrate("migrate"), "applied") == '["0002"]'
    assert db_migrate("adopt", "--from", "flyway").exit_code == 0


@pytest.mark.parametrize("at", ["infinity", "-infinity", "0044-03-15 BC", "10000-01-01"])
def test_a_time_that_no_calendar_has_is_not_known(db_migrate: CommandLine, at: str) -> None:
    finished(db_migrate, "1_a", "2_b")
    db_migrate.database.query("UPDATE _prisma_migrations SET started_at = %s::timestamptz, finished_at = %s", at, at)
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="CREATE TABLE b ();")
    assert db_migrate("adopt", "--from", "prisma").exit_code == 0
    now = "SELECT now() - applied_at < interval '1 minute' FROM schema_migrations"
    assert db_migrate.database.query(now) == [(True,), (True,)]


@pytest.mark.parametrize("zone", ["Etc/GMT-14", "Etc/GMT+12"])
def test_the_ends_of_the_calendar_are_no_matter_in_any_zone(db_migrate: CommandLine, zone: str) -> None:
    finished(db_migrate, "1_a", "2_b")
    for name, at in (("1_a", "0001-01-01 00:00+00"), ("2_b", "9999-12-31 23:00+00")):
        db_migrate.database.query("UPDATE _prisma_migrations SET finished_at = %s WHERE migration_name = %s", at, name)
    db_migrate.write(_01_a="CREATE TABLE a ();", _02_b="CREATE TABLE b ();")
    database = db_migrate.database.value("SELECT quote_ident(current_database())")
    db_migrate.database.query(f"ALTER DATABASE {database} SET timezone = '{zone}'")
    assert db_migrate("adopt", "--from", "prisma", "--dry-run").exit_code == 0


def test_production_is_adopted_with_its_confirmation_only(db_migrate: CommandLine) -> None:
    finished(db_migrate, "1_a")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    argv = ("adopt", "--from", "prisma", "--environment", "production")
    assert db_migrate(*argv).exit_code == 3
    assert db_migrate.database.tables() == {"_prisma_migrations"}
    assert db_migrate(*argv, "--confirmation", "MIGRATE-PRODUCTION").exit_code == 0


# Its table


def test_a_table_in_the_ledgers_place_stays_there_when_the_ledger_goes_elsewhere(db_migrate: CommandLine) -> None:
    db_migrate.database.query(f"{VERSIONS}; INSERT INTO schema_migrations VALUES ('1')")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    refused = db_migrate("adopt", "--from", "rails")
    assert refused.exit_code == 2
    assert "write `tracking-schema: db_migrate` into db-migrate.yml" in refused.log
    (db_migrate.checkout / "db-migrate.yml").write_text("tracking-schema: db_migrate\n")
    assert db_migrate("adopt", "--from", "rails").exit_code == 0
    assert db_migrate.database.query("TABLE schema_migrations") == [("1",)]
    assert db_migrate("adopt", "--from", "rails").exit_code == 0  # our own table of this name is not taken for theirs


@pytest.mark.parametrize("named", ["ops.moves", "OPS.Moves", '"ops"."moves"'])
def test_reads_the_table_that_is_named(db_migrate: CommandLine, named: str) -> None:
    db_migrate.database.query("CREATE SCHEMA ops")
    finished(db_migrate, "1_a", table="ops.moves")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", "prisma", "--from-table", named)
    assert ran.exit_code == 0
    assert "prisma's ops.moves: 1 migration applied" in ran.log


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        pytest.param(["alembic"], "✗ alembic has left no table here: looked for alembic_version", id="no-table"),
        pytest.param(
            ["prisma", "--from-table", "ops.moves"],
            "✗ prisma has left no table here: looked for ops.moves",
            id="no-such-table",
        ),
        pytest.param(["prisma"], "`from-table: ops._prisma_migrations`", id="in-another-schema"),
        pytest.param(["prisma", "--from-table", "a b"], "✗ from-table: `a b` is not the name of a table", id="no-name"),
        pytest.param(["prisma", "--from-table", "a.b.c"], "✗ from-table: `a.b.c` is not the name", id="too-long"),
        pytest.param(
            ["goose", "--from-table", "ops._prisma_migrations"],
            "✗ ops._prisma_migrations is not a table of goose",
            id="of-another-tool",
        ),
    ],
)
def test_says_where_it_has_looked(db_migrate: CommandLine, argv: list[str], message: str) -> None:
    db_migrate.database.query("CREATE SCHEMA ops")
    finished(db_migrate, "1_a", table="ops._prisma_migrations")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", *argv)
    assert ran.exit_code == 2
    assert message in ran.log


def test_a_table_that_the_role_may_not_read_is_told(db_migrate: CommandLine) -> None:
    finished(db_migrate, "1_a")
    db_migrate.database.query("GRANT CREATE ON SCHEMA public TO nobody")
    db_migrate.write(_01_a="CREATE TABLE a ();")
    ran = db_migrate("adopt", "--from", "prisma", DATABASE_URL=db_migrate.database.as_role("nobody"))
    assert ran.exit_code == 6
    assert "permission denied for table _prisma_migrations" in ran.log
