"""Smoke tests taken apart: what may stand in one, and what is refused before anything runs."""

from pathlib import PurePosixPath

import pytest

from runner.core.model import SourceFile
from runner.core.smoke import is_query, parse_smoke_test
from runner.core.statements import LARGE
from runner.core.steps import SmokeTest
from runner.errors import Finding, InputError


def parsed(sql: str) -> SmokeTest:
    return parse_smoke_test(SourceFile(path=PurePosixPath("smoke-tests/a.sql"), data=sql.encode()))


def refusals(sql: str) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        parsed(sql)
    return caught.value.findings


def refusal(sql: str) -> Finding:
    [finding] = refusals(sql)
    return finding


def test_each_query_is_a_statement_with_its_place() -> None:
    test = parsed(
        "-- all is well\nSELECT true;\n  VALUES (true), (true);\nTABLE answers;\nWITH a AS (SELECT 1) TABLE a"
    )
    assert [(each.line, each.column) for each in test.statements] == [(2, 1), (3, 3), (4, 1), (5, 1)]


def test_a_large_file_is_not_sent_together() -> None:
    number = 1000
    query = f"SELECT true /* {'x' * (LARGE // number)} */;\n"
    assert len(parsed(query * number).statements) == number


@pytest.mark.parametrize(
    "setting",
    ["SET LOCAL search_path = app", "SET ROLE reader", "SET SESSION AUTHORIZATION reader", "RESET role",
     "SET client_encoding = 'UTF8'", "RESET ALL", "SET TIME ZONE 'UTC'"],
)  # fmt: skip
def test_settings_may_stand_before_the_queries_and_are_not_judged(setting: str) -> None:
    test = parsed(f"{setting};\nSELECT true;")
    assert [is_query(statement) for statement in test.statements] == [False, True]


@pytest.mark.parametrize("sql", ["", "-- nothing yet\n", ";;", "SET search_path = app;"])
def test_a_file_without_a_query_is_none(sql: str) -> None:
    finding = refusal(sql)
    assert str(finding) == "smoke-tests/a.sql:1: there is no query in this smoke test"
    assert finding.hint == "ask with SELECT whether what must be so is so: the first column of each row must be true"


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("INSERT INTO t VALUES (1)", "INSERT"),
        ("insert into t values (1) returning true", "INSERT"),
        ("UPDATE t SET a = 1", "UPDATE"),
        ("WITH a AS (SELECT 1) DELETE FROM t", "WITH"),
        ("CREATE TABLE t ()", "CREATE"),
        ("DROP TABLE t", "DROP"),
        ("TRUNCATE t", "TRUNCATE"),
        ("COPY t TO STDOUT", "COPY"),
        ("COPY t TO '/tmp/t'", "COPY"),
        ("DO $$ BEGIN ASSERT true; END $$", "DO"),
        ("CALL p()", "CALL"),
        ("EXPLAIN ANALYZE SELECT true", "EXPLAIN"),
        ("PREPARE a AS SELECT true", "PREPARE"),
        ("EXECUTE a", "EXECUTE"),
        ("LOCK TABLE t", "LOCK"),
        ("VACUUM t", "VACUUM"),
        ("REINDEX TABLE t", "REINDEX"),
        ("SHOW server_version", "SHOW"),
        ("DISCARD ALL", "DISCARD"),
        ("NOTIFY a", "NOTIFY"),
        ("SET CONSTRAINTS ALL IMMEDIATE", "SET CONSTRAINTS"),
        ("SET standard_conforming_strings = off; INSERT INTO t VALUES ('\\n')", "INSERT"),
    ],
)
def test_what_is_no_query_is_told_before_anything_runs(sql: str, word: str) -> None:
    *_, finding = refusals(f"SELECT true;\n{sql};")
    assert finding.line == 2
    assert finding.message == f"{word} is no query, and a smoke test consists of queries"


@pytest.mark.parametrize(
    ("sql", "word"),
    [
        ("BEGIN", "BEGIN"),
        ("START TRANSACTION READ WRITE", "START"),
        ("COMMIT", "COMMIT"),
        ("COMMIT AND CHAIN", "COMMIT"),
        ("END", "END"),
        ("ROLLBACK", "ROLLBACK"),
        ("ABORT", "ABORT"),
        ("SAVEPOINT a", "SAVEPOINT"),
        ("ROLLBACK TO a", "ROLLBACK"),
        ("RELEASE a", "RELEASE"),
        ("PREPARE TRANSACTION 'a'", "PREPARE"),
        ("COMMIT PREPARED 'a'", "COMMIT"),
        ("SET TRANSACTION READ WRITE", "SET TRANSACTION"),
        ("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", "SET TRANSACTION"),
    ],
)
def test_the_transaction_is_the_runners(sql: str, word: str) -> None:
    finding = refusal(f"SELECT true;\n  {sql};\nSELECT true;")
    assert (finding.line, finding.column) == (2, 3)
    assert finding.message == f"{word} has no place in a smoke test, which is one read-only transaction"


@pytest.mark.parametrize(
    ("sql", "does"),
    [
        ("SELECT 1 INTO t", "makes a table"),
        ("SELECT * FROM t FOR UPDATE", "locks rows"),
        ("SELECT * FROM t FOR KEY SHARE SKIP LOCKED", "locks rows"),
        ("WITH gone AS (DELETE FROM t RETURNING true) TABLE gone", "changes rows"),
        ("WITH a AS (SELECT 1), b AS (INSERT INTO t VALUES (1) RETURNING true) TABLE b", "changes rows"),
    ],
)
def test_a_query_that_would_write_is_told_before_anything_runs(sql: str, does: str) -> None:
    finding = refusal(f"SELECT true;\n{sql};")
    assert str(finding) == f"smoke-tests/a.sql:2:1: this query {does}, which a read-only transaction refuses"


def test_words_of_such_queries_in_texts_and_names_are_only_words() -> None:
    assert len(parsed("SELECT 'INTO' <> 'FOR UPDATE', 1 AS \"insert\" /* COMMIT; */;").statements) == 1


def test_all_that_is_wrong_is_told_at_once_in_the_order_of_the_file() -> None:
    found = refusals("SELECT true;\nSELCT true;\n\\d users\nINSERT INTO t VALUES (1);\nCOMMIT;\nSELECT 'open;\n")
    assert [(each.line, each.column) for each in found] == [(2, 1), (3, 1), (4, 1), (5, 1), (6, 8)]
    assert [each.message for each in found] == [
        'syntax error at or near "SELCT", says PostgreSQL\'s parser of this smoke test',
        "`\\d` is a command of psql, not SQL",
        "INSERT is no query, and a smoke test consists of queries",
        "COMMIT has no place in a smoke test, which is one read-only transaction",
        "the literal that begins here never ends",
    ]


def test_what_no_scanner_can_read_is_told_once() -> None:
    assert refusal("SELECT true;\nSELECT 1a;").line == 2


def test_another_encoding_is_refused() -> None:
    assert (
        refusal("SET client_encoding = 'LATIN1';\nSELECT true;").message
        == "a smoke test is sent as UTF-8, not as LATIN1"
    )


@pytest.mark.parametrize("table", ["t", "schema_migrations"])
def test_a_query_that_is_nested_too_deeply_to_be_looked_at_is_one(table: str) -> None:
    test = parsed(f"SELECT {'(' * 150}true{' OR a)' * 150} FROM {table};")
    assert len(test.statements) == 1
