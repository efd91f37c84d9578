"""What real servers' catalogs say of a schema, and of what became of it."""

import subprocess

import psycopg
import pytest
from psycopg.pq import TransactionStatus

from runner.core.schema import Schema
from runner.core.schema_diff import schema_difference
from runner.errors import DatabaseUnusable
from runner.postgres.catalog_snapshot import SETTINGS, catalog_snapshot
from runner.postgres.ledger import Ledger
from runner.postgres.session import Connection
from tests.builders import a_context
from tests.conftest import Database

USERS = "CREATE TABLE users (id bigint PRIMARY KEY, email text, age integer)"
F = "FUNCTION f(a integer) RETURNS integer LANGUAGE sql AS"
TOUCH = "CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'"

# Each case: what is done one after another, and what each of it is told as.
CASES: dict[str, list[tuple[str, ...]]] = {
    "table": [
        ("CREATE TABLE invoices (a int, b int, c int, d int, e int, f int, g int)",
         "+ table public.invoices (7 columns)"),
        ("CREATE TABLE empty ()", "+ table public.empty (no columns)"),
        (
            ("CREATE TABLE orders (id bigserial PRIMARY KEY, total int UNIQUE CHECK (total > 0), user_id int);"
             "CREATE INDEX ON orders (user_id); COMMENT ON COLUMN orders.id IS 'x'; GRANT SELECT ON orders TO nobody;"
             "GRANT USAGE ON SEQUENCE orders_id_seq TO nobody; COMMENT ON SEQUENCE orders_id_seq IS 'x';"
             "COMMENT ON INDEX orders_pkey IS 'x'; COMMENT ON CONSTRAINT orders_pkey ON orders IS 'x';"
             "CREATE POLICY own ON orders; COMMENT ON POLICY own ON orders IS 'x';"
             "CREATE STATISTICS ON id, total FROM orders"),
            "+ table public.orders (3 columns, 1 index, 1 policy)",
        ),
        (
            "ALTER TABLE orders RENAME TO bills",
            "+ table public.bills (3 columns, 1 index, 1 policy)",
            "- table public.orders (3 columns, 1 index, 1 policy)",
        ),
        ("DROP TABLE bills", "- table public.bills (3 columns, 1 index, 1 policy)"),
        ("ALTER TABLE invoices SET (fillfactor = 70)", "~ table public.invoices: + WITH (fillfactor=70)"),
        ("ALTER TABLE invoices SET (autovacuum_enabled = off)",
         "~ table public.invoices: + WITH (autovacuum_enabled=off, fillfactor=70), - WITH (fillfactor=70)"),
        ("ALTER TABLE empty SET UNLOGGED", "~ table public.empty: + UNLOGGED"),
        ("ALTER TABLE empty REPLICA IDENTITY FULL", "~ table public.empty: + REPLICA IDENTITY FULL"),
        ("ALTER TABLE empty ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY",
         "~ table public.empty: + ENABLE ROW LEVEL SECURITY, + FORCE ROW LEVEL SECURITY"),
        ("ALTER TABLE empty OWNER TO nobody; ALTER TABLE invoices ALTER a SET STATISTICS 7",),
    ],
    "column": [
        (USERS, "+ table public.users (3 columns)"),
        ("ALTER TABLE users ADD nick text NOT NULL DEFAULT 'x'",
         "~ table public.users: + column nick text NOT NULL DEFAULT 'x'::text"),
        ("ALTER TABLE users DROP nick, ADD city varchar(40), ALTER age TYPE bigint",
         "~ table public.users: + column city character varying(40), - column nick, ~ column age: integer → bigint"),
        ("ALTER TABLE users ALTER email SET NOT NULL", "~ table public.users: ~ column email: text → text NOT NULL"),
        ("ALTER TABLE users ALTER age SET DEFAULT 1 + 1",
         "~ table public.users: ~ column age: bigint → bigint DEFAULT (1 + 1)"),
        ("ALTER TABLE users ALTER age DROP DEFAULT",
         "~ table public.users: ~ column age: bigint DEFAULT (1 + 1) → bigint"),
        ('ALTER TABLE users ALTER city TYPE varchar(40) COLLATE "C"',
         '~ table public.users: ~ column city: character varying(40) → character varying(40) COLLATE "C"'),
        ("ALTER TABLE users ALTER email SET STORAGE EXTERNAL, ALTER email SET COMPRESSION pglz",
         "~ table public.users: ~ column email: text NOT NULL → text STORAGE EXTERNAL COMPRESSION pglz NOT NULL"),
        ("ALTER TABLE users ALTER id ADD GENERATED ALWAYS AS IDENTITY",
         "~ table public.users: ~ column id: bigint NOT NULL → bigint NOT NULL GENERATED ALWAYS AS IDENTITY"),
        ("ALTER TABLE users ALTER id SET INCREMENT 5 SET START 100",
         ("~ table public.users: ~ column id: bigint NOT NULL GENERATED ALWAYS AS IDENTITY → "
         "bigint NOT NULL GENERATED ALWAYS AS IDENTITY (INCREMENT 5 START 100)")),
        ("ALTER TABLE users ADD twice bigint GENERATED ALWAYS AS (age * 2) STORED",
         "~ table public.users: + column twice bigint GENERATED ALWAYS AS ((age * 2)) STORED"),
        ("ALTER TABLE users RENAME email TO mail",
         "~ table public.users: + column mail text STORAGE EXTERNAL COMPRESSION pglz NOT NULL, - column email"),
    ],
    "constraint": [
        (USERS + "; CREATE TABLE orders (user_id bigint)",
         "+ table public.orders (1 column)", "+ table public.users (3 columns)"),
        ("ALTER TABLE orders ADD CONSTRAINT fk FOREIGN KEY (user_id) REFERENCES users NOT VALID",
         "~ table public.orders: + constraint fk FOREIGN KEY (user_id) REFERENCES public.users(id) NOT VALID"),
        ("ALTER TABLE orders VALIDATE CONSTRAINT fk",
         ("~ table public.orders: ~ constraint fk: FOREIGN KEY (user_id) REFERENCES public.users(id) NOT VALID → "
         "FOREIGN KEY (user_id) REFERENCES public.users(id)")),
        ("ALTER TABLE users ADD CONSTRAINT adult CHECK (age >= 18), ADD UNIQUE (email)",
         "~ table public.users: + constraint adult CHECK ((age >= 18)), + constraint users_email_key UNIQUE (email)"),
        ("ALTER TABLE users DROP CONSTRAINT adult", "~ table public.users: - constraint adult"),
        ("ALTER TABLE orders ADD EXCLUDE (user_id WITH =)",
         "~ table public.orders: + constraint orders_user_id_excl EXCLUDE USING btree (user_id WITH =)"),
        ("DROP TABLE users CASCADE", "- table public.users (3 columns)", "~ table public.orders: - constraint fk"),
    ],
    "index": [
        (USERS, "+ table public.users (3 columns)"),
        ("CREATE INDEX users_email_idx ON users (email)", "+ index public.users_email_idx on public.users (email)"),
        ("CREATE UNIQUE INDEX one ON users (lower(email)) WHERE age > 1",
         "+ unique index public.one on public.users (lower(email)) WHERE (age > 1)"),
        ("CREATE INDEX hashed ON users USING hash (email)", "+ index public.hashed on public.users USING hash (email)"),
        ("ALTER INDEX hashed SET (fillfactor = 50)",
         "~ index public.hashed on public.users USING hash (email) WITH (fillfactor='50')"),
        ("DROP INDEX hashed", "- index public.hashed on public.users USING hash (email) WITH (fillfactor='50')"),
        ("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'users_email_idx'::regclass",
         "~ index public.users_email_idx on public.users (email) INVALID"),
        ("ALTER TABLE users ADD CONSTRAINT mine UNIQUE (age)", "~ table public.users: + constraint mine UNIQUE (age)"),
        ("ALTER TABLE users ALTER age SET NOT NULL, REPLICA IDENTITY USING INDEX mine",
         "~ table public.users: + REPLICA IDENTITY USING INDEX public.mine, ~ column age: integer → integer NOT NULL"),
    ],
    "statistics": [
        (USERS, "+ table public.users (3 columns)"),
        ("CREATE STATISTICS s ON email, age FROM users", "+ statistics public.s on public.users"),
        ("COMMENT ON STATISTICS s IS 'x'", "+ comment on statistics public.s"),
        ("DROP STATISTICS s", "- statistics public.s on public.users", "- comment on statistics public.s"),
    ],
    "view": [
        (USERS, "+ table public.users (3 columns)"),
        ("CREATE VIEW v AS SELECT id FROM users", "+ view public.v"),
        ("CREATE OR REPLACE VIEW v AS SELECT id FROM users WHERE age > 1", "~ view public.v"),
        ("ALTER VIEW v SET (security_barrier)", "~ view public.v"),
        ("COMMENT ON COLUMN v.id IS 'x'; GRANT SELECT ON v TO nobody",
         "+ grant SELECT on public.v to nobody", "+ comment on column public.v.id"),
        ("DROP VIEW v", "- view public.v"),
        ("CREATE MATERIALIZED VIEW m AS SELECT id FROM users; CREATE UNIQUE INDEX ON m (id)",
         "+ materialized view public.m"),
        ("CREATE INDEX mine ON m (id)", "+ index public.mine on public.m (id)"),
        ("REFRESH MATERIALIZED VIEW m",),
        ("DROP MATERIALIZED VIEW m", "- materialized view public.m"),
    ],
    "function": [
        (f"CREATE {F} 'SELECT 1'", "+ function public.f(integer)"),
        (f"CREATE OR REPLACE {F} 'SELECT 2'", "~ function public.f(integer)"),
        ("ALTER FUNCTION f STABLE", "~ function public.f(integer)"),
        ("CREATE FUNCTION f(text, VARIADIC integer[]) RETURNS SETOF text LANGUAGE sql BEGIN ATOMIC SELECT $1; END",
         "+ function public.f(text, integer[])"),
        ("CREATE PROCEDURE p() LANGUAGE sql AS 'SELECT 1'", "+ procedure public.p()"),
        ("CREATE OR REPLACE PROCEDURE p() LANGUAGE sql AS 'SELECT 2'", "~ procedure public.p()"),
        ("CREATE AGGREGATE total (integer) (SFUNC = int4pl, STYPE = integer)", "+ aggregate public.total(integer)"),
        ("CREATE OR REPLACE AGGREGATE total (integer) (SFUNC = int4pl, STYPE = integer, INITCOND = '1')",
         "~ aggregate public.total(integer)"),
        ("DROP AGGREGATE total(integer); DROP PROCEDURE p(); DROP FUNCTION f(integer)",
         "- aggregate public.total(integer)", "- function public.f(integer)", "- procedure public.p()"),
    ],
    "trigger": [
        (f"{USERS}; {TOUCH}", "+ function public.touch()", "+ table public.users (3 columns)"),
        ("CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch()",
         "+ trigger t on public.users"),
        ("ALTER TABLE users DISABLE TRIGGER t", "~ trigger t on public.users"),
        ("CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING", "+ rule r on public.users"),
        ("ALTER TABLE users DISABLE RULE r", "~ rule r on public.users"),
        ("CREATE CONSTRAINT TRIGGER c AFTER INSERT ON users DEFERRABLE FOR EACH ROW EXECUTE FUNCTION touch()",
         "+ trigger c on public.users"),
        ("DROP TRIGGER t ON users; DROP RULE r ON users", "- trigger t on public.users", "- rule r on public.users"),
        (("CREATE VIEW v AS SELECT id FROM users;"
          "CREATE TRIGGER i INSTEAD OF INSERT ON v FOR EACH ROW EXECUTE FUNCTION touch()"), "+ view public.v"),
        ("DROP TRIGGER i ON v", "- trigger i on public.v"),
    ],
    "policy": [
        (USERS, "+ table public.users (3 columns)"),
        ("CREATE POLICY own ON users FOR SELECT USING (age > 1)", "+ policy own on public.users"),
        ("ALTER POLICY own ON users TO nobody, locked", "~ policy own on public.users"),
        ("ALTER POLICY own ON users USING (age > 2)", "~ policy own on public.users"),
        ("DROP POLICY own ON users", "- policy own on public.users"),
    ],
    "enum": [
        ("CREATE TYPE mood AS ENUM ('sad', 'ok')", "+ enum public.mood"),
        ("ALTER TYPE mood ADD VALUE 'x' BEFORE 'ok'", "+ value 'x' of enum public.mood"),
        ("ALTER TYPE mood RENAME VALUE 'x' TO 'it''s'",
         "+ value 'it''s' of enum public.mood", "- value 'x' of enum public.mood"),
        ("CREATE TYPE nothing AS ENUM ()", "+ enum public.nothing"),
        ("COMMENT ON TYPE mood IS 'x'", "+ comment on type public.mood"),
        ("DROP TYPE mood", "- enum public.mood"),
    ],
    "type": [
        ("CREATE TYPE place AS (street text, zip integer)", "+ composite type public.place"),
        ("ALTER TYPE place ADD ATTRIBUTE city varchar(9), DROP ATTRIBUTE zip",
         "~ composite type public.place: + city character varying(9), - zip integer"),
        ("COMMENT ON TYPE place IS 'x'; COMMENT ON COLUMN place.city IS 'x'",
         "+ comment on column public.place.city", "+ comment on type public.place"),
        ("CREATE DOMAIN age AS integer CONSTRAINT old CHECK (VALUE > 0)", "+ domain public.age"),
        ("ALTER DOMAIN age SET DEFAULT 7", "~ domain public.age"),
        ("ALTER DOMAIN age SET NOT NULL", "~ domain public.age"),
        ("COMMENT ON CONSTRAINT old ON DOMAIN age IS 'x'", "+ comment on constraint old on domain public.age"),
        ("ALTER DOMAIN age DROP CONSTRAINT old",
         "- comment on constraint old on domain public.age", "~ domain public.age"),
        ("CREATE TYPE span AS RANGE (SUBTYPE = float8, SUBTYPE_DIFF = float8mi)", "+ range type public.span"),
        ("DROP TYPE span; DROP TYPE place; DROP DOMAIN age",
         "- composite type public.place", "- domain public.age", "- range type public.span"),
    ],
    "sequence": [
        ("CREATE SEQUENCE s", "+ sequence public.s"),
        ("ALTER SEQUENCE s INCREMENT 5 CYCLE", "~ sequence public.s"),
        ("SELECT nextval('s')",),
        (USERS, "+ table public.users (3 columns)"),
        ("ALTER SEQUENCE s OWNED BY users.id", "~ sequence public.s"),
        ("COMMENT ON SEQUENCE s IS 'x'", "+ comment on sequence public.s"),
        ("CREATE SEQUENCE small AS smallint MAXVALUE 9", "+ sequence public.small"),
        ("DROP SEQUENCE small", "- sequence public.small"),
        ("DROP TABLE users", "- table public.users (3 columns)"),
    ],
    "grant": [
        (USERS, "+ table public.users (3 columns)"),
        ("GRANT SELECT ON users TO nobody", "+ grant SELECT on public.users to nobody"),
        ("GRANT INSERT, UPDATE (email, age) ON users TO nobody",
         "+ grant INSERT, UPDATE (age), UPDATE (email) on public.users to nobody"),
        ("REVOKE SELECT ON users FROM nobody", "- grant SELECT on public.users to nobody"),
        ("GRANT INSERT ON users TO nobody WITH GRANT OPTION",
         "+ grant INSERT WITH GRANT OPTION on public.users to nobody", "- grant INSERT on public.users to nobody"),
        ("GRANT ALL ON users TO postgres; REVOKE TRIGGER ON users FROM postgres",),
        ("GRANT SELECT ON users TO PUBLIC", "+ grant SELECT on public.users to PUBLIC"),
        ("CREATE SCHEMA app; GRANT USAGE ON SCHEMA app TO nobody", "+ schema app"),
        ("GRANT CREATE ON SCHEMA app TO nobody", "+ grant CREATE on schema app to nobody"),
        (f"CREATE {F} 'SELECT 1'", "+ function public.f(integer)"),
        ("REVOKE EXECUTE ON FUNCTION f FROM PUBLIC", "+ revoke EXECUTE on function public.f(integer) from PUBLIC"),
        ("GRANT EXECUTE ON FUNCTION f TO PUBLIC", "- revoke EXECUTE on function public.f(integer) from PUBLIC"),
        ("CREATE SEQUENCE s", "+ sequence public.s"),
        ("GRANT USAGE ON SEQUENCE s TO nobody", "+ grant USAGE on sequence public.s to nobody"),
        ("CREATE TYPE mood AS ENUM ('sad')", "+ enum public.mood"),
        ("REVOKE USAGE ON TYPE mood FROM PUBLIC", "+ revoke USAGE on type public.mood from PUBLIC"),
        ("REVOKE ALL ON SCHEMA public FROM PUBLIC", "- grant USAGE on schema public to PUBLIC"),
    ],
    "default privileges": [
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT, INSERT ON TABLES TO nobody",
         "+ grant INSERT, SELECT on new tables of postgres in schema public to nobody"),
        ("ALTER DEFAULT PRIVILEGES REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC",
         "+ revoke EXECUTE on new functions of postgres from PUBLIC"),
        ("ALTER DEFAULT PRIVILEGES GRANT USAGE ON SEQUENCES TO nobody",
         "+ grant USAGE on new sequences of postgres to nobody"),
        ("ALTER DEFAULT PRIVILEGES IN SCHEMA public REVOKE INSERT ON TABLES FROM nobody",
         "- grant INSERT on new tables of postgres in schema public to nobody"),
        ("CREATE TABLE t ()", "+ table public.t (no columns)"),
    ],
    "comment": [
        ((f"{USERS}; {TOUCH}; CREATE TRIGGER t BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();"
          "CREATE RULE r AS ON DELETE TO users DO INSTEAD NOTHING; CREATE INDEX i ON users (age)"),
         "+ function public.touch()", "+ table public.users (3 columns, 1 index, 1 trigger)"),
        ("COMMENT ON TABLE users IS 'all'", "+ comment on table public.users"),
        ("COMMENT ON COLUMN users.email IS 'where'", "+ comment on column public.users.email"),
        ("COMMENT ON COLUMN users.email IS 'it''s'", "~ comment on column public.users.email"),
        ("COMMENT ON COLUMN users.email IS NULL", "- comment on column public.users.email"),
        ("COMMENT ON CONSTRAINT users_pkey ON users IS 'x'", "+ comment on constraint users_pkey on public.users"),
        ("COMMENT ON INDEX i IS 'x'", "+ comment on index public.i"),
        ("COMMENT ON TRIGGER t ON users IS 'x'", "+ comment on trigger t on public.users"),
        ("COMMENT ON RULE r ON users IS 'x'", "+ comment on rule r on public.users"),
        ("COMMENT ON FUNCTION touch() IS 'x'", "+ comment on function public.touch()"),
        ("COMMENT ON SCHEMA public IS 'mine'", "~ comment on schema public"),
        ("COMMENT ON EXTENSION plpgsql IS 'x'",),
    ],
    "extension": [
        ("CREATE EXTENSION vector", "+ extension vector {version}"),
        ("UPDATE pg_extension SET extversion = '9.9' WHERE extname = 'vector'", "~ extension vector: {version} → 9.9"),
        ("CREATE TABLE t (a vector(3)); CREATE INDEX ON t USING hnsw (a vector_l2_ops)",
         "+ table public.t (1 column, 1 index)"),
        ("DROP EXTENSION vector CASCADE",
         "- extension vector 9.9", "- index public.t_a_idx on public.t USING hnsw (a public.vector_l2_ops)",
         "~ table public.t: - column a"),
    ],
    "partition": [
        ("CREATE TABLE parts (a int PRIMARY KEY, b text) PARTITION BY RANGE (a); CREATE INDEX ON parts (b)",
         "+ table public.parts (2 columns, 1 index)"),
        ("CREATE TABLE part PARTITION OF parts FOR VALUES FROM (1) TO (9)", "+ table public.part (2 columns)"),
        ("ALTER TABLE parts DETACH PARTITION part",
         "+ index public.part_b_idx on public.part (b)",
         ("~ table public.part: + constraint part_pkey PRIMARY KEY (a), "
         "- PARTITION OF public.parts FOR VALUES FROM (1) TO (9)")),
        ("CREATE TABLE child () INHERITS (part)", "+ table public.child (2 columns)"),
        ("ALTER TABLE child NO INHERIT part", "~ table public.child: - INHERITS (public.part)"),
    ],
    "publication": [
        ("CREATE TABLE a (a int); CREATE TABLE b (a int, b int)",
         "+ table public.a (1 column)", "+ table public.b (2 columns)"),
        ("CREATE PUBLICATION p FOR TABLE a", "+ publication p"),
        ("ALTER PUBLICATION p ADD TABLE b (a) WHERE (a > 1)", "~ publication p"),
        ("ALTER PUBLICATION p SET (publish = 'insert', publish_via_partition_root)", "~ publication p"),
        ("ALTER PUBLICATION p SET TABLES IN SCHEMA public", "~ publication p"),
        ("COMMENT ON PUBLICATION p IS 'x'", "+ comment on publication p"),
        ("DROP PUBLICATION p", "- publication p"),
    ],
    "event trigger": [
        ("CREATE FUNCTION e() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN END'", "+ function public.e()"),
        ("CREATE EVENT TRIGGER t ON sql_drop WHEN TAG IN ('DROP TABLE', 'DROP VIEW') EXECUTE FUNCTION e()",
         "+ event trigger t"),
        ("ALTER EVENT TRIGGER t DISABLE", "~ event trigger t"),
        ("COMMENT ON EVENT TRIGGER t IS 'x'", "+ comment on event trigger t"),
        ("DROP EVENT TRIGGER t", "- event trigger t"),
    ],
    "schema": [
        ('CREATE SCHEMA "App"', '+ schema "App"'),
        ('CREATE TABLE "App".t (a int)', '+ table "App".t (1 column)'),
        ('ALTER SCHEMA "App" RENAME TO app',
         "+ table app.t (1 column)", "+ schema app", '- table "App".t (1 column)', '- schema "App"'),
        ("DROP SCHEMA app CASCADE", "- table app.t (1 column)", "- schema app"),
    ],
    "nothing": [
        (f"{USERS}; CREATE {F} 'SELECT 1'", "+ function public.f(integer)", "+ table public.users (3 columns)"),
        ("INSERT INTO users VALUES (1)",),
        ("ALTER TABLE users ADD x int; ALTER TABLE users DROP x",),
        ("CREATE SEQUENCE s; SELECT nextval('s'); DROP SEQUENCE s",),
        ("GRANT EXECUTE ON FUNCTION f TO PUBLIC",),
        ("ALTER INDEX users_pkey RENAME TO other; ALTER INDEX other RENAME TO users_pkey; ANALYZE users",),
    ],
    "others": [
        ("CREATE COLLATION mine FROM \"C\"", "+ collation public.mine"),
        (("CREATE FUNCTION same(integer, integer) RETURNS boolean LANGUAGE sql AS 'SELECT $1 = $2';"
          "CREATE OPERATOR === (FUNCTION = same, LEFTARG = integer, RIGHTARG = integer)"),
         "+ function public.same(integer, integer)", "+ operator public.===(integer,integer)"),
        ("CREATE TYPE place AS (a text); CREATE CAST (place AS text) WITH INOUT",
         "+ cast (public.place AS pg_catalog.text)", "+ composite type public.place"),
        ("CREATE TEXT SEARCH CONFIGURATION words (COPY = simple)", "+ text search configuration public.words"),
        ("COMMENT ON TEXT SEARCH CONFIGURATION words IS 'x'", "+ comment on text search configuration public.words"),
        ("CREATE FOREIGN DATA WRAPPER w; CREATE SERVER far FOREIGN DATA WRAPPER w",
         "+ foreign-data wrapper w", "+ server far"),
        ("CREATE FOREIGN TABLE there (a integer OPTIONS (name 'b')) SERVER far OPTIONS (name 'c')",
         "+ foreign table public.there (1 column)"),
        ("ALTER FOREIGN TABLE there OPTIONS (SET name 'd')",
         "~ table public.there: + SERVER far OPTIONS (name=d), - SERVER far OPTIONS (name=c)"),
        ("DROP SERVER far CASCADE", "- foreign table public.there (1 column)", "- server far"),
    ],
}  # fmt: skip

