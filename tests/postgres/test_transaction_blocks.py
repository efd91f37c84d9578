"""Which statements refuse a transaction block and which need one: the traits, against what real servers say."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import postgast
import pytest
from psycopg.errors import ActiveSqlTransaction, Diagnostic, NoActiveSqlTransaction

from runner.core.classify import traits
from runner.core.migration import Control, Traits
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.session import Connection, connect
from tests.conftest import VERSIONS

DATABASE = "transaction_blocks"
OBJECTS = """
    CREATE TABLE t (a int PRIMARY KEY, b int);
    ALTER TABLE t ADD CONSTRAINT unproved CHECK (b > 0) NOT VALID;
    ALTER TABLE t CLUSTER ON t_pkey;
    CREATE INDEX t_b ON t (b);
    CREATE TABLE parts (a int NOT NULL PRIMARY KEY) PARTITION BY LIST (a);
    ALTER INDEX parts_pkey RENAME TO parts_key;
    CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);
    CREATE TABLE lone (a int NOT NULL);
    CREATE SCHEMA app;
    CREATE TABLE app.t (a int);
    CREATE MATERIALIZED VIEW m AS SELECT 1 AS one;
    CREATE UNIQUE INDEX m_one ON m (one);
    CREATE TYPE mood AS ENUM ('sad');
    CREATE PUBLICATION p FOR TABLE t;
