"""A file into a migration, or into everything about it that cannot run."""

from datetime import timedelta

import pytest

from runner.core.migration import Migration
from runner.core.parse import ORDINARY, parse, parse_down
from runner.core.policies import ParsePolicy
from runner.core.sql_digest import sql_digest
from runner.core.statements import LARGE
from runner.errors import Finding, InputError, Level
from tests.builders import a_migration_file

FILE = "migrations/01_example.sql"
OWN_TRANSACTIONS = ParsePolicy(own_transactions=True)


def parsed(sql: str, policy: ParsePolicy = ORDINARY) -> Migration:
    return parse(a_migration_file(1, sql=sql), policy)


def statements(sql: str) -> list[str]:
    return [statement.sql.decode() for statement in parsed(sql).statements]


def refusals(sql: str, policy: ParsePolicy = ORDINARY, **others: str) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as caught:
        parse(a_migration_file(1, sql=sql, **others), policy)
    return caught.value.findings


def refusal(sql: str, policy: ParsePolicy = ORDINARY, **others: str) -> Finding:
    (finding,) = refusals(sql, policy, **others)
    return finding


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("", id="empty"),
        pytest.param("\n \n", id="blank"),
        pytest.param("-- to be written\n/* later */", id="comments-only"),
        pytest.param(";", id="semicolon-only"),
    ],
)
def test_a_file_without_statements_is_a_migration(sql: str) -> None:
    migration = parsed(sql)
    assert (migration.statements, migration.steps, migration.transactional) == ((), (), True)


def test_carries_headers_statements_places_and_digest() -> None:
    sql = "-- Migration: Title\n-- migrate: lock-timeout=2s\nSELECT 1;\n  SELECT 2;"
    migration = parsed(sql)
    assert migration.title == "Title"
    assert migration.headers.lock_timeout == timedelta(seconds=2)
    assert [(part.sql, part.line, part.column) for part in migration.statements] == [
        (b"SELECT 1", 3, 1),
        (b"SELECT 2", 4, 3),
    ]
    assert migration.steps == migration.statements
    assert migration.source is migration.file.up
    assert migration.sql_digest == sql_digest(sql.encode())
    assert (migration.transactional, migration.why, migration.findings) == (True, "", ())


def test_equal_files_give_equal_migrations() -> None:
    assert parsed("SELECT 1; VACUUM") == parsed("SELECT 1; VACUUM")


def test_a_migration_without_title_is_called_by_its_name() -> None:
    assert parse(a_migration_file(1, name="add_the_status")).title == "add the status"


def test_a_wrapped_file_keeps_its_statements_and_sends_what_is_inside() -> None:
    migration = parsed("BEGIN; SELECT 1; COMMIT;")
    assert [part.sql for part in migration.statements] == [b"BEGIN", b"SELECT 1", b"COMMIT"]
    assert [step.sql for step in migration.steps] == [b"SELECT 1"]
    assert (migration.transactional, migration.statement_count) == (True, 1)


def test_the_directive_takes_the_file_out_of_the_runners_transaction() -> None:
    migration = parsed("-- migrate: no-transaction\nBEGIN; SELECT 1; COMMIT; SELECT 2")
    assert (migration.transactional, migration.why) == (False, "its header says `-- migrate: no-transaction`")
    assert (len(migration.statements), migration.statement_count) == (4, 2)


def test_own_transactions_are_refused_unless_they_are_honoured() -> None:
    sql = "SELECT 1; BEGIN; SELECT 2; COMMIT; BEGIN; SELECT 3; COMMIT"
    assert refusal(sql).column == 11
    migration = parsed(sql, OWN_TRANSACTIONS)
    assert (migration.transactional, migration.statement_count) == (False, 3)
    assert migration.why == "it has transactions of its own, the first in line 1"


