"""Every kind of object is seen when it comes, changes and goes."""

import subprocess

import pytest

from runner.core.schema import Schema
from runner.core.schema_diff import schema_difference
from runner.postgres.catalog_snapshot import catalog_snapshot
from runner.postgres.embedded import EmbeddedServer
from runner.resources import bundled
from tests.conftest import Database

BASE = """
    CREATE ROLE app; CREATE TABLE users (id int PRIMARY KEY, email text, age int);
    CREATE TYPE mood AS ENUM ('sad', 'ok');
    CREATE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
    """
TOUCH = "BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()"
# What is done, and the lines that tell it.
CASES = [
    # tables and columns
    ("CREATE TABLE t (a int, b int, c text)", "+ table public.t (3 columns)"),
    ("CREATE TABLE t (a int PRIMARY KEY, b int); CREATE INDEX ON t (b)", "+ table public.t (2 columns, 1 index)"),
    ("CREATE TABLE t ()", "+ table public.t (no columns)"),
    ("DROP TABLE users", "- table public.users (3 columns)"),
    ("CREATE SCHEMA app; CREATE TABLE app.t (a serial)", "+ table app.t (1 column)", "+ schema app"),
    ("ALTER TABLE users ADD note text NOT NULL DEFAULT 'x'",
     "~ table public.users: + column note text NOT NULL DEFAULT 'x'::text"),
    ("ALTER TABLE users DROP age", "~ table public.users: - column age integer"),
    ("ALTER TABLE users ALTER age TYPE bigint", "~ table public.users: ~ column age: integer → bigint"),
    ("ALTER TABLE users ALTER email SET NOT NULL", "~ table public.users: ~ column email: text → text NOT NULL"),
    ("ALTER TABLE users ALTER age SET DEFAULT 5", "~ table public.users: ~ column age: integer → integer DEFAULT 5"),
    ("ALTER TABLE users ADD n int GENERATED ALWAYS AS IDENTITY",
     "~ table public.users: + column n integer NOT NULL GENERATED ALWAYS AS IDENTITY"),
    ("ALTER TABLE users ADD n int GENERATED ALWAYS AS (age * 2) STORED",
     "~ table public.users: + column n integer GENERATED ALWAYS AS ((age * 2)) STORED"),
    ('ALTER TABLE users ALTER email TYPE text COLLATE "C"',
     '~ table public.users: ~ column email: text → text COLLATE "C"'),
    ("ALTER TABLE users SET UNLOGGED", "~ table public.users: ~ no options → UNLOGGED"),
    ("ALTER TABLE users SET (fillfactor = 70)", "~ table public.users: ~ no options → WITH (fillfactor=70)"),
    ("ALTER TABLE users ENABLE ROW LEVEL SECURITY", "~ table public.users: ~ no options → ROW LEVEL SECURITY"),
    ("ALTER TABLE users REPLICA IDENTITY FULL", "~ table public.users: ~ no options → REPLICA IDENTITY FULL"),
    ("CREATE TABLE e (at date) PARTITION BY LIST (at); CREATE TABLE e1 PARTITION OF e DEFAULT; CREATE INDEX ON e (at)",
     "+ table public.e (1 column, 1 index)", "+ table public.e1 (1 column)"),
    # constraints and indexes
    ("ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0)", "~ table public.users: + constraint c CHECK ((age > 0))"),
    ("ALTER TABLE users ADD CONSTRAINT c CHECK (age > 0) NOT VALID",
     "~ table public.users: + constraint c CHECK ((age > 0)) NOT VALID"),
    ("ALTER TABLE users ADD CONSTRAINT u UNIQUE (email)", "~ table public.users: + constraint u UNIQUE (email)"),
    ("CREATE TABLE o (u int REFERENCES users)", "+ table public.o (1 column)"),
    ("CREATE INDEX i ON users (email) WHERE age > 5",
     "+ index public.i on public.users USING btree (email) WHERE (age > 5)"),
    # views and functions
    ("CREATE VIEW v AS SELECT id FROM users", "+ view public.v"),
    ("CREATE MATERIALIZED VIEW m AS SELECT id FROM users; CREATE INDEX ON m (id)",
     "+ index public.m_id_idx on public.m USING btree (id)", "+ materialized view public.m"),
    ("CREATE OR REPLACE FUNCTION f(int) RETURNS int LANGUAGE sql AS 'SELECT 2'", "~ function public.f(integer)"),
    ("DROP FUNCTION f", "- function public.f(integer)"),
    ("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", "+ procedure public.p()"),
    ("CREATE AGGREGATE a (int) (SFUNC = int4pl, STYPE = int)", "+ aggregate public.a(integer)"),
    # triggers, policies, rules
    (f"CREATE TRIGGER t {TOUCH}", "+ trigger t on public.users"),
    ("CREATE POLICY p ON users FOR SELECT TO app USING (age > 5)", "+ policy p on public.users"),
    ("CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING", "+ rule r on public.users"),
    # types and sequences
    ("CREATE TYPE c AS (a int, b text)", "+ composite type public.c"),
    ("CREATE TYPE e AS ENUM ('x')", "+ enum public.e"),
    ("ALTER TYPE mood ADD VALUE 'glad' BEFORE 'ok'", "+ value 'glad' of enum public.mood"),
    ("CREATE DOMAIN d AS int CHECK (VALUE > 0)", "+ domain public.d"),
    ("CREATE TYPE r AS RANGE (subtype = date)", "+ range type public.r"),
    ("CREATE SEQUENCE s INCREMENT 5", "+ sequence public.s"),
    # grants, comments, extensions and the rest
    ("GRANT SELECT, INSERT ON users TO app", "+ grant INSERT, SELECT on table public.users to app"),
    ("GRANT SELECT (email) ON users TO PUBLIC", "+ grant SELECT on column email of public.users to PUBLIC"),
    ("GRANT USAGE ON SCHEMA public TO app WITH GRANT OPTION",
     "+ grant USAGE WITH GRANT OPTION on schema public to app"),
    ("REVOKE EXECUTE ON FUNCTION f FROM PUBLIC", "+ revoke EXECUTE on function public.f(integer) from PUBLIC"),
    ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO app",
     "+ default privileges of postgres in public"),
    ("COMMENT ON COLUMN users.email IS 'the address'", "+ comment on table column public.users.email"),
    ("CREATE EXTENSION vector", "+ extension vector *"),
    ("CREATE PUBLICATION p FOR TABLE users", "+ publication p"),
    # names
    ('CREATE TABLE "Weird "" Table.x" ("Größe" int)', '+ table public."Weird "" Table.x" (1 column)'),
]  # fmt: skip
CHANGES_NOTHING = [
    "SELECT 1",
    "INSERT INTO users VALUES (1)",
    "ALTER TABLE users ADD x int; ALTER TABLE users DROP x",
    "CREATE TEMP TABLE t (a int)",
    "CREATE SEQUENCE s; SELECT nextval('s'); DROP SEQUENCE s",
    "GRANT EXECUTE ON FUNCTION f TO PUBLIC",
    "ALTER TABLE users ALTER email SET STATISTICS 500; ANALYZE users",
]