# One of nearly everything, and names that must be quoted.
SCHEMA = """
    CREATE TABLE users (gone text, id bigint GENERATED ALWAYS AS IDENTITY (START 5) PRIMARY KEY, also_gone int,
        email text NOT NULL DEFAULT 'a''b' COLLATE "C", since timestamptz DEFAULT '2026-01-01 12:00+02',
        took interval DEFAULT '1 day 2 hours', share float8 DEFAULT 0.1, raw bytea DEFAULT '\\x00ff'::bytea);
    ALTER TABLE users DROP gone, DROP also_gone;
    CREATE SCHEMA "We.ird ""x"" y";
    CREATE TYPE "We.ird ""x"" y".mood AS ENUM ('sad', 'it''s', 'ok');
    CREATE DOMAIN positive AS integer DEFAULT 1 CHECK (VALUE > 0);
    CREATE TYPE place AS (street text, "No." integer);
    CREATE TABLE "We.ird ""x"" y"."Täble ☃" ("id; --" serial, "sel""ect" "We.ird ""x"" y".mood, "%(x)s" positive,
        user_id bigint CONSTRAINT "f.k" REFERENCES users ON DELETE CASCADE, CONSTRAINT "chëck" CHECK ("%(x)s" < 9));
    CREATE INDEX "an ON (idx)" ON "We.ird ""x"" y"."Täble ☃" ("sel""ect" DESC) WHERE "%(x)s" > 1;
    CREATE FUNCTION "We.ird ""x"" y"."f(x)"("a b" positive, place[] = NULL) RETURNS TABLE ("x y" integer)
        LANGUAGE sql AS 'SELECT 1';
    CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$;
    CREATE TRIGGER "tr""igger" BEFORE UPDATE ON users FOR EACH ROW WHEN (NEW.email <> '') EXECUTE FUNCTION touch();
    CREATE POLICY "pol icy" ON users AS RESTRICTIVE FOR UPDATE TO nobody USING (id > 1) WITH CHECK (id > 2);
    CREATE VIEW v AS SELECT u.id, t."sel""ect" FROM users AS u JOIN "We.ird ""x"" y"."Täble ☃" AS t ON t.user_id = u.id;
    CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
    CREATE UNIQUE INDEX ON m (id);
    CREATE SEQUENCE "Count" AS integer INCREMENT -1 OWNED BY users.id;
    CREATE TABLE parts (id int, at date, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
    CREATE TABLE part PARTITION OF parts FOR VALUES FROM ('2026-01-01') TO ('2027-01-01');
    CREATE TABLE sub PARTITION OF parts (CHECK (id > 0)) DEFAULT PARTITION BY HASH (id);
    CREATE TABLE subsub PARTITION OF sub FOR VALUES WITH (MODULUS 1, REMAINDER 0);
    CREATE INDEX ON parts (at);
    CREATE TABLE child (more text) INHERITS (users);
    CREATE RULE "ru le" AS ON DELETE TO child DO INSTEAD NOTHING;
    GRANT SELECT, UPDATE ("sel""ect") ON "We.ird ""x"" y"."Täble ☃" TO nobody, PUBLIC;
    REVOKE EXECUTE ON FUNCTION touch() FROM PUBLIC;
    ALTER DEFAULT PRIVILEGES GRANT SELECT ON TABLES TO nobody;
    COMMENT ON COLUMN "We.ird ""x"" y"."Täble ☃"."sel""ect" IS 'it''s; -- \n$$';
    COMMENT ON FUNCTION "We.ird ""x"" y"."f(x)"(positive, place[]) IS 'f';
    CREATE STATISTICS ON email, since FROM users;
    CREATE EXTENSION vector;
    CREATE PUBLICATION "pub" FOR TABLE users (id, email) WHERE (id > 1);
    """