def test_what_postgresql_does_not_run_in_a_transaction_needs_no_directive() -> None:
    migration = parsed("CREATE TABLE t (a int);\nCREATE INDEX CONCURRENTLY i ON t (a);")
    assert (migration.transactional, migration.statement_count) == (False, 2)
    assert migration.why == "PostgreSQL does not run CREATE INDEX CONCURRENTLY inside a transaction (line 2)"


def test_counts_the_statements_of_a_large_file() -> None:
    row = "INSERT INTO t VALUES (1);\n"
    migration = parsed(row * (LARGE // len(row) + 1))
    assert len(migration.steps) < migration.statement_count == LARGE // len(row) + 1


def test_tells_everything_that_is_wrong_with_a_file_in_the_order_of_its_lines() -> None:
    found = refusals(
        "-- migrate: what\nSELECT 1; COMMIT;\n\\q\n COPY t TO stdout; SELECT $1, 1a; DROP TABLE schema_migrations;"
    )
    assert [(finding.place.removeprefix(f"{FILE}:"), finding.message.split()[0]) for finding in found] == [
        ("1", "unknown"),
        ("2:11", "a"),
        ("3:1", "`\\q`"),
        ("4:2", "COPY"),
        ("4:31", "trailing"),
        ("4:35", "this"),
    ]


def test_text_that_only_the_server_may_understand_is_a_warning() -> None:
    migration = parsed("SELECT 1;\nFROB t;\n")
    assert [part.sql for part in migration.steps] == [b"SELECT 1", b"FROB t"]
    (warning,) = migration.findings
    assert (warning.level, warning.place) == (Level.WARNING, f"{FILE}:2:1")


# The client


@pytest.mark.parametrize(
    "sql",
    [
        "COPY t FROM stdin",
        "COPY t TO stdout",
        "copy t (a) from STDIN with (format csv)",
        "COPY (SELECT 1) TO STDOUT WITH (FORMAT csv)",
    ],
)
def test_refuses_copy_through_the_client(sql: str) -> None:
    finding = refusal(f"SELECT 1;\n  {sql};")
    assert finding.place == f"{FILE}:2:3"
    assert finding.message == "COPY from stdin or to stdout needs psql; a migration has nobody to give or take the data"
    assert finding.hint == "write the rows as INSERT statements, or COPY from a file of the server"


def test_refuses_copy_with_its_data_in_the_file() -> None:
    finding = refusal("CREATE TABLE t (a int, b text);\nCOPY t (a, b) FROM stdin;\n1\tit's\n2\t\\N\n\\.\n\nSELECT 1;\n")
    assert (finding.line, finding.message.split()[0]) == (2, "COPY")


def test_tells_every_copy_of_a_dump() -> None:
    found = refusals("COPY t FROM stdin;\n1\t'\n\\.\nCOPY u FROM stdin;\n\\.\n\\unrestrict x\n")
    assert [finding.line for finding in found] == [1, 4, 6]


@pytest.mark.parametrize("sql", ["COPY t FROM '/data/t.csv'", "COPY t FROM PROGRAM 'cat /data/t.csv'"])
def test_copy_of_the_servers_own_files_may_run(sql: str) -> None:
    assert statements(sql) == [sql]


def test_a_backslash_inside_a_literal_is_no_command_of_psql() -> None:
    sql = "SELECT '\n\\connect app\n'"
    assert statements(sql) == [sql]


@pytest.mark.parametrize(
    ("sql", "encoding"),
    [
        ("SET client_encoding = 'LATIN1'", "LATIN1"),
        ("SET LOCAL client_encoding TO win1252", "win1252"),
        ("set session CLIENT_ENCODING='SQL_ASCII'", "SQL_ASCII"),
        ("SET NAMES 'latin1'", "latin1"),
    ],
)
def test_refuses_another_encoding_than_the_one_it_is_sent_in(sql: str, encoding: str) -> None:
    finding = refusal(f"SELECT 1;\n {sql};")
    assert finding.place == f"{FILE}:2:2"
    assert finding.message == (f"a migration is sent as UTF-8; with {encoding} the server would misread what follows")
    assert finding.hint == "save the file as UTF-8 and take this statement out"


@pytest.mark.parametrize(
    "sql",
    [
        "SET client_encoding = 'UTF8'",
        "SET client_encoding TO 'utf-8'",
        "SET NAMES 'UTF8'",
        "SET client_encoding TO DEFAULT",
        "SET client_min_messages = warning",
        "SELECT 'SET client_encoding = LATIN1'",
    ],
)
def test_its_own_encoding_may_be_said(sql: str) -> None:
    assert statements(sql) == [sql]


# The ledger


@pytest.mark.parametrize(
    ("sql", "thing"),
    [
        ("DROP TABLE schema_migrations", "schema_migrations"),
        ("DROP TABLE public.schema_migrations", "schema_migrations"),
        ('ALTER TABLE "migration_history" ADD note text', "migration_history"),
        ("DELETE FROM migration_runs", "migration_runs"),
        ("UPDATE migration_environment SET environment = 'x'", "migration_environment"),
        ("INSERT INTO SCHEMA_MIGRATIONS VALUES ('02')", "schema_migrations"),
        ("WITH gone AS (DELETE FROM schema_migrations RETURNING 1) SELECT * FROM gone", "schema_migrations"),
        ("TRUNCATE t, migration_history", "migration_history"),
        ("DROP SCHEMA public CASCADE", "schema public"),
    ],
)
def test_refuses_to_change_the_ledger(sql: str, thing: str) -> None:
    finding = refusal(f"SELECT 1;\n  {sql};")
    assert finding.place == f"{FILE}:2:3"
    assert finding.message == f"this statement changes {thing}, which holds the ledger of the migrations"
    assert finding.hint == (
        "take it out; where it means a table of your own, keep the ledger elsewhere with `tracking-schema`"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) FROM schema_migrations",
        "DROP TABLE app.schema_migrations",
        "DELETE FROM schema_migration",
        "SELECT 'DROP TABLE schema_migrations'",
        "-- DROP TABLE schema_migrations\nSELECT 1",
        "DROP SCHEMA app",
    ],
)
def test_what_only_looks_like_the_ledger_may_be_changed(sql: str) -> None:
    assert len(statements(sql)) == 1