"""
SUBSCRIBED = "CREATE SUBSCRIPTION s CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = false)"
ENABLED = f"{SUBSCRIBED}; ALTER SUBSCRIPTION s ENABLE"

REFUSED = [
    "CREATE INDEX CONCURRENTLY n ON t (b)",
    "CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS t_b ON t (b)",
    "DROP INDEX CONCURRENTLY t_b",
    "DROP INDEX CONCURRENTLY IF EXISTS app.nope",
    "REINDEX INDEX CONCURRENTLY t_b",
    "REINDEX (CONCURRENTLY) TABLE t",
    "REINDEX (VERBOSE, CONCURRENTLY true) TABLE t",
    "REINDEX SCHEMA app",
    "REINDEX SCHEMA CONCURRENTLY app",
    "REINDEX DATABASE {database}",
    "REINDEX SYSTEM {database}",
    "REINDEX DATABASE",
    "ALTER TABLE parts DETACH PARTITION part CONCURRENTLY",
    "VACUUM",
    "VACUUM t",
    "VACUUM FULL t",
    "VACUUM (ANALYZE, FREEZE) t",
    "VACUUM (FULL false) t",
    "CLUSTER",
    "CLUSTER VERBOSE",
    "DISCARD ALL",
    "CREATE DATABASE n",
    "DROP DATABASE nope",
    "DROP DATABASE IF EXISTS nope WITH (FORCE)",
    "ALTER DATABASE postgres SET TABLESPACE pg_default",
    "ALTER SYSTEM SET work_mem = '4MB'",
    "ALTER SYSTEM RESET ALL",
    "CREATE TABLESPACE n LOCATION '/nowhere'",
    "DROP TABLESPACE nope",
    "DROP TABLESPACE IF EXISTS nope",
    "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p",
    "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = on, enabled = off)",
    "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p WITH (create_slot = true)",
    "COMMIT PREPARED 'nope'",
    "ROLLBACK PREPARED 'nope'",
]
REFUSED_AFTER = [
    (ENABLED, "ALTER SUBSCRIPTION s REFRESH PUBLICATION"),
    (ENABLED, "ALTER SUBSCRIPTION s REFRESH PUBLICATION WITH (copy_data = false)"),
    (ENABLED, "ALTER SUBSCRIPTION s SET PUBLICATION q"),
    (ENABLED, "ALTER SUBSCRIPTION s SET PUBLICATION q WITH (refresh = on)"),
    (ENABLED, "ALTER SUBSCRIPTION s ADD PUBLICATION q"),
    (ENABLED, "ALTER SUBSCRIPTION s ADD PUBLICATION q WITH (copy_data = false)"),
    (f"{SUBSCRIBED}; ALTER SUBSCRIPTION s SET PUBLICATION p, q WITH (refresh = off); ALTER SUBSCRIPTION s ENABLE",
     "ALTER SUBSCRIPTION s DROP PUBLICATION q"),
    (SUBSCRIBED, "DROP SUBSCRIPTION s"),
    (SUBSCRIBED, "DROP SUBSCRIPTION IF EXISTS s"),
]  # fmt: skip
REFUSED_SINCE = [
    (17, SUBSCRIBED, "ALTER SUBSCRIPTION s SET (failover = true)"),
    (17, SUBSCRIBED, "ALTER SUBSCRIPTION s SET (failover = false, binary = true)"),
    (18, SUBSCRIBED, "ALTER SUBSCRIPTION s SET (two_phase = false)"),
    (18, SUBSCRIBED, "ALTER SUBSCRIPTION s SET (two_phase = off)"),
]
ALLOWED = [
    "CREATE INDEX n ON t (b)",
    'CREATE INDEX "concurrently" ON t (b)',
    "DROP INDEX t_b",
    "DROP TABLE lone",
    "REINDEX TABLE t",
    "REINDEX INDEX t_b",
    "REINDEX (VERBOSE) TABLE t",
    "REINDEX (CONCURRENTLY false) TABLE t",
    "REINDEX (CONCURRENTLY off) TABLE t",
    "REINDEX (CONCURRENTLY 0) TABLE t",
    "REFRESH MATERIALIZED VIEW m",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
    "ALTER TABLE parts DETACH PARTITION part",
    "ALTER TABLE parts ATTACH PARTITION lone FOR VALUES IN (2)",
    "ALTER TABLE t VALIDATE CONSTRAINT unproved",
    "ALTER TABLE t SET TABLESPACE pg_default",
    "ALTER TABLE ALL IN TABLESPACE pg_default SET TABLESPACE pg_default",
    "ANALYZE",
    "ANALYZE (VERBOSE) t",
    "CLUSTER t",
    "CLUSTER t USING t_pkey",
    "DISCARD PLANS",
    "DISCARD SEQUENCES",
    "DISCARD TEMP",
    "ALTER DATABASE {database} SET work_mem = '8MB'",
    "ALTER DATABASE {database} CONNECTION LIMIT 5",
    "ALTER DATABASE {database} RESET ALL",
    "ALTER DATABASE {database} OWNER TO CURRENT_USER",
    "ALTER DATABASE {database} REFRESH COLLATION VERSION",
    "ALTER TABLESPACE pg_default SET (seq_page_cost = 1)",
    "ALTER TYPE mood ADD VALUE 'ok'",
    "ALTER TYPE mood RENAME VALUE 'sad' TO 'ok'",
    "CREATE PUBLICATION n FOR ALL TABLES",
    "ALTER PUBLICATION p ADD TABLE lone",
    SUBSCRIBED,
    "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = 'off')",
    "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = 0, slot_name = NONE)",
    "CREATE ROLE n",
    "CREATE EXTENSION IF NOT EXISTS plpgsql",
    "LOCK TABLE t",
    "CHECKPOINT",
    "LISTEN n",
    "NOTIFY n",
    "DO $$ BEGIN PERFORM 1; END $$",
    "SELECT 'VACUUM'",
]
ALLOWED_AFTER = [
    (SUBSCRIBED, "ALTER SUBSCRIPTION s SET PUBLICATION q WITH (refresh = false)"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s ADD PUBLICATION q WITH (refresh = off)"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s SET (slot_name = NONE)"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s SET (binary = true)"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s CONNECTION 'host=/elsewhere'"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s ENABLE"),
    (SUBSCRIBED, "ALTER SUBSCRIPTION s RENAME TO n"),
    (ENABLED, "ALTER SUBSCRIPTION s DISABLE"),
]
ALLOWED_SINCE = [
    (18, SUBSCRIBED, "ALTER SUBSCRIPTION s SET (two_phase = true)"),
    (
        17,
        SUBSCRIBED,
        "CREATE SUBSCRIPTION n CONNECTION 'host=/nowhere' PUBLICATION p WITH (connect = 0, failover = on)",
    ),
]

# Where the answer is in the catalog: the traits allow what the server refuses …
REFUSED_BY_THE_CATALOG = ["REINDEX TABLE parts", "REINDEX INDEX parts_key", "CLUSTER parts USING parts_key"]
# … and refuse what it allows: without a slot. Outside of a transaction it runs as well.
ALLOWED_BY_THE_CATALOG = [
    (f"{SUBSCRIBED}; ALTER SUBSCRIPTION s SET (slot_name = NONE)", "DROP SUBSCRIPTION s"),
    ("", "DROP SUBSCRIPTION IF EXISTS nope"),
]


Row = tuple[int, str, str]  # first server version, what runs before in the same transaction, the statement


def rows(alone: list[str], after: list[tuple[str, str]], since: list[Row]) -> list[Row]:
    return [*((0, "", sql) for sql in alone), *((0, before, sql) for before, sql in after), *since]


NEEDS_ONE = [
    "LOCK TABLE t",
    "LOCK t IN SHARE MODE",
    "SAVEPOINT x",
    "RELEASE x",
    "RELEASE SAVEPOINT x",
    "ROLLBACK TO x",
    "ROLLBACK WORK TO SAVEPOINT x",
    "DECLARE c CURSOR FOR SELECT 1",
    "DECLARE c NO SCROLL CURSOR WITHOUT HOLD FOR SELECT 1",
    "SET LOCAL work_mem = '8MB'",
    "SET LOCAL work_mem TO DEFAULT",
    "SET LOCAL ROLE pg_monitor",
    "SET LOCAL TIME ZONE 'UTC'",
    "SET TRANSACTION READ ONLY",
    "SET LOCAL TRANSACTION READ ONLY",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "SET CONSTRAINTS ALL DEFERRED",
    "SET CONSTRAINTS ALL IMMEDIATE",
]
NEEDS_NONE = [
    "DECLARE held CURSOR WITH HOLD FOR SELECT 1",
    "SET work_mem = '8MB'",
    "SET SESSION work_mem = '8MB'",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "SET SESSION AUTHORIZATION DEFAULT",
    "RESET work_mem",
    "RESET ALL",
    "SELECT set_config('work_mem', '8MB', true)",
    "SELECT * FROM t FOR UPDATE",
    "DO $$ BEGIN LOCK TABLE t; END $$",
    "EXPLAIN DECLARE c CURSOR FOR SELECT 1",
    "PREPARE q AS SELECT 1",
    "ANALYZE t",
]


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def connection(request: pytest.FixtureRequest, servers: Callable[[int], EmbeddedServer]) -> Iterator[Connection]:
    """A connection to a database that has OBJECTS; no test here leaves anything behind."""
    server = servers(request.param)
    with connect(server.create_database(DATABASE), application_name="a test") as connection:
        connection.execute(OBJECTS.encode())
        yield connection
    with connect(server.url(), application_name="a test") as connection:
        connection.execute(f"DROP DATABASE {DATABASE}".encode())


def traits_of(sql: str) -> Traits:
    (statement,) = postgast.parse(sql).stmts
    return traits(statement.stmt)


def said_to_be_refused(sql: str) -> bool:
    found = traits_of(sql)
    return bool(found.no_transaction) or found.control is Control.PREPARED


def refused_by_the_server(connection: Connection, before: str, sql: str) -> bool:
    """Whether it refuses the statement in a transaction. Any other error is one of the test."""
    with connection.transaction(force_rollback=True):
        connection.execute(before.encode())
        try:
            with connection.transaction():
                connection.execute(sql.encode())
        except ActiveSqlTransaction:
            return True
        return False


def missed_by_the_server(connection: Connection, sql: str) -> bool:
    """Whether it refuses the statement outside of a transaction, or warns that it does nothing there."""
    codes = []
    with listening(connection, lambda notice: codes.append(notice.sqlstate)):
        try:
            connection.execute(sql.encode())
        except NoActiveSqlTransaction:
            return True
    return NoActiveSqlTransaction.sqlstate in codes


@contextmanager
def listening(connection: Connection, handler: Callable[[Diagnostic], None]) -> Iterator[None]:
    connection.add_notice_handler(handler)
    yield
    connection.remove_notice_handler(handler)


@pytest.mark.parametrize(("since", "before", "sql"), rows(REFUSED, REFUSED_AFTER, REFUSED_SINCE))
def test_what_the_server_refuses_in_a_transaction(connection: Connection, since: int, before: str, sql: str) -> None:
    sql = sql.format(database=DATABASE)
    assert said_to_be_refused(sql)
    if connection.info.server_version // 10000 >= since:
        assert refused_by_the_server(connection, before, sql)


@pytest.mark.parametrize(("since", "before", "sql"), rows(ALLOWED, ALLOWED_AFTER, ALLOWED_SINCE))
def test_what_the_server_allows_in_a_transaction(connection: Connection, since: int, before: str, sql: str) -> None:
    sql = sql.format(database=DATABASE)
    assert not said_to_be_refused(sql)
    if connection.info.server_version // 10000 >= since:
        assert not refused_by_the_server(connection, before, sql)


@pytest.mark.parametrize("sql", REFUSED_BY_THE_CATALOG)
def test_what_the_statement_does_not_tell_is_left_to_the_server(connection: Connection, sql: str) -> None:
    assert refused_by_the_server(connection, "", sql)
    assert not said_to_be_refused(sql)


@pytest.mark.parametrize(("before", "sql"), ALLOWED_BY_THE_CATALOG)
def test_a_subscription_counts_as_one_with_a_slot(connection: Connection, before: str, sql: str) -> None:
    assert not refused_by_the_server(connection, before, sql)
    assert said_to_be_refused(sql)


@pytest.mark.parametrize("sql", NEEDS_ONE)
def test_what_the_server_misses_a_transaction_for(connection: Connection, sql: str) -> None:
    assert traits_of(sql).only_in_transaction
    assert missed_by_the_server(connection, sql)


@pytest.mark.parametrize("sql", NEEDS_NONE)
def test_what_the_server_runs_without_a_transaction(connection: Connection, sql: str) -> None:
    assert not traits_of(sql).only_in_transaction
    assert not missed_by_the_server(connection, sql)