def snapshot(database: Database | Connection, ledger_schema: str = "public") -> Schema:
    if isinstance(database, Database):
        with database.connect() as connection:
            return catalog_snapshot(connection, ledger_schema=ledger_schema)
    return catalog_snapshot(database, ledger_schema=ledger_schema)


def said(before: Schema, after: Schema) -> set[str]:
    return set(schema_difference(before, after).short())


def ledger(schema: str = "public") -> Ledger:
    return Ledger(schema=schema, context=a_context(), environment="staging")


@pytest.fixture
def filled(database: Database) -> Database:
    """Has one of nearly everything."""
    database.query(SCHEMA)
    return database


@pytest.mark.parametrize("case", CASES)
def test_what_is_done_is_told_line_by_line(database: Database, case: str) -> None:
    version = str(database.value("SELECT default_version FROM pg_available_extensions WHERE name = 'vector'"))
    with database.connect() as connection:
        before = snapshot(connection)
        for change, *lines in CASES[case]:
            connection.execute(change.encode())
            after = snapshot(connection)
            difference = schema_difference(before, after)
            assert set(difference.short()) == {line.replace("{version}", version) for line in lines}, change
            assert len(difference.short()) == len(lines)
            assert bool(difference.unified()) == bool(lines)
            assert (before.fingerprint != after.fingerprint) == bool(lines)
            assert bool(schema_difference(after, before)) == bool(lines)
            before = after