@pytest.fixture
def base(database: Database) -> Database:
    database.query("DO $$ BEGIN CREATE ROLE app; EXCEPTION WHEN duplicate_object THEN END $$")
    database.query(BASE.replace("CREATE ROLE app;", ""))
    return database


def look(database: Database) -> Schema:
    with database.connect() as connection:
        return catalog_snapshot(connection, ledger_schema="public")


@pytest.mark.parametrize(
    ("sql", "lines"), [(sql, lines) for sql, *lines in CASES], ids=[case[0][:50] for case in CASES]
)
def test_a_change_is_told_and_told_back(base: Database, sql: str, lines: list[str]) -> None:
    before = look(base)
    base.query(sql)
    after = look(base)
    said = schema_difference(before, after).short()
    assert tuple(line.rstrip("0123456789.") if line.startswith("+ extension") else line for line in said) == tuple(
        line.removesuffix("*") for line in lines
    )
    back = schema_difference(after, before).short()
    assert len(back) == len(said)
    assert [line[0] for line in back] != [line[0] for line in said] or {line[0] for line in said} == {"~"}
    assert schema_difference(before, after).unified()


@pytest.mark.parametrize("sql", CHANGES_NOTHING)
def test_what_changes_no_schema_is_no_difference(base: Database, sql: str) -> None:
    before = look(base)
    base.query(sql)
    assert look(base).fingerprint == before.fingerprint


