"""What a statement does to the transaction around it, and how long it may take."""

import postgast
import pytest

from runner.core.classify import traits, traits_of_words
from runner.core.migration import Control, Traits


def traits_of(sql: str) -> Traits:
    (statement,) = postgast.parse(sql).stmts
    return traits(statement.stmt)


@pytest.mark.parametrize(
    ("sql", "control"),
    [
        ("BEGIN", Control.BEGIN),
        ("BEGIN WORK", Control.BEGIN),
        ("START TRANSACTION", Control.BEGIN),
        ("BEGIN ISOLATION LEVEL SERIALIZABLE", Control.BEGIN_WITH_OPTIONS),
        ("START TRANSACTION READ ONLY", Control.BEGIN_WITH_OPTIONS),
        ("BEGIN TRANSACTION NOT DEFERRABLE", Control.BEGIN_WITH_OPTIONS),
        ("COMMIT", Control.COMMIT),
        ("COMMIT WORK", Control.COMMIT),
        ("COMMIT AND NO CHAIN", Control.COMMIT),
        ("END", Control.COMMIT),
        ("END TRANSACTION", Control.COMMIT),
        ("ROLLBACK", Control.ROLLBACK),
        ("ROLLBACK AND NO CHAIN", Control.ROLLBACK),
        ("ABORT", Control.ROLLBACK),
        ("COMMIT AND CHAIN", Control.CHAIN),
        ("END AND CHAIN", Control.CHAIN),
        ("ROLLBACK AND CHAIN", Control.CHAIN),
        ("ABORT WORK AND CHAIN", Control.CHAIN),
        ("PREPARE TRANSACTION 'x'", Control.PREPARE),
        ("COMMIT PREPARED 'x'", Control.PREPARED),
        ("ROLLBACK PREPARED 'x'", Control.PREPARED),
        ("SAVEPOINT s", None),
        ("RELEASE s", None),
        ("ROLLBACK TO s", None),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", None),
        ("PREPARE q AS SELECT 1", None),
        ("DO $$ BEGIN COMMIT; END $$", None),
    ],
)
def test_control(sql: str, control: Control | None) -> None:
    assert traits_of(sql).control is control


