"""What a statement makes, and which of the ledger's objects it changes."""

import postgast
import pytest

from runner.core.classify import traits
from runner.core.ledger import COMPLETE
from runner.core.migration import Traits
from runner.core.objects import LEDGER


def traits_of(sql: str) -> Traits:
    (statement,) = postgast.parse(sql).stmts
    return traits(statement.stmt)


@pytest.mark.parametrize(
    ("sql", "creates"),
    [
        ("CREATE TABLE T (a int)", "t"),
        ("CREATE TABLE IF NOT EXISTS app.t (a int)", "app.t"),
        ("CREATE TEMP TABLE t (a int)", "t"),
        ("CREATE FOREIGN TABLE app.t (a int) SERVER s", "app.t"),
        ("CREATE TABLE app.t AS SELECT 1", "app.t"),
        ("CREATE TABLE t AS EXECUTE q", "t"),
        ("SELECT 1 INTO t", "t"),
        ("SELECT 1", ""),
        ("CREATE VIEW app.v AS SELECT 1", "app.v"),
        ("CREATE OR REPLACE VIEW v AS SELECT 1", "v"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1", "v"),
        ("CREATE INDEX i ON t (a)", "i"),
        ("CREATE INDEX CONCURRENTLY i ON app.t (a)", "app.i"),
        ("CREATE INDEX ON t (a)", ""),
        ("CREATE SEQUENCE app.s", "app.s"),
        ("CREATE TYPE app.mood AS ENUM ('sad')", "app.mood"),
        ("CREATE TYPE pair AS (x int, y int)", "pair"),
        ("CREATE TYPE app.span AS RANGE (SUBTYPE = int)", "app.span"),
        ("CREATE TYPE shell", "shell"),
        ("CREATE DOMAIN app.positive AS int CHECK (VALUE > 0)", "app.positive"),
        ("CREATE AGGREGATE total(int) (SFUNC = int4pl, STYPE = int)", ""),
        ("CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'", ""),
        ("CREATE SCHEMA app CREATE TABLE t (a int) CREATE VIEW other.v AS SELECT 1", "app.t other.v"),
        ("CREATE SCHEMA AUTHORIZATION ada CREATE TABLE t (a int)", "ada.t"),
        ("CREATE SCHEMA AUTHORIZATION CURRENT_USER CREATE TABLE t (a int)", "t"),
        ("CREATE SCHEMA app", ""),
        ("ALTER TABLE app.t RENAME TO u", "app.u"),
        ("ALTER INDEX i RENAME TO j", "j"),
        ("ALTER TABLE t RENAME COLUMN a TO b", ""),
        ("ALTER TYPE mood RENAME TO feeling", ""),
        ("CREATE ROLE ada", "role:ada"),
        ("CREATE USER \"Ada\" PASSWORD 'x'", "role:Ada"),
        ("ALTER ROLE ada RENAME TO eve", "role:eve"),
        ("EXPLAIN ANALYZE CREATE TABLE t AS SELECT 1", "t"),
        ("EXPLAIN CREATE TABLE t AS SELECT 1", ""),
        ("INSERT INTO t VALUES (1)", ""),
    ],
)
def test_creates(sql: str, creates: str) -> None:
    assert " ".join(traits_of(sql).creates) == creates


@pytest.mark.parametrize(
    ("sql", "ledger"),
    [
        ("INSERT INTO schema_migrations VALUES (1)", "schema_migrations"),
        ("INSERT INTO App.Schema_Migrations VALUES (1)", "app.schema_migrations"),
        ("UPDATE ONLY public.migration_history SET status = 'x'", "public.migration_history"),
        ("DELETE FROM migration_runs", "migration_runs"),
        ("MERGE INTO migration_environment e USING t ON true WHEN MATCHED THEN DELETE", "migration_environment"),
        ("TRUNCATE t, schema_migrations CASCADE", "schema_migrations"),
        ("COPY schema_migrations FROM '/x'", "schema_migrations"),
        ("COPY (DELETE FROM schema_migrations RETURNING *) TO '/x'", "schema_migrations"),
        ("WITH x AS (DELETE FROM schema_migrations RETURNING *) SELECT * FROM x", "schema_migrations"),
        ("WITH x AS (UPDATE migration_runs SET ref = '' RETURNING *) INSERT INTO t SELECT * FROM x", "migration_runs"),
        ("WITH x AS (DELETE FROM schema_migrations) DELETE FROM migration_runs", "migration_runs schema_migrations"),
        ("EXPLAIN ANALYZE DELETE FROM schema_migrations", "schema_migrations"),
        ("PREPARE q AS DELETE FROM schema_migrations", "schema_migrations"),
        ("CREATE TABLE t AS WITH x AS (DELETE FROM schema_migrations RETURNING *) TABLE x", "schema_migrations"),
        ("ALTER TABLE schema_migrations ADD COLUMN x int", "schema_migrations"),
        ("ALTER TABLE schema_migrations OWNER TO r", "schema_migrations"),
        ("ALTER TABLE schema_migrations RENAME TO old", "schema_migrations"),
        ("ALTER TABLE schema_migrations RENAME COLUMN version TO v", "schema_migrations"),
        ("ALTER TABLE app.old RENAME TO schema_migrations", "app.schema_migrations"),
        ("ALTER TABLE schema_migrations SET SCHEMA app", "schema_migrations"),
        ("ALTER TABLE t ATTACH PARTITION schema_migrations DEFAULT", "schema_migrations"),
        ("ALTER TABLE t INHERIT schema_migrations", "schema_migrations"),
        ("ALTER TRIGGER tr ON schema_migrations RENAME TO x", "schema_migrations"),
        ("ALTER VIEW migration_status_view SET (security_barrier)", "migration_status_view"),
        ("ALTER FUNCTION get_migration_status() STABLE", "get_migration_status"),
        ("ALTER FUNCTION get_migration_status() OWNER TO r", "get_migration_status"),
        ("ALTER FUNCTION app.get_migration_status() SET SCHEMA x", "app.get_migration_status"),
        ("ALTER FUNCTION get_migration_status() RENAME TO x", "get_migration_status"),
        ("ALTER FUNCTION get_migration_status() DEPENDS ON EXTENSION e", "get_migration_status"),
        ("CREATE TABLE schema_migrations (version bigint)", "schema_migrations"),
        ("CREATE TABLE t () INHERITS (schema_migrations)", "schema_migrations"),
        ("CREATE TABLE schema_migrations AS SELECT 1", "schema_migrations"),
        ("SELECT 1 INTO schema_migrations", "schema_migrations"),
        ("CREATE OR REPLACE VIEW migration_status_view AS SELECT 1", "migration_status_view"),
        ("CREATE OR REPLACE FUNCTION app.get_migration_status() RETURNS int LANGUAGE sql AS 'SELECT 1'",
         "app.get_migration_status"),
        ("CREATE INDEX i ON schema_migrations (status)", "schema_migrations"),
        ("CREATE TRIGGER tr AFTER INSERT ON schema_migrations EXECUTE FUNCTION f()", "schema_migrations"),
        ("CREATE RULE r AS ON INSERT TO migration_history DO NOTHING", "migration_history"),
        ("CREATE POLICY p ON migration_history", "migration_history"),
        ("ALTER POLICY p ON migration_history RENAME TO q", "migration_history"),
        ("ALTER POLICY p ON migration_history USING (true)", "migration_history"),
        ("DROP TABLE IF EXISTS t, app.schema_migrations", "app.schema_migrations"),
        ("DROP VIEW migration_status_view", "migration_status_view"),
        ("DROP FUNCTION get_migration_status", "get_migration_status"),
        ("DROP ROUTINE app.get_migration_status()", "app.get_migration_status"),
        ("DROP TRIGGER tr ON schema_migrations", "schema_migrations"),
        ("DROP RULE r ON app.migration_history", "app.migration_history"),
        ("DROP POLICY p ON migration_history", "migration_history"),
        ("DROP SCHEMA public, app CASCADE", "public. app."),
        ("ALTER SCHEMA app RENAME TO old", "app."),
    ],
)  # fmt: skip
def test_changes_the_ledger(sql: str, ledger: str) -> None:
    assert " ".join(traits_of(sql).ledger) == ledger


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM schema_migrations",
        "INSERT INTO t SELECT * FROM schema_migrations",
        "WITH schema_migrations AS (SELECT 1) SELECT * FROM schema_migrations",
        "COPY schema_migrations TO '/x'",
        "EXPLAIN DELETE FROM schema_migrations",
        "LOCK schema_migrations",
        "GRANT SELECT ON schema_migrations TO r",
        "REVOKE ALL ON schema_migrations FROM PUBLIC",
        "COMMENT ON TABLE schema_migrations IS 'x'",
        "ANALYZE schema_migrations",
        "CREATE TABLE IF NOT EXISTS schema_migrations (version bigint)",
        "CREATE TABLE IF NOT EXISTS schema_migrations AS SELECT 1",
        "CREATE TABLE t (version text REFERENCES schema_migrations)",
        "ALTER TABLE t ADD FOREIGN KEY (version) REFERENCES schema_migrations",
        "CREATE VIEW v AS SELECT * FROM schema_migrations",
        "CREATE VIEW schema_migrations_view AS SELECT 1",
        'DROP TABLE "Schema_Migrations"',
        "DROP TABLE schema_migrations_old",
        "DROP TRIGGER schema_migrations ON t",
        "DROP TYPE schema_migrations",
        "ALTER TABLE t RENAME COLUMN a TO schema_migrations",
        "CREATE SCHEMA app",
        "ALTER SCHEMA app OWNER TO r",
        "CREATE SCHEMA IF NOT EXISTS public",
        "DO $$ BEGIN DELETE FROM schema_migrations; END $$",
        "DROP OWNED BY r",
    ],
)
def test_leaves_the_ledger_alone(sql: str) -> None:
    assert traits_of(sql).ledger == ()


def test_knows_every_table_of_the_ledger() -> None:
    assert COMPLETE.keys() <= LEDGER