def test_twice_is_the_same(filled: Database) -> None:
    first = snapshot(filled)
    assert snapshot(filled) == first
    assert Schema.from_json(first.to_json()) == first
    assert first.objects


def test_a_restored_dump_is_the_same(filled: Database) -> None:
    copy = f"{filled.name}_copy"
    url = filled.server.create_database(copy)
    try:
        dump = subprocess.run(
            [filled.server.programs / "pg_dump", "--dbname", filled.url.value], capture_output=True, check=True
        )
        subprocess.run(
            [filled.server.programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", "--dbname", url.value],
            input=dump.stdout, capture_output=True, check=True,
        )  # fmt: skip
        difference = schema_difference(snapshot(filled), snapshot(Database(filled.server, copy)))
        assert difference.short() == (), difference.unified()
        assert not difference
    finally:
        filled.query(f"DROP DATABASE {copy}")


def test_the_way_to_a_schema_does_not_matter(database: Database) -> None:
    parts = [
        "CREATE TABLE a (id int PRIMARY KEY, b text)",
        "CREATE TABLE b (id int PRIMARY KEY)",
        "CREATE INDEX i ON a (b)",
        "ALTER TABLE a ADD CONSTRAINT x CHECK (id > 1)",
        "GRANT SELECT ON a TO nobody",
        "GRANT INSERT ON a TO nobody",
        "ALTER TABLE a SET (fillfactor = 70)",
        "ALTER TABLE a SET (autovacuum_enabled = off)",
    ]
    drop = "DROP TABLE IF EXISTS a; DROP TABLE IF EXISTS b"
    snapshots = []
    for order in (parts, [*reversed(parts[:2]), *reversed(parts[2:])]):
        database.query("; ".join([drop, *order]))
        snapshots.append(snapshot(database))
    database.query(
        f"{drop}; CREATE TABLE a (gone int, id bigint, also int); ALTER TABLE a DROP gone, DROP also, ADD b text;"
        "ALTER TABLE a ALTER id TYPE int, ADD PRIMARY KEY (id); CREATE INDEX i ON a (lower(b)); DROP INDEX i"
    )
    database.query("; ".join(parts[1:]))
    assert snapshots[0] == snapshots[1] == snapshot(database)


def test_a_schema_is_the_same_whatever_the_session_is_set_to(filled: Database) -> None:
    with filled.connect() as connection:
        first = snapshot(connection)
        connection.execute(
            'SET search_path = "We.ird ""x"" y", public; SET datestyle = German, DMY; SET intervalstyle = iso_8601;'
            "SET timezone = 'Asia/Tokyo'; SET extra_float_digits = -10; SET bytea_output = escape;"
            "SET quote_all_identifiers = on; SET standard_conforming_strings = off"
        )
        assert schema_difference(first, snapshot(connection)).unified() == ""
        connection.execute("BEGIN")
        assert schema_difference(first, snapshot(connection)).unified() == ""


def test_columns_in_another_order_are_another_schema(database: Database) -> None:
    database.query("CREATE TABLE t (a int, b int)")
    before = snapshot(database)
    database.query("DROP TABLE t; CREATE TABLE t (b int, a int)")
    assert said(before, snapshot(database)) == {"~ table public.t: ~ columns in another order"}


@pytest.mark.parametrize("version", [18])
def test_a_virtual_column_is_told(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    before = snapshot(database)
    database.query("ALTER TABLE t ADD b int GENERATED ALWAYS AS (a * 2) VIRTUAL, ALTER a SET NOT NULL")
    assert said(before, snapshot(database)) == {
        (
            "~ table public.t: + column b integer GENERATED ALWAYS AS ((a * 2)) VIRTUAL, "
            "~ column a: integer → integer NOT NULL"
        )
    }


# In and outside of a transaction


def test_an_open_transaction_is_looked_into_and_left_as_it_was(filled: Database) -> None:
    before = snapshot(filled)
    with filled.connect() as connection:
        connection.execute("SET search_path = pg_temp, public; SET timezone = 'Asia/Tokyo'; BEGIN")
        connection.execute('SET LOCAL search_path = "$user", \'We.ird "x" y\'; SET LOCAL datestyle = German, DMY')
        connection.execute("ALTER TABLE public.users ADD COLUMN nick text; CREATE TEMP TABLE fleeting (a int)")
        kept = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS]
        inside = snapshot(connection)
        assert said(before, inside) == {
            "~ table public.users: + column nick text",
            "~ table public.child: + column nick text",
        }
        assert connection.info.transaction_status is TransactionStatus.INTRANS
        assert [connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS] == kept
        assert filled.query("SELECT FROM pg_attribute WHERE attname = 'nick'") == []
        connection.execute("COMMIT")
        assert connection.execute("SHOW search_path").fetchone() == ("pg_temp, public",)
        assert connection.execute("SHOW timezone").fetchone() == ("Asia/Tokyo",)
        assert snapshot(connection) == inside
    assert snapshot(filled) == inside


def test_outside_of_one_nothing_stays_open_or_set(filled: Database) -> None:
    with filled.connect() as connection:
        kept = [connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS]
        snapshot(connection)
        assert connection.info.transaction_status is TransactionStatus.IDLE
        assert [connection.execute(f"SHOW {name}".encode()).fetchone() for name in SETTINGS] == kept


def test_a_transaction_that_failed_is_ended_first(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("BEGIN")
        with pytest.raises(psycopg.Error):
            connection.execute("SELECT nope")
        assert snapshot(connection) == snapshot(database)
        assert connection.info.transaction_status is TransactionStatus.IDLE


def test_what_a_path_shadows_is_not_asked(database: Database) -> None:
    database.query("CREATE SCHEMA app; CREATE TABLE app.pg_class (a int)")
    for function in ("quote_ident", "current_setting"):
        database.query(f"CREATE FUNCTION app.{function}(text) RETURNS text RETURN 'wrong'")
    before = snapshot(database)
    with database.connect() as connection:
        connection.execute("SET search_path = app, pg_catalog; CREATE TEMP TABLE pg_type (a int)")
        assert snapshot(connection) == before
        connection.execute("BEGIN")
        assert snapshot(connection) == before


def test_a_role_without_rights_sees_the_same(filled: Database) -> None:
    with psycopg.connect(filled.as_role("nobody"), autocommit=True) as weak:
        assert snapshot(weak) == snapshot(filled)


def test_what_the_server_says_is_translated(database: Database) -> None:
    with database.connect() as connection:
        connection.execute("BEGIN; SET LOCAL statement_timeout = 1")
        with pytest.raises(DatabaseUnusable, match="57014"):
            snapshot(connection)
        connection.execute("ROLLBACK")
        assert snapshot(connection) == snapshot(database)


# What is no part of it


@pytest.mark.parametrize("schema", ["public", "au.dit"])
def test_the_ledger_is_no_part_of_it(database: Database, schema: str) -> None:
    before = snapshot(database, schema)
    with database.connect() as connection:
        ledger(schema).install(connection)
    name = '"au.dit"' if schema == "au.dit" else schema
    database.query(
        f"GRANT SELECT ON {name}.migration_runs TO nobody; CREATE INDEX mine ON {name}.schema_migrations (name);"
        f"COMMENT ON INDEX {name}.mine IS 'x'; COMMENT ON COLUMN {name}.schema_migrations.name IS 'x'"
    )
    assert snapshot(database, schema) == before
    assert snapshot(database, schema).to_json().count('["schema","public"') == 1


def test_what_else_is_in_its_schema_is_a_part_and_so_is_a_ledger_of_another_schema(database: Database) -> None:
    with database.connect() as connection:
        ledger().install(connection)
    before = snapshot(database)
    database.query("CREATE TABLE migrations (a int); CREATE FUNCTION get_migration_status(int) RETURNS int RETURN 1")
    assert said(before, snapshot(database)) == {
        "+ table public.migrations (1 column)",
        "+ function public.get_migration_status(integer)",
    }
    assert "+ table public.migration_environment (3 columns)" in said(before, snapshot(database, "elsewhere"))


def test_members_of_extensions_are_no_part_of_it(database: Database) -> None:
    before = snapshot(database)
    database.query("CREATE SCHEMA ext; CREATE EXTENSION vector SCHEMA ext")
    after = snapshot(database)
    assert {(each.kind, each.name) for each in schema_difference(before, after).added} == {
        ("extension", "vector"),
        ("schema", "ext"),
    }


def test_temporary_objects_are_no_part_of_it(database: Database) -> None:
    with database.connect() as connection:
        before = snapshot(connection)
        connection.execute(
            "CREATE TEMP TABLE t (a serial PRIMARY KEY); CREATE TEMP VIEW v AS SELECT a FROM t;"
            "COMMENT ON TABLE t IS 'x'; CREATE FUNCTION pg_temp.f() RETURNS int RETURN 1;"
            "CREATE TYPE pg_temp.e AS ENUM ('a'); CREATE COLLATION pg_temp.c FROM \"C\";"
            "COMMENT ON COLLATION pg_temp.c IS 'x'"
        )
        assert snapshot(connection) == before


# Names and lines


def test_nasty_names_are_written_as_sql_takes_them(filled: Database) -> None:
    empty = schema_difference(snapshot(filled), Schema(()))
    lines = set(empty.short(most=100))
    weird = '"We.ird ""x"" y"'
    assert {
        f"- schema {weird}",
        f"- enum {weird}.mood",
        f'- table {weird}."Täble ☃" (4 columns, 1 index)',
        f'- function {weird}."f(x)"(public.positive, public.place[])',
        "- table public.users (6 columns, 1 trigger, 1 policy)",
        "- table public.child (7 columns)",
        "- publication pub",
    } <= lines
    filled.query('DROP INDEX "We.ird ""x"" y"."an ON (idx)"')
    assert said(Schema(empty.before.objects), snapshot(filled)) == {
        f'- index {weird}."an ON (idx)" on {weird}."Täble ☃" ("sel""ect" DESC) WHERE (("%(x)s")::integer > 1)'
    }


def test_a_new_table_reads_like_its_statement(database: Database) -> None:
    before = snapshot(database)
    database.query(
        "CREATE TABLE users (id serial PRIMARY KEY, email text NOT NULL); CREATE INDEX mail ON users (email);"
        "ALTER TABLE users ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON users TO nobody USING (id > 1);"
        "GRANT SELECT ON users TO nobody; COMMENT ON TABLE users IS 'all'"
    )
    assert schema_difference(before, snapshot(database)).unified() == "\n".join(
        [
            "@@ public.users @@",
            "+table public.users (",
            "+    id integer NOT NULL DEFAULT nextval('public.users_id_seq'::regclass),",
            "+    email text NOT NULL,",
            "+    CONSTRAINT users_pkey PRIMARY KEY (id),",
            "+) ENABLE ROW LEVEL SECURITY",
            "+sequence public.users_id_seq AS integer OWNED BY public.users.id",
            "+CREATE INDEX mail ON public.users USING btree (email)",
            "+policy own on public.users FOR ALL TO nobody USING ((id > 1))",
            "+grant SELECT on public.users to nobody",
            "+comment on table public.users is 'all'",
        ]
    )