def test_inside_of_a_transaction_it_sees_what_that_has_done_and_leaves_it_as_it_was(base: Database) -> None:
    before = look(base)
    with base.connect() as connection:
        connection.execute("BEGIN; SET LOCAL search_path = pg_temp, public; CREATE TABLE public.inside (a int)")
        inside = catalog_snapshot(connection, ledger_schema="public")
        assert connection.execute("SHOW search_path").fetchone() == ("pg_temp, public",)
        assert schema_difference(before, inside).short() == ("+ table public.inside (1 column)",)
        connection.execute("ROLLBACK")
    assert look(base) == before


def test_outside_of_one_it_leaves_the_session_as_it_was(base: Database) -> None:
    with base.connect() as connection:
        connection.execute("SET search_path = public")
        catalog_snapshot(connection, ledger_schema="public")
        assert connection.execute("SHOW search_path").fetchone() == ("public",)


@pytest.mark.parametrize("schema", ["public", "audit log"])
def test_the_ledger_is_no_part_of_it(base: Database, schema: str) -> None:
    before = look(base)
    ledger = (bundled("migrations") / "00_migration_state_tracking.sql").read_text()
    with base.connect() as connection:
        connection.execute(f'CREATE SCHEMA IF NOT EXISTS "{schema}"; SET search_path = "{schema}"'.encode())
        connection.execute(ledger.encode())
        after = catalog_snapshot(connection, ledger_schema=schema)
    assert schema_difference(before, after).short() == ()


def test_a_table_of_the_users_with_a_name_of_the_ledgers_elsewhere_is(base: Database) -> None:
    before = look(base)
    base.query("CREATE SCHEMA other; CREATE TABLE other.migration_runs (a int)")
    assert "+ table other.migration_runs (1 column)" in schema_difference(before, look(base)).short()


def test_what_pg_dump_and_psql_copy_is_the_same(example_database: Database) -> None:
    """Made in another way, with other numbers, in another order."""
    server: EmbeddedServer = example_database.server
    copy = Database(server, "copied_for_a_snapshot")
    server.create_database(copy.name)
    try:
        dump = subprocess.run(
            [server.programs / "pg_dump", "--schema-only", "--dbname", example_database.url.value],
            capture_output=True, check=True,
        )  # fmt: skip
        subprocess.run(
            [server.programs / "psql", "-X", "-q", "--set", "ON_ERROR_STOP=1", "--dbname", copy.url.value],
            input=dump.stdout, capture_output=True, check=True,
        )  # fmt: skip
        assert schema_difference(look(example_database), look(copy)).short() == ()
        assert look(example_database).fingerprint == look(copy).fingerprint
    finally:
        Database(server, "postgres").query(f"DROP DATABASE {copy.name} WITH (FORCE)")


def test_members_of_an_extension_are_no_part_of_it(base: Database) -> None:
    base.query("CREATE EXTENSION vector")
    assert [each.name for each in look(base).objects if "vector" in each.name] == ["vector"]


def test_an_invalid_index_is_told(base: Database) -> None:
    base.query("INSERT INTO users VALUES (1, 'x'), (2, 'x')")
    before = look(base)
    with base.connect() as connection, pytest.raises(Exception, match="could not create unique index"):
        connection.execute("CREATE UNIQUE INDEX CONCURRENTLY i ON users (email)")
    assert schema_difference(before, look(base)).short() == (
        "+ index public.i on public.users USING btree (email) INVALID",
    )
