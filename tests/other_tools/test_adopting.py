"""Databases that other tools have migrated, real ones where they can be had: nothing runs twice, the next file runs."""

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.commands.conftest import CommandLine, Ran
from tests.conftest import ON_NEWEST, Database
from tests.other_tools import documented, tools

pytestmark = ON_NEWEST

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, name text NOT NULL);"
ORDERS = "CREATE TABLE orders (id bigint PRIMARY KEY, user_id bigint NOT NULL REFERENCES users);"
EMAIL = "ALTER TABLE users ADD COLUMN email text;"  # each of them fails the second time
OF_USERS = """
    SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute
    WHERE attrelid = 'public.users'::regclass AND attnum > 0"""
RECORDED = "SELECT count(*) FROM db_migrate.schema_migrations WHERE status = 'completed'"
ELSEWHERE = ("--tracking-schema", "db_migrate")

Apply = Callable[[Path, Database, Mapping[str, str]], Path]

TOOLS: list[tuple[str, Apply, str, list[str]]] = [
    ("alembic", tools.alembic, "alembic_version", ["users", "orders"]),
    ("dbmate", tools.dbmate, "schema_migrations", ["20240101000000_users", "20240102000000_orders"]),
    ("flyway", documented.flyway, "flyway_schema_history", ["V1_1__users", "V1_2__orders"]),
    ("golang-migrate", documented.golang_migrate, "schema_migrations", ["000001_users", "000002_orders"]),
    ("goose", documented.goose, "goose_db_version", ["00001_users", "00002_orders"]),
    ("graphile-migrate", tools.graphile_migrate, "graphile_migrate.migrations", ["000001-users", "000002-orders"]),
    ("liquibase", documented.liquibase, "databasechangelog", ["users", "orders"]),
    ("node-pg-migrate", tools.node_pg_migrate, "pgmigrations", ["1700000000000_users", "1700000001000_orders"]),
    ("prisma", tools.prisma, "_prisma_migrations", ["20240101000000_users", "20240102000000_orders"]),
    (
        "supabase",
        documented.supabase,
        "supabase_migrations.schema_migrations",
        ["20240101_users", "20240102_orders"],
    ),
]


@pytest.fixture
def theirs(tmp_path: Path) -> Path:
    """The other tool's folder, outside of the checkout."""
    return tmp_path / "theirs"


@pytest.mark.parametrize(("tool", "apply", "table", "names"), TOOLS, ids=[tool for tool, *_ in TOOLS])
def test_nothing_runs_twice_and_the_next_file_runs(
    db_migrate: CommandLine, theirs: Path, tool: str, apply: Apply, table: str, names: list[str]
) -> None:
    folder = apply(theirs, db_migrate.database, dict(zip(names, [USERS, ORDERS], strict=True)))
    converted = db_migrate("convert", "--from", tool, str(folder))
    assert converted.exit_code == 0, converted.log
    adopt_and_go_on(db_migrate, tool, table)


def test_nothing_that_rails_has_applied_runs_twice(db_migrate: CommandLine) -> None:
    documented.rails(db_migrate.database, {"20240101000000_users": USERS, "20240102000000_orders": ORDERS})
    db_migrate.write(_20240101000000_users=USERS, _20240102000000_orders=ORDERS)
    adopt_and_go_on(db_migrate, "rails", "schema_migrations")


def adopt_and_go_on(db_migrate: CommandLine, tool: str, table: str) -> None:
    """What two files do is recorded, a third one runs, and nothing is left to adopt then."""
    database, before = db_migrate.database, db_migrate.database.query(f"TABLE {table}")
    adopted = db_migrate("adopt", "--from", tool, *ELSEWHERE)
    assert (adopted.exit_code, output(adopted, "outcome")) == (0, "applied"), adopted.log
    assert database.value(RECORDED) == 2
    assert database.value(OF_USERS) == ["id", "name"]

    last = output(adopted, "current-version")
    following = str(int(last) + 1).zfill(len(last))
    db_migrate.write(**{f"_{following}_email": EMAIL})
    migrated = db_migrate("migrate", *ELSEWHERE)
    assert (migrated.exit_code, output(migrated, "applied")) == (0, f'["{following}"]'), migrated.log
    assert database.value(OF_USERS) == ["id", "name", "email"]

    again = db_migrate("adopt", "--from", tool, *ELSEWHERE)
    assert (again.exit_code, output(again, "outcome")) == (0, "up-to-date"), again.log
    assert database.query(f"TABLE {table}") == before


def output(ran: Ran, name: str) -> str:
    """An output of the action."""
    found = re.search(rf"^{name}<<(\S+)\n(.*?)\n\1$", ran.output_file, re.MULTILINE | re.DOTALL)
    assert found, ran.log
    return found[2]


def test_what_prisma_has_begun_and_not_finished_is_refused(db_migrate: CommandLine, theirs: Path) -> None:
    tools.prisma(
        theirs, db_migrate.database, {"20240101_users": USERS, "20240102_nope": "DROP TABLE nope;"}, well=False
    )
    db_migrate.write(_01_users=f"-- Origin: 20240101_users\n{USERS}", _02_nope="-- Origin: 20240102_nope\nSELECT 1;")
    ran = db_migrate("adopt", "--from", "prisma")
    assert ran.exit_code == 3
    assert "✗ 20240102_nope was begun by Prisma and has come to no end" in ran.log
    assert db_migrate.database.tables() == {"users", "_prisma_migrations"}


@pytest.mark.parametrize(
    ("sql", "told"), [pytest.param(USERS, False, id="the-same"), pytest.param(USERS + "\n-- more", True, id="changed")]
)
def test_a_file_that_prisma_has_not_applied_like_that_is_told(
    db_migrate: CommandLine, theirs: Path, sql: str, told: bool
) -> None:
    tools.prisma(theirs, db_migrate.database, {"20240101_users": USERS})
    db_migrate.write(_01_users=f"-- Migration: Users\n-- Origin: 20240101_users\n\n{sql}\n")
    ran = db_migrate("adopt", "--from", "prisma", "--dry-run")
    assert ran.exit_code == 0
    assert ("this file is not what prisma has applied as 20240101_users" in ran.log) is told


def test_without_origins_the_scripts_of_alembic_say_what_was_applied(db_migrate: CommandLine) -> None:
    tools.alembic(db_migrate.checkout, db_migrate.database, {"users": USERS, "orders": ORDERS})
    db_migrate.write(_01_users=USERS, _02_email=EMAIL, _03_orders=ORDERS)  # by its head alone, 02 would be applied
    ran = db_migrate("adopt", "--from", "alembic")
    assert ran.exit_code == 0, ran.log
    assert output(ran, "pending") == '["02"]'
    assert "migration 02 is not applied, and one behind it is" in ran.log


def test_a_verified_adoption_passes_over_the_other_tools_own_tables(db_migrate: CommandLine, theirs: Path) -> None:
    documented.liquibase(theirs, db_migrate.database, {"users": USERS})
    db_migrate.write(_01_users=USERS)
    ran = db_migrate("adopt", "--from", "liquibase", "--verify")
    assert (ran.exit_code, output(ran, "outcome")) == (0, "applied"), ran.log
