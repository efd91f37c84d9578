"""Which statements begin or end a transaction, and which refuse one."""

import pytest

from runner.core.classify import (
    Control,
    copies_through_client,
    looks_like_control,
    refuses_transaction,
    transaction_control,
)
from runner.core.split import ParsedStatement, split


def parsed(sql: str) -> ParsedStatement:
    (statement,) = split(sql)
    return statement


def ids(table: list[tuple[str, str]]) -> list[str]:
    return [sql for sql, _ in table]


# As PostgreSQL's reference says of each, and as PreventInTransactionBlock() in its sources enforces.
REFUSE = [
    ("CREATE INDEX CONCURRENTLY i ON t (a)", "CREATE INDEX CONCURRENTLY"),
    ("CREATE UNIQUE INDEX CONCURRENTLY IF NOT EXISTS i ON t (a)", "CREATE INDEX CONCURRENTLY"),
    ("DROP INDEX CONCURRENTLY i", "DROP INDEX CONCURRENTLY"),
    ("DROP INDEX CONCURRENTLY IF EXISTS s.i", "DROP INDEX CONCURRENTLY"),
    ("REINDEX INDEX CONCURRENTLY i", "REINDEX"),
    ("REINDEX (VERBOSE, CONCURRENTLY) TABLE t", "REINDEX"),
    ("REINDEX (CONCURRENTLY true) TABLE t", "REINDEX"),
    ("REINDEX SCHEMA s", "REINDEX"),
    ("REINDEX DATABASE d", "REINDEX"),
    ("REINDEX SYSTEM d", "REINDEX"),
    ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", "DETACH PARTITION CONCURRENTLY"),
    ("VACUUM", "VACUUM"),
    ("VACUUM (ANALYZE, FREEZE) t", "VACUUM"),
    ("CLUSTER", "CLUSTER without a table"),
    ("CLUSTER VERBOSE", "CLUSTER without a table"),
    ("CREATE DATABASE d", "CREATE DATABASE"),
    ("DROP DATABASE IF EXISTS d WITH (FORCE)", "DROP DATABASE"),
    ("ALTER DATABASE d SET TABLESPACE s", "ALTER DATABASE SET TABLESPACE"),
    ("ALTER SYSTEM SET work_mem = '1GB'", "ALTER SYSTEM"),
    ("ALTER SYSTEM RESET ALL", "ALTER SYSTEM"),
    ("CREATE TABLESPACE s LOCATION '/x'", "CREATE TABLESPACE"),
    ("DROP TABLESPACE s", "DROP TABLESPACE"),
    ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p", "CREATE SUBSCRIPTION"),
    ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = true)", "CREATE SUBSCRIPTION"),
    ("CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (enabled = false)", "CREATE SUBSCRIPTION"),
    ("ALTER SUBSCRIPTION s REFRESH PUBLICATION", "ALTER SUBSCRIPTION"),
    ("ALTER SUBSCRIPTION s SET PUBLICATION p", "ALTER SUBSCRIPTION"),
    ("ALTER SUBSCRIPTION s ADD PUBLICATION p WITH (copy_data = false)", "ALTER SUBSCRIPTION"),
    ("ALTER SUBSCRIPTION s DROP PUBLICATION p WITH (refresh = true)", "ALTER SUBSCRIPTION"),
    ("DROP SUBSCRIPTION s", "DROP SUBSCRIPTION"),
    ("ALTER DATABASE d SET TABLESPACE off", "ALTER DATABASE SET TABLESPACE"),
    ("DISCARD ALL", "DISCARD ALL"),
]
MAY_RUN = [
    "CREATE INDEX i ON t (a)",
    'CREATE INDEX "concurrently" ON t (a)',
    "DROP INDEX i",
    "DROP TABLE t",
    "REINDEX TABLE t",
    "REINDEX INDEX i",
    "REINDEX (VERBOSE) TABLE t",
    "REINDEX (CONCURRENTLY false) TABLE t",
    "REINDEX (CONCURRENTLY off) TABLE t",
    "REINDEX (CONCURRENTLY 0) TABLE t",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY v",
    "ALTER TABLE t DETACH PARTITION p",
    "ALTER TABLE t DETACH PARTITION p FINALIZE",
    "ALTER TABLE t ATTACH PARTITION p DEFAULT",
    "ALTER INDEX i ATTACH PARTITION p",
    "ALTER TABLE t SET TABLESPACE s",
    "ANALYZE t",
    "ANALYZE (VERBOSE) t",
    "CLUSTER t",
    "CLUSTER t USING i",
    "ALTER DATABASE d SET work_mem = '1GB'",
    "ALTER DATABASE d CONNECTION LIMIT 5",
    "ALTER TYPE e ADD VALUE 'x'",
    "ALTER TABLE t VALIDATE CONSTRAINT c",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = false)",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = false)",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = 'off')",
    "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = 0)",
    "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = false)",
    "ALTER SUBSCRIPTION s SET (slot_name = NONE)",
    "ALTER SUBSCRIPTION s DISABLE",
    "CREATE PUBLICATION p FOR ALL TABLES",
    "CREATE ROLE r",
    "DISCARD TEMP",
    "LOCK TABLE t",
    "SELECT 'VACUUM'",
    "DO $$ BEGIN EXECUTE 'VACUUM'; END $$",
]


