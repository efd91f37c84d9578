"""A file into a migration, or into everything about it that cannot run."""

from datetime import timedelta

import pytest

from runner.core.model import Migration
from runner.core.parse import parse
from runner.errors import Finding, InputError, Level
from tests.builders import a_migration_file


def parsed(sql: str) -> Migration:
    return parse(a_migration_file(1, sql=sql))


def statements(sql: str) -> list[str]:
    return [statement.sql for statement in parsed(sql).statements]


def refusals(sql: str) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        parsed(sql)
    return caught.value.findings


def places(sql: str) -> list[str]:
    return [finding.place for finding in refusals(sql)]


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("", id="empty"),
        pytest.param("\n \n", id="blank"),
        pytest.param("-- to be written\n/* later */", id="comments-only"),
        pytest.param(";", id="semicolon-only"),
        pytest.param("BEGIN; COMMIT;", id="empty-transaction"),
    ],
)
def test_a_file_without_statements_is_a_migration(sql: str) -> None:
    assert parsed(sql).statements == ()


def test_carries_headers_statements_and_places() -> None:
    migration = parsed("-- Migration: Title\n-- migrate: lock-timeout=2s\nSELECT 1;\n  SELECT 2;")
    assert migration.title == "Title"
    assert migration.headers.lock_timeout == timedelta(seconds=2)
    assert [(part.sql, part.line, part.column) for part in migration.statements] == [
        ("SELECT 1", 3, 1),
        ("SELECT 2", 4, 3),
    ]


def test_a_migration_without_title_is_called_by_its_name() -> None:
    assert parse(a_migration_file(1, name="add_the_status")).title == "add the status"


@pytest.mark.parametrize(
    ("begin", "commit"),
    [("BEGIN", "COMMIT"), ("START TRANSACTION", "END"), ("begin work", "commit work"), ("BEGIN", "END TRANSACTION")],
)
def test_a_file_wrapped_whole_is_unwrapped(begin: str, commit: str) -> None:
    assert statements(f"-- why\n{begin};\nSELECT 1;\nSELECT 2;\n{commit};\n-- done") == ["SELECT 1", "SELECT 2"]


def test_savepoints_are_the_files_own_business() -> None:
    sql = "SAVEPOINT s; SELECT 1; ROLLBACK TO s; RELEASE s"
    assert statements(sql) == statements(f"BEGIN; {sql}; COMMIT") == sql.split("; ")


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param("BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT", ["1:1", "1:18", "1:26", "1:43"], id="blocks"),
        pytest.param("BEGIN; ROLLBACK; COMMIT", ["1:1", "1:8", "1:18"], id="rolled-back-inside"),
        pytest.param("BEGIN; SELECT 1; ROLLBACK; COMMIT", ["1:1", "1:18", "1:28"], id="rolled-back-at-the-end"),
        pytest.param("SELECT 0; BEGIN; SELECT 1; COMMIT", ["1:11", "1:28"], id="statement-before-the-block"),
        pytest.param("BEGIN; SELECT 1; COMMIT; SELECT 2", ["1:1", "1:18"], id="statement-behind-the-block"),
        pytest.param("SELECT 1;\nCOMMIT;\nSELECT 2", ["2:1"], id="bare-commit"),
        pytest.param("COMMIT", ["1:1"], id="nothing-but-commit"),
        pytest.param("BEGIN; SELECT 1", ["1:1"], id="never-committed"),
        pytest.param("BEGIN; SELECT 1; ROLLBACK", ["1:1", "1:18"], id="rolled-back"),
        pytest.param("BEGIN; SELECT 1; COMMIT AND CHAIN", ["1:1", "1:18"], id="chained"),
        pytest.param("SELECT 1; ROLLBACK", ["1:11"], id="bare-rollback"),
        pytest.param("SELECT 1; PREPARE TRANSACTION 'x'", ["1:11"], id="two-phase"),
    ],
)
def test_refuses_control_of_the_transaction_at_its_place(sql: str, expected: list[str]) -> None:
    found = refusals(sql)
    assert [finding.place.removeprefix("migrations/01_example.sql:") for finding in found] == expected
    for finding in found:
        assert finding.message.endswith("; this statement would end or split it")
        assert finding.hint == "take it out, or wrap the whole file in one BEGIN … COMMIT"


def test_refuses_begin_with_options_and_says_how_to_have_them() -> None:
    finding = refusals("BEGIN ISOLATION LEVEL SERIALIZABLE;\nSELECT 1;\nCOMMIT;")[0]
    assert finding.place == "migrations/01_example.sql:1:1"
    assert finding.message.endswith("this file begins its own, with options")
    assert finding.hint == "take BEGIN and COMMIT out and begin the file with SET TRANSACTION …"


def test_refuses_what_postgresql_does_not_run_in_a_transaction() -> None:
    (finding,) = refusals("CREATE TABLE t (a int);\n\n CREATE INDEX CONCURRENTLY i ON t (a);")
    assert finding.place == "migrations/01_example.sql:3:2"
    assert finding.message == (
        "PostgreSQL does not run CREATE INDEX CONCURRENTLY inside a transaction, and a migration and its ledger row "
        "are one transaction, begun and committed by the runner"
    )
    assert finding.hint == "migrations outside of a transaction are not supported yet"


def test_a_block_around_it_does_not_help_such_a_statement() -> None:
    assert places("BEGIN;\nVACUUM;\nCOMMIT;") == ["migrations/01_example.sql:2:1"]