@pytest.mark.parametrize(
    ("words", "control"),
    [
        ("BEGIN", Control.BEGIN),
        ("BEGIN WORK", Control.BEGIN),
        ("START TRANSACTION", Control.BEGIN),
        ("BEGIN ISOLATION", Control.BEGIN_WITH_OPTIONS),
        ("BEGIN READ", Control.BEGIN_WITH_OPTIONS),
        ("BEGIN NOT", Control.BEGIN_WITH_OPTIONS),
        ("COMMIT", Control.COMMIT),
        ("COMMIT TRANSACTION", Control.COMMIT),
        ("END", Control.COMMIT),
        ("END WORK", Control.COMMIT),
        ("ROLLBACK", Control.ROLLBACK),
        ("ROLLBACK WORK", Control.ROLLBACK),
        ("ABORT", Control.ROLLBACK),
        ("COMMIT AND", Control.CHAIN),
        ("ROLLBACK AND", Control.CHAIN),
        ("COMMIT PREPARED", Control.PREPARED),
        ("ROLLBACK PREPARED", Control.PREPARED),
        ("PREPARE TRANSACTION", Control.PREPARE),
        ("ROLLBACK TO", None),
        ("PREPARE Q", None),
        ("SAVEPOINT S", None),
        ("START REPLICATION", None),
        ("SELECT 1", None),
        ("", None),
    ],
)
def test_control_by_its_words(words: str, control: Control | None) -> None:
    assert traits_of_words(tuple(words.split())) == Traits(control=control)


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY"),
        ("CREATE INDEX i ON t (a)", ""),
        ('CREATE INDEX "concurrently" ON t (a)', ""),
        ("DROP INDEX CONCURRENTLY IF EXISTS s.i", "DROP INDEX CONCURRENTLY"),
        ("DROP INDEX i", ""),
        ("DROP TABLE t", ""),
        ("REINDEX INDEX CONCURRENTLY i", "REINDEX CONCURRENTLY"),
        ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "REINDEX CONCURRENTLY"),
        ("REINDEX (CONCURRENTLY true) TABLE t", "REINDEX CONCURRENTLY"),
        ("REINDEX SCHEMA s", "REINDEX SCHEMA"),
        ("REINDEX SCHEMA CONCURRENTLY s", "REINDEX SCHEMA"),
        ("REINDEX DATABASE d", "REINDEX DATABASE"),
        ("REINDEX SYSTEM d", "REINDEX SYSTEM"),
        ("REINDEX TABLE t", ""),
        ("REINDEX INDEX i", ""),
        ("REINDEX (CONCURRENTLY false) TABLE t", ""),
        ("REINDEX (CONCURRENTLY off) TABLE t", ""),
        ("REINDEX (CONCURRENTLY 0) TABLE t", ""),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
        ("ALTER TABLE t DETACH PARTITION p", ""),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", ""),
        ("ALTER TABLE t ATTACH PARTITION p DEFAULT", ""),
        ("VACUUM", "VACUUM"),
        ("VACUUM (ANALYZE, FREEZE) t", "VACUUM"),
        ("ANALYZE (VERBOSE) t", ""),
        ("CLUSTER", "CLUSTER without a table"),
        ("CLUSTER VERBOSE", "CLUSTER without a table"),
        ("CLUSTER t USING i", ""),
        ("DISCARD ALL", "DISCARD ALL"),
        ("DISCARD TEMP", ""),
        ("CREATE DATABASE d", "CREATE DATABASE"),
        ("DROP DATABASE IF EXISTS d WITH (FORCE)", "DROP DATABASE"),
        ("ALTER DATABASE d SET TABLESPACE off", "ALTER DATABASE SET TABLESPACE"),
        ("ALTER DATABASE d SET work_mem = '1GB'", ""),
        ("ALTER DATABASE d CONNECTION LIMIT 5", ""),
        ("ALTER DATABASE d RENAME TO e", ""),
        ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
        ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM"),
        ("CREATE TABLESPACE s LOCATION '/x'", "CREATE TABLESPACE"),
        ("DROP TABLESPACE s", "DROP TABLESPACE"),
        ("ALTER TABLESPACE s RENAME TO x", ""),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = true)", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (enabled = false)", "CREATE SUBSCRIPTION"),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)", ""),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = 'OFF')", ""),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = off)", ""),
        ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = 0)", ""),
        ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION … REFRESH"),
        ("ALTER SUBSCRIPTION s SET PUBLICATION p", "ALTER SUBSCRIPTION with a refresh"),
        ("ALTER SUBSCRIPTION s ADD PUBLICATION p WITH (copy_data = false)", "ALTER SUBSCRIPTION with a refresh"),
        ("ALTER SUBSCRIPTION s DROP PUBLICATION p WITH (refresh = true)", "ALTER SUBSCRIPTION with a refresh"),
        ("ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)", ""),
        ("ALTER SUBSCRIPTION s SET (failover = true)", "ALTER SUBSCRIPTION … SET (failover)"),
        ("ALTER SUBSCRIPTION s SET (two_phase = off)", "ALTER SUBSCRIPTION … SET (two_phase = false)"),
        ("ALTER SUBSCRIPTION s SET (two_phase = on)", ""),
        ("ALTER SUBSCRIPTION s SET (slot_name = NONE)", ""),
        ("ALTER SUBSCRIPTION s DISABLE", ""),
        ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
        ("CREATE PUBLICATION p FOR ALL TABLES", ""),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", ""),
        ("ALTER TYPE e ADD VALUE 'x'", ""),
        ("COMMIT PREPARED 'x'", ""),
        ("SELECT 'VACUUM'", ""),
        ("DO $$ BEGIN EXECUTE 'VACUUM'; END $$", ""),
    ],
)
def test_no_transaction(sql: str, name: str) -> None:
    assert traits_of(sql).no_transaction == name


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("LOCK t", "LOCK TABLE"),
        ("SAVEPOINT s", "SAVEPOINT"),
        ("RELEASE s", "RELEASE SAVEPOINT"),
        ("ROLLBACK TO s", "ROLLBACK TO SAVEPOINT"),
        ("ROLLBACK", ""),
        ("COMMIT", ""),
        ("DECLARE c CURSOR FOR SELECT 1", "DECLARE CURSOR without WITH HOLD"),
        ("DECLARE c CURSOR WITH HOLD FOR SELECT 1", ""),
        ("EXPLAIN ANALYZE DECLARE c CURSOR FOR SELECT 1", ""),
        ("SET LOCAL work_mem = '1GB'", "SET LOCAL"),
        ("SET LOCAL work_mem TO DEFAULT", "SET LOCAL"),
        ("SET LOCAL ROLE r", "SET LOCAL"),
        ("SET work_mem = '1GB'", ""),
        ("SET SESSION work_mem = '1GB'", ""),
        ("RESET work_mem", ""),
        ("SET TRANSACTION READ ONLY", "SET TRANSACTION"),
        ("SET LOCAL TRANSACTION READ ONLY", "SET TRANSACTION"),
        ("SET TRANSACTION SNAPSHOT 'x'", "SET TRANSACTION"),
        ("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY", ""),
        ("SET CONSTRAINTS ALL DEFERRED", "SET CONSTRAINTS"),
        ("SELECT * FROM t FOR UPDATE", ""),
    ],
)
def test_only_in_transaction(sql: str, name: str) -> None:
    assert traits_of(sql).only_in_transaction == name


@pytest.mark.parametrize(
    ("sql", "concurrent"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ("CREATE INDEX i ON t (a)", False),
        ("DROP INDEX CONCURRENTLY i", True),
        ("DROP INDEX i", False),
        ("REINDEX INDEX CONCURRENTLY i", True),
        ("REINDEX SCHEMA CONCURRENTLY s", True),
        ("REINDEX SCHEMA s", False),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", True),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", True),
        ("ALTER TABLE t DETACH PARTITION p", False),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", True),
        ("ALTER TABLE t VALIDATE CONSTRAINT c, VALIDATE CONSTRAINT d", True),
        ("ALTER TABLE t VALIDATE CONSTRAINT c, ADD COLUMN a int", False),
        ("REFRESH MATERIALIZED VIEW CONCURRENTLY v", False),
        ("VACUUM t", False),
    ],
)
def test_concurrent(sql: str, concurrent: bool) -> None:
    assert traits_of(sql).concurrent is concurrent


