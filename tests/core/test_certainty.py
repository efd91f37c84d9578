"""By what a later run knows whether a step was done."""

import pytest

from runner.core.certainty import Certainty, block_of, blocks_nobody, certainty, certainty_alone
from tests.builders import a_migration


def of(sql: str) -> Certainty:
    """That of the second step of a file."""
    migration = a_migration(1, sql=f"-- migrate: no-transaction\nSELECT 1;\n{sql};\nSELECT 3;")
    return certainty(migration.statements, migration.steps[1])


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t ()",
        "INSERT INTO t VALUES (1)",
        "CREATE INDEX i ON t (a)",
        "ALTER TYPE mood ADD VALUE 'glad'",
        "ALTER TABLE t VALIDATE CONSTRAINT c",
        "ALTER TABLE t DETACH PARTITION p FINALIZE",
        "SET ROLE owner",
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO LANGUAGE PLpgSQL $$ BEGIN PERFORM 1; END $$",
        "BEGIN; INSERT INTO t VALUES (1); COMMIT",
        "START TRANSACTION ISOLATION LEVEL SERIALIZABLE; DO $$ BEGIN EXECUTE 'x'; END $$; END",
    ],
)
def test_what_a_transaction_takes_is_counted_with_its_work(sql: str) -> None:
    assert of(sql) is Certainty.COUNTED


@pytest.mark.parametrize(
    "sql",
    [
        "VACUUM t",
        "ALTER SYSTEM SET work_mem = '8MB'",
        "DISCARD ALL",
        "REINDEX SCHEMA app",
        "REINDEX (CONCURRENTLY) SCHEMA app",
        "CLUSTER",
        "ALTER SUBSCRIPTION s REFRESH PUBLICATION",
        "COMMIT",
        "ROLLBACK",
        "BEGIN; INSERT INTO t VALUES (1); ROLLBACK",
    ],
)
def test_what_does_no_harm_a_second_time_need_not_be_known(sql: str) -> None:
    assert of(sql) is Certainty.REPEATABLE


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE INDEX CONCURRENTLY i ON t (a)",
        "DROP INDEX CONCURRENTLY i",
        "REINDEX TABLE CONCURRENTLY t",
        "ALTER TABLE t DETACH PARTITION p CONCURRENTLY",
        "CREATE DATABASE d",
        "DROP TABLESPACE s",
        "DROP SUBSCRIPTION s",
    ],
)
def test_the_rest_of_what_refuses_a_transaction_shows_in_the_catalog(sql: str) -> None:
    assert of(sql) is Certainty.IN_THE_CATALOG


@pytest.mark.parametrize(
    "sql",
    [
        "COMMIT PREPARED 'x'",
        "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'x'",
        "ALTER SUBSCRIPTION s ADD PUBLICATION p",
    ],
)
def test_nobody_can_tell_of_what_leaves_no_trace_here(sql: str) -> None:
    assert of(sql) is Certainty.UNKNOWN


@pytest.mark.parametrize(
    "sql",
    [
        "CALL p()",
        "DO $$ BEGIN INSERT INTO t VALUES (1); COMMIT; END $$",
        "DO $$ BEGIN EXECUTE 'COMMIT'; END $$",
        "DO LANGUAGE plpython3u 'plpy.commit()'",
        "DO $$ spi_commit() $$ LANGUAGE plperl",
        "CREATE NEWFANGLED THING t",
        "BEGIN; INSERT INTO t VALUES (1); COMMIT AND CHAIN; INSERT INTO t VALUES (2); COMMIT",
    ],
)
def test_what_may_commit_on_the_way_may_stay_in_parts(sql: str) -> None:
    assert of(sql) is Certainty.IN_PARTS


@pytest.mark.parametrize(
    ("sql", "known"),
    [("INSERT INTO t VALUES ('a\\'b')", Certainty.COUNTED), ("DO 'a\\'b'", Certainty.IN_PARTS)],
)
def test_of_what_only_the_server_can_read_the_first_word_tells(sql: str, known: Certainty) -> None:
    migration = a_migration(1, sql=f"-- migrate: no-transaction\nSET standard_conforming_strings = off;\n{sql};")
    assert certainty(migration.statements, migration.steps[1]) is known


def test_the_statements_of_a_block_are_those_from_its_begin_to_its_end() -> None:
    migration = a_migration(1, sql="-- migrate: no-transaction\nSELECT 1; BEGIN; SELECT 2; COMMIT; SELECT 3;")
    block = block_of(migration.statements, migration.steps[1])
    assert [statement.sql for statement in block] == [b"BEGIN", b"SELECT 2", b"COMMIT"]


@pytest.mark.parametrize(
    ("sql", "known"),
    [("REINDEX TABLE t", Certainty.REPEATABLE), ("CLUSTER t", Certainty.REPEATABLE), ("SELECT f()", Certainty.UNKNOWN)],
)
def test_what_the_server_does_not_take_inside_of_a_transaction_is_not_counted_with_its_work(
    sql: str, known: Certainty
) -> None:
    assert certainty_alone(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0]) is known


@pytest.mark.parametrize(
    ("sql", "nobody"),
    [
        ("CREATE INDEX CONCURRENTLY i ON t (a)", True),
        ("DROP INDEX CONCURRENTLY i", True),
        ("REINDEX TABLE CONCURRENTLY t", True),
        ("ALTER TABLE t VALIDATE CONSTRAINT c", True),
        ("ALTER TABLE t DETACH PARTITION p CONCURRENTLY", False),
        ("ALTER TABLE t DETACH PARTITION p FINALIZE", False),
        ("CREATE INDEX i ON t (a)", False),
    ],
)
def test_who_waits_without_being_in_anybodys_way_needs_no_lock_timeout(sql: str, nobody: bool) -> None:
    assert blocks_nobody(a_migration(1, sql=f"-- migrate: no-transaction\n{sql};").steps[0]) is nobody