@pytest.mark.parametrize(
    ("sql", "refused"),
    [
        ("DROP TABLE schema_migrations", False),
        ("DROP TABLE public.schema_migrations", False),
        ("DROP SCHEMA public", False),
        ("DROP TABLE deploy.schema_migrations", True),
        ('DROP TABLE "deploy"."schema_migrations"', True),
        ("DROP SCHEMA deploy", True),
        ("ALTER SCHEMA deploy RENAME TO other", True),
    ],
)
def test_the_ledger_is_the_one_in_the_tracking_schema(sql: str, refused: bool) -> None:
    policy = ParsePolicy(tracking_schema="deploy")
    if refused:
        assert "the ledger" in refusal(sql, policy).message
    else:
        assert parsed(sql, policy).transactional


def test_the_ledger_is_found_among_the_rows_of_a_large_file() -> None:
    row = "INSERT INTO t VALUES (1);\n"
    rows = LARGE // len(row) + 1
    finding = refusal(f"{row * rows}DELETE FROM schema_migrations;\n{row}")
    assert (finding.line, finding.column) == (rows + 1, 1)


def test_the_ledgers_own_file_may_make_the_ledger() -> None:
    file = a_migration_file("00", name="migration_state_tracking", sql="CREATE TABLE schema_migrations (version text)")
    assert parse(file).transactional


def test_the_ledgers_own_file_is_one_transaction() -> None:
    file = a_migration_file("00", name="migration_state_tracking", sql="SELECT 1;\nVACUUM;")
    with pytest.raises(InputError) as caught:
        parse(file)
    (finding,) = caught.value.findings
    assert finding.place == "migrations/00_migration_state_tracking.sql:1"
    assert finding.message == (
        "this file runs inside of a transaction, and it cannot: PostgreSQL does not run VACUUM inside a transaction "
        "(line 2)"
    )
    assert finding.hint == "move that into a migration of its own"