@pytest.mark.parametrize(
    ("sql", "client"),
    [
        ("COPY t FROM stdin", True),
        ("COPY t (a, b) FROM STDIN WITH (FORMAT csv)", True),
        ("COPY t TO stdout", True),
        ("COPY (SELECT 1) TO STDOUT", True),
        ("COPY t FROM '/data/t.csv'", False),
        ("COPY t FROM PROGRAM 'cat /data/t.csv'", False),
        ("COPY t TO '/data/stdout'", False),
        ("SELECT 'COPY t FROM stdin'", False),
    ],
)
def test_client_copy(sql: str, client: bool) -> None:
    assert traits_of(sql).client_copy is client


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO t VALUES (1)",
        "UPDATE t SET a = 1",
        "DELETE FROM t",
        "MERGE INTO t USING u ON t.a = u.a WHEN MATCHED THEN DELETE",
        "SELECT f()",
        "VALUES (1)",
        "TABLE t",
        "SELECT * INTO u FROM t",
        "COPY t FROM '/data/t.csv'",
        "CALL p()",
        "DO $$ BEGIN END $$",
        "CREATE INDEX i ON t (a)",
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "REINDEX TABLE t",
        "CREATE TABLE u AS SELECT * FROM t",
        "CREATE TABLE u AS EXECUTE q",
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM t",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER DOMAIN d VALIDATE CONSTRAINT c",
        "CLUSTER t",
        "VACUUM",
        "ANALYZE t",
        "EXECUTE q",
        "FETCH ALL FROM c",
        "MOVE c",
        "EXPLAIN ANALYZE SELECT 1",
        "EXPLAIN (ANALYZE true) DELETE FROM t",
    ],
)
def test_takes_time(sql: str) -> None:
    assert traits_of(sql).takes_time


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (a int)",
        "CREATE TABLE u AS SELECT * FROM t WITH NO DATA",
        "CREATE VIEW v AS SELECT * FROM t",
        "CREATE MATERIALIZED VIEW v AS SELECT * FROM t WITH NO DATA",
        "REFRESH MATERIALIZED VIEW v WITH NO DATA",
        "ALTER TABLE t ADD COLUMN a int",
        "ALTER DOMAIN d ADD CHECK (VALUE > 0) NOT VALID",
        "DROP TABLE t",
        "TRUNCATE t",
        "EXPLAIN DELETE FROM t",
        "EXPLAIN (ANALYZE off) DELETE FROM t",
        "PREPARE q AS DELETE FROM t",
        "DECLARE c CURSOR FOR SELECT * FROM t",
        "GRANT SELECT ON t TO r",
        "SET work_mem = '1GB'",
    ],
)
def test_takes_no_time(sql: str) -> None:
    assert not traits_of(sql).takes_time


@pytest.mark.parametrize(
    ("sql", "hides"),
    [
        ("CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", True),
        ("CREATE INDEX CONCURRENTLY i ON t (a)", False),
        ("CREATE INDEX IF NOT EXISTS i ON t (a)", False),
    ],
)
def test_hides_invalid_index(sql: str, hides: bool) -> None:
    assert traits_of(sql).hides_invalid_index is hides


@pytest.mark.parametrize(
    ("sql", "values"),
    [
        ("ALTER TYPE mood ADD VALUE 'ok'", (("mood", "ok"),)),
        ("ALTER TYPE App.\"Mood\" ADD VALUE IF NOT EXISTS 'it''s' BEFORE 'sad'", (("app.Mood", "it's"),)),
        ("ALTER TYPE mood RENAME VALUE 'sad' TO 'ok'", ()),
        ("ALTER TYPE mood RENAME TO feeling", ()),
    ],
)
def test_enum_values(sql: str, values: tuple[tuple[str, str], ...]) -> None:
    assert traits_of(sql).enum_values == values


@pytest.mark.parametrize(
    ("sql", "extension"),
    [
        ("CREATE EXTENSION pg_trgm", "pg_trgm"),
        ('CREATE EXTENSION IF NOT EXISTS "uuid-ossp" WITH SCHEMA app', "uuid-ossp"),
        ("DROP EXTENSION pg_trgm", ""),
    ],
)
def test_extension(sql: str, extension: str) -> None:
    assert traits_of(sql).extension == extension


def test_tells_the_kind_of_a_statement_without_rules() -> None:
    assert traits_of("CHECKPOINT") == Traits(kind="check_point_stmt")


def test_equal_traits_are_one_value() -> None:
    assert traits_of("INSERT INTO t VALUES (1)") is traits_of("INSERT INTO u SELECT 2")
