"""Where a migration outside of a transaction goes on."""

from typing import Any

import pytest

from runner.core.migration import Migration
from runner.core.model import Applied
from runner.core.resume import resumption
from runner.core.statements import LARGE
from runner.errors import Finding
from tests.builders import a_migration, applied

SQL = "-- migrate: no-transaction\nSELECT 1;\nBEGIN; SELECT 2; COMMIT;\nSELECT 3;"
STEPS = a_migration(2, sql=SQL)
EDITED = a_migration(2, sql=f"{SQL}\nSELECT 4;")
CALLS = "-- migrate: no-transaction\nCALL one();\nBEGIN; SELECT 2; PREPARE TRANSACTION 'two';\nCALL three();"
UNKNOWN = a_migration(2, sql=CALLS)
TRANSACTION = a_migration(2, sql="SELECT 1")


def recorded(status: str, *, done: int | None = None, of: Migration = STEPS, **others: Any) -> Applied:
    values: dict[str, Any] = {"checksum": of.file.checksum, "transactional": False, "statements_done": done}
    return applied(2, status=status, **values | others)


def refusal(migration: Migration, row: Applied, schema: str = "public") -> Finding:
    found = resumption(migration, row, schema)
    assert isinstance(found, Finding)
    return found


@pytest.mark.parametrize(
    ("row", "done"),
    [
        pytest.param(None, 0, id="never-run"),
        pytest.param(recorded("failed", done=0), 0, id="failed-at-once"),
        pytest.param(recorded("failed", done=2), 2, id="failed-on-the-way"),
        pytest.param(recorded("failed", done=3), 3, id="failed-in-its-check"),
        pytest.param(recorded("failed"), 0, id="not-counted"),
        pytest.param(recorded("pending", done=1), 1, id="told-to-go-on"),
        pytest.param(recorded("running", transactional=True), 0, id="was-a-transaction"),
        pytest.param(recorded("running", transactional=None), 0, id="of-an-older-ledger"),
        pytest.param(recorded("failed", done=0, of=EDITED), 0, id="edited-before-anything-was-done"),
        pytest.param(recorded("running", done=3), 3, id="ended-behind-the-last-statement"),
        pytest.param(recorded("running"), 0, id="ended-in-the-first-which-is-counted-with-its-work"),
        pytest.param(recorded("running", done=1), 1, id="ended-in-a-block-which-is-counted-with-its-work"),
    ],
)
def test_goes_on_behind_what_is_done(row: Applied | None, done: int) -> None:
    assert resumption(STEPS, row, "public") == done


@pytest.mark.parametrize(
    ("done", "line", "statement"),
    [(None, 2, 1), (0, 2, 1), (1, 3, 2), (2, 4, 3)],
)
def test_stops_where_nobody_knows_how_a_statement_ended(done: int | None, line: int, statement: int) -> None:
    finding = refusal(UNKNOWN, recorded("running", done=done, of=UNKNOWN))
    assert finding.place == f"migrations/02_example.sql:{line}"
    assert (
        finding.message == "an earlier run of migration 02 ended in the middle of a statement outside of a transaction"
    )
    assert finding.hint == (
        f"look whether the statement in line {line} did its work. If it did: `db-migrate repair --settle "
        f"02={statement}`; if not: `db-migrate repair --settle 02={statement - 1}`. Then run again "
        "(see docs/migrations.md#outside-of-a-transaction)"
    )


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("CREATE INDEX CONCURRENTLY i ON t (a)", id="in-the-catalog"),
        pytest.param("VACUUM t", id="repeatable"),
        pytest.param("INSERT INTO t VALUES (1)", id="counted"),
    ],
)
def test_goes_on_with_a_statement_of_which_there_is_another_way_to_know(sql: str) -> None:
    migration = a_migration(2, sql=f"-- migrate: no-transaction\nCREATE TABLE t (a int);\n{sql};")
    assert resumption(migration, recorded("running", done=1, of=migration), "public") == 1


def test_names_the_ledger_by_its_schema() -> None:
    hint = refusal(UNKNOWN, recorded("running", of=UNKNOWN), schema="Ada's ledger").hint
    assert "`db-migrate repair --settle 02=1 --tracking-schema 'Ada'\\''s ledger'`" in hint


def test_names_the_version_as_the_ledger_has_it() -> None:
    row = applied("2", status="running", checksum=UNKNOWN.file.checksum, transactional=False)
    assert "--settle 2=1`" in refusal(UNKNOWN, row).hint