def test_tells_everything_that_is_wrong_with_a_file() -> None:
    assert places("-- migrate: what\nVACUUM;\nCOMMIT;\nDROP DATABASE d;") == [
        "migrations/01_example.sql:1",
        "migrations/01_example.sql:2:1",
        "migrations/01_example.sql:3:1",
        "migrations/01_example.sql:4:1",
    ]


def test_a_check_file_is_taken_apart_alike() -> None:
    migration = parse(a_migration_file(1, check="BEGIN; SELECT count(*) = 0 FROM t; COMMIT"))
    assert [statement.sql for statement in migration.checks] == ["SELECT count(*) = 0 FROM t"]
    with pytest.raises(InputError, match=r"01_example\.check\.sql:2:1: PostgreSQL does not run VACUUM"):
        parse(a_migration_file(1, check="SELECT true;\nVACUUM;"))


def test_text_that_only_the_server_may_understand_goes_there_whole_with_a_warning() -> None:
    sql = "SELECT 1;\nFROB t;\n"
    migration = parsed(sql)
    assert [(part.sql, part.line, part.column) for part in migration.statements] == [(sql, 1, 1)]
    (warning,) = migration.findings
    assert (warning.level, warning.place) == (Level.WARNING, "migrations/01_example.sql:2:1")
    assert 'syntax error at or near "FROB"' in warning.message


def test_warns_of_an_unknown_statement_in_a_check_file_too() -> None:
    migration = parse(a_migration_file(1, check="FROB t"))
    assert [warning.place for warning in migration.findings] == ["migrations/01_example.check.sql:1:1"]


@pytest.mark.parametrize("control", ["BEGIN", "start transaction", "COMMIT", "End", "ROLLBACK", "ABORT"])
def test_refuses_control_of_the_transaction_in_text_that_the_parser_does_not_understand(control: str) -> None:
    assert places(f"FROB t;\n{control};\nSELECT 1;") == ["migrations/01_example.sql:2"]


def test_words_of_control_inside_such_text_are_harmless() -> None:
    sql = "FROB t; -- COMMIT;\nSELECT 'COMMIT;', $$;COMMIT;$$ AS commit;"
    assert statements(sql) == [sql]


@pytest.mark.parametrize("sql", ["PREPARE q AS SELECT 1", "ROLLBACK TO SAVEPOINT s"])
def test_words_that_only_begin_like_control_are_harmless_in_such_text(sql: str) -> None:
    assert statements(f"FROB t; {sql};") == [f"FROB t; {sql};"]


@pytest.mark.parametrize(
    ("sql", "place", "message"),
    [
        pytest.param("SELECT 1;\nSELECT 'x", "2:8", "unterminated quoted string", id="literal"),
        pytest.param("/* x", "1:1", "unterminated /* comment", id="comment"),
        pytest.param("DO $$ BEGIN", "1:4", "unterminated dollar-quoted string", id="dollar-quotes"),
    ],
)
def test_refuses_text_that_never_ends(sql: str, place: str, message: str) -> None:
    (finding,) = refusals(sql)
    assert finding.place == f"migrations/01_example.sql:{place}"
    assert finding.message.startswith(message)


@pytest.mark.parametrize("sql", ['CREATE TABLE t ("" int)', "SELECT 123abc", "SELECT 1_000_"])
def test_text_that_cannot_be_scanned_is_refused_at_its_place(sql: str) -> None:
    (finding,) = refusals(f"SELECT 1;\n{sql};")
    assert finding.line == 2


@pytest.mark.parametrize(
    "sql", ["COPY t FROM stdin", "COPY t TO stdout", "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)"]
)
def test_refuses_copy_through_the_client(sql: str) -> None:
    (finding,) = refusals(f"SELECT 1;\n{sql};")
    assert finding.line == 2
    assert finding.message == "COPY from stdin or to stdout needs psql; a migration has nobody to give or take the data"
    assert finding.hint == "write the rows as INSERT statements, or COPY from a file of the server"


def test_refuses_copy_with_its_data_in_the_file() -> None:
    (finding,) = refusals(
        "CREATE TABLE t (a int, b text);\nCOPY t (a, b) FROM stdin;\n1\tone\n2\ttwo\n\\.\n\nSELECT 1;\n"
    )
    assert (finding.line, finding.message.split()[0]) == (2, "COPY")


def test_the_data_of_a_copy_is_no_command() -> None:
    (finding,) = refusals("COPY t FROM stdin;\n\\N\tone\n\\.\n")
    assert finding.line == 1


@pytest.mark.parametrize(
    "command", ["\\connect app", "\\restrict abc", "\\i other.sql", "\\echo 'it''s'", "  \\set x 1", "\\!ls"]
)
def test_refuses_what_only_psql_understands_at_its_line(command: str) -> None:
    (finding,) = refusals(f"SELECT 1;\n{command}\nSELECT 2;")
    assert finding.line == 2
    assert finding.message == f"`{command.split(maxsplit=1)[0]}` is a command of psql, not SQL"
    assert finding.hint == "take it out; what it did must be said in SQL"


def test_tells_every_command_of_psql() -> None:
    assert [finding.line for finding in refusals("\\connect a\nSELECT 1;\n\\restrict b\n")] == [1, 3]


def test_a_backslash_inside_a_literal_is_no_command() -> None:
    sql = "SELECT '\n\\connect app\n'"
    assert statements(sql) == [sql]


@pytest.mark.parametrize("sql", ["COPY t FROM '/data/t.csv'", "COPY t FROM PROGRAM 'cat /data/t.csv'"])
def test_copy_of_the_servers_own_files_may_run(sql: str) -> None:
    assert statements(sql) == [sql]