# Check files


def test_a_check_file_is_taken_apart_alike() -> None:
    migration = parse(a_migration_file(1, check="-- why\nBEGIN; SELECT count(*) = 0 FROM t; COMMIT"))
    assert [(check.sql, check.line) for check in migration.checks] == [(b"SELECT count(*) = 0 FROM t", 2)]


def test_each_statement_of_a_check_file_has_its_own_answer() -> None:
    """Also where it is nested too deeply to be looked at, or the file is large: only the first of several is judged."""
    deep = f"SELECT {' + '.join(['1'] * 300)} > 0"
    rows = "SELECT count(*) > 0 FROM t;\n" * (LARGE // 20)
    for text in (f"{deep};\n{deep};\n", rows):
        checks = parse(a_migration_file(1, check=text)).checks
        assert [check.count for check in checks] == [1] * text.count("\n")


def test_a_file_without_a_check_file_has_no_checks() -> None:
    assert parsed("SELECT 1").checks == ()


@pytest.mark.parametrize(
    ("check", "place", "message"),
    [
        pytest.param("SELECT 1;\nCOMMIT;", "2:1", "a migration and its ledger row are one transaction", id="control"),
        pytest.param("SELECT 1;\nVACUUM;", "1", "this file runs inside of a transaction, and it cannot", id="vacuum"),
        pytest.param("SELECT 1;\n COPY t TO stdout;", "2:2", "COPY from stdin or to stdout needs psql", id="copy"),
        pytest.param("SELECT 1;\n\\q", "2:1", "`\\q` is a command of psql, not SQL", id="psql"),
        pytest.param("SELECT 'x", "1:8", "the literal that begins here never ends", id="literal"),
        pytest.param("BEGIN;\nVACUUM;\nCOMMIT", "2:1", "PostgreSQL does not run VACUUM inside the BEGIN", id="wrapped"),
    ],
)
def test_a_check_file_is_refused_alike(check: str, place: str, message: str) -> None:
    finding = refusal("SELECT 1", check=check)
    assert finding.place == f"migrations/01_example.check.sql:{place}"
    assert finding.message.startswith(message)


def test_a_check_file_cannot_have_transactions_of_its_own() -> None:
    check = "BEGIN; SELECT true; COMMIT; SELECT true"
    assert refusal("SELECT 1", OWN_TRANSACTIONS, check=check).place == "migrations/01_example.check.sql:1:1"


def test_warns_of_an_unknown_statement_in_a_check_file_too() -> None:
    migration = parse(a_migration_file(1, check="FROB t"))
    assert [warning.place for warning in migration.findings] == ["migrations/01_example.check.sql:1:1"]


def test_tells_what_is_wrong_with_both_files() -> None:
    found = refusals("COMMIT", check="COMMIT")
    assert [str(finding.path) for finding in found] == ["migrations/01_example.check.sql", FILE]


# Down files


def test_a_down_file_is_a_migration_of_its_own_text() -> None:
    down = parse_down(a_migration_file(1, sql="SELECT 1", down="-- Purpose: back\nVACUUM", check="SELECT true"))
    assert [(part.sql, part.line) for part in down.statements] == [(b"VACUUM", 2)]
    assert (down.transactional, down.headers.purpose, down.checks) == (False, "back", ())
    assert str(down.source.path) == "migrations/01_example.down.sql"
    assert down.sql_digest == sql_digest(b"VACUUM")


def test_a_down_file_is_refused_at_its_own_place() -> None:
    with pytest.raises(InputError, match=r"^migrations/01_example\.down\.sql:2:1: a migration and its ledger row"):
        parse_down(a_migration_file(1, down="SELECT 1;\nCOMMIT"))


def test_what_is_wrong_with_the_down_file_keeps_nobody_from_going_up() -> None:
    assert parse(a_migration_file(1, down="COMMIT; \\q")).transactional