@pytest.mark.parametrize(
    ("sql", "done"),
    [
        pytest.param(f"{SQL}\nSELECT 4;", 3, id="one-more"),
        pytest.param(SQL.replace("SELECT 3", "SELECT 33"), 2, id="the-one-that-failed"),
        pytest.param(SQL.replace("\nSELECT 3", "\n-- mended\nSELECT 33"), 2, id="with-a-comment"),
        pytest.param(SQL.replace("SELECT 2", "SELECT 22"), 1, id="a-block-behind"),
        pytest.param(f"-- Purpose: why\n{SQL}", 3, id="header"),
    ],
)
def test_what_comes_behind_the_done_statements_may_be_mended(sql: str, done: int) -> None:
    row = recorded("failed", done=done)
    assert resumption(a_migration(2, sql=sql), row, "public", SQL) == done


@pytest.mark.parametrize(
    ("sql", "body", "done"),
    [
        pytest.param(SQL.replace("SELECT 1", "SELECT 11"), SQL, 1, id="a-done-one"),
        pytest.param(SQL.replace("SELECT 2", "SELECT 22"), SQL, 2, id="inside-of-a-done-block"),
        pytest.param(SQL.replace("SELECT 1;\n", ""), SQL, 1, id="one-less"),
        pytest.param(SQL.replace("SELECT 1", "SELECT 0;\nSELECT 1"), SQL, 1, id="one-before"),
        pytest.param("-- migrate: no-transaction\nSELECT 1;", SQL, 2, id="the-others-gone"),
        pytest.param(f"{SQL}\nSELECT 4;", None, 2, id="no-body-to-compare-with"),
    ],
)
@pytest.mark.parametrize("status", ["failed", "running"])
def test_refuses_to_go_on_behind_statements_that_were_edited(
    sql: str, body: str | None, done: int, status: str
) -> None:
    finding = resumption(a_migration(2, sql=sql), recorded(status, done=done), "public", body)
    assert isinstance(finding, Finding)
    assert finding.place == "migrations/02_example.sql:1"
    assert finding.message == (
        "migration 02 was edited in statements that have run, or may have, outside of a transaction"
    )
    assert finding.hint == (
        "restore those; what comes behind them may be mended. Or undo by hand what they did, and say so: "
        "`db-migrate repair --settle 02=undone` (see docs/migrations.md#outside-of-a-transaction)"
    )


@pytest.mark.parametrize("done", [0, 1])
def test_the_statement_that_was_under_way_may_not_be_edited_either(done: int) -> None:
    edited = CALLS.replace("SELECT 2", "SELECT 22") if done else CALLS.replace("one", "eleven")
    finding = resumption(a_migration(2, sql=edited), recorded("running", done=done, of=UNKNOWN), "public", CALLS)
    assert isinstance(finding, Finding)
    assert finding.message.startswith("migration 02 was edited in statements that have run, or may have")
    behind = resumption(
        a_migration(2, sql=f"{CALLS}\nSELECT 4;"), recorded("running", done=done, of=UNKNOWN), "public", CALLS
    )
    assert isinstance(behind, Finding)
    assert behind.message.startswith("an earlier run of migration 02 ended in the middle")


def test_an_index_that_was_under_way_may_not_be_edited_as_it_may_be_there() -> None:
    sql = "-- migrate: no-transaction\nCREATE INDEX CONCURRENTLY i ON t (a);"
    row = recorded("running", done=0, of=a_migration(2, sql=sql))
    found = resumption(a_migration(2, sql=sql.replace("(a)", "(b)")), row, "public", sql)
    assert isinstance(found, Finding)
    assert "was edited in statements that have run, or may have" in found.message
    assert resumption(a_migration(2, sql=f"{sql}\nVACUUM t;"), row, "public", sql) == 0


@pytest.mark.parametrize("done", [0, 1])
def test_what_is_counted_with_its_work_was_not_done_and_may_be_mended(done: int) -> None:
    mended = SQL.replace("SELECT 2", "SELECT 22") if done else SQL.replace("SELECT 1", "SELECT 11")
    assert resumption(a_migration(2, sql=mended), recorded("running", done=done), "public", SQL) == done


def test_refuses_to_go_on_in_what_would_now_be_one_transaction() -> None:
    finding = refusal(TRANSACTION, recorded("failed", done=1, of=TRANSACTION))
    assert finding.place == "migrations/02_example.sql:1"
    assert finding.message == "migration 02 would be one transaction now, with 1 statement of it done before"
    assert finding.hint == "give the inputs of that run again, `own-transactions` above all"


def test_of_statements_that_are_sent_together_all_are_done_or_none() -> None:
    row = "INSERT INTO t VALUES (1);\n"
    large = a_migration(2, sql=f"-- migrate: no-transaction\n{row * (LARGE // len(row) + 1)}CALL p();")
    first = large.steps[0]
    assert first.count > 1
    assert resumption(large, recorded("running", done=first.count, of=large), "public") == first.count
    behind = large.statement_count - 1
    finding = refusal(large, recorded("running", done=behind, of=large))
    assert f"--settle 02={behind + 1}`; if not: `db-migrate repair --settle 02={behind}`" in finding.hint