@pytest.mark.parametrize(("sql", "name"), REFUSE, ids=ids(REFUSE))
def test_refuses_a_transaction(sql: str, name: str) -> None:
    assert (refuses_transaction(parsed(sql)) or "").startswith(name)


@pytest.mark.parametrize("sql", MAY_RUN)
def test_may_run_in_a_transaction(sql: str) -> None:
    assert refuses_transaction(parsed(sql)) is None


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (connect = off)",
        "CREATE SUBSCRIPTION s CONNECTION 'x' PUBLICATION p WITH (create_slot = OFF)",
        "ALTER SUBSCRIPTION s SET PUBLICATION p WITH (refresh = off)",
    ],
)
def test_may_run_in_a_transaction_when_an_option_is_off(sql: str) -> None:
    assert refuses_transaction(parsed(sql)) is None


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
        ("COMMIT AND CHAIN", Control.OTHER),
        ("ROLLBACK", Control.OTHER),
        ("ABORT", Control.OTHER),
        ("ROLLBACK AND CHAIN", Control.OTHER),
        ("PREPARE TRANSACTION 'x'", Control.OTHER),
        ("COMMIT PREPARED 'x'", Control.OTHER),
        ("ROLLBACK PREPARED 'x'", Control.OTHER),
        ("SAVEPOINT s", None),
        ("RELEASE s", None),
        ("ROLLBACK TO s", None),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", None),
        ("SET CONSTRAINTS ALL DEFERRED", None),
        ("PREPARE q AS SELECT 1", None),
        ("DO $$ BEGIN COMMIT; END $$", None),
    ],
)
def test_tells_what_a_statement_does_to_the_transaction(sql: str, control: Control | None) -> None:
    assert transaction_control(parsed(sql)) is control


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
def test_tells_whether_a_copy_needs_the_client(sql: str, client: bool) -> None:
    assert copies_through_client(parsed(sql)) is client


@pytest.mark.parametrize(
    ("words", "control"),
    [
        (("BEGIN",), True),
        (("BEGIN", "WORK"), True),
        (("START", "TRANSACTION"), True),
        (("COMMIT", "AND"), True),
        (("END",), True),
        (("ABORT",), True),
        (("ROLLBACK",), True),
        (("ROLLBACK", "AND"), True),
        (("ROLLBACK", "PREPARED"), True),
        (("ROLLBACK", "TO"), False),
        (("PREPARE", "TRANSACTION"), True),
        (("PREPARE", "Q"), False),
        (("SAVEPOINT", "S"), False),
        (("SELECT", "1"), False),
        ((), False),
    ],
    ids=lambda value: "-".join(value) or "nothing" if isinstance(value, tuple) else str(value),
)
def test_tells_control_by_its_words_where_there_is_no_tree(words: tuple[str, ...], control: bool) -> None:
    assert looks_like_control(words) is control
