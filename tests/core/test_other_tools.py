"""Comments that mean something to another tool, and would mean nothing here."""

from pathlib import PurePosixPath

import pytest

from runner.core.model import SourceFile
from runner.core.other_tools import marks_of_other_tools
from runner.core.statements import LARGE, read_statements
from runner.errors import Finding

PATH = PurePosixPath("migrations/01_example.sql")


def marks(text: str, path: PurePosixPath = PATH) -> list[Finding]:
    source = SourceFile(path=path, data=text.encode())
    return list(marks_of_other_tools(source, read_statements(source, [], [])))


WAYS_BACK = [
    ("-- +goose Down", "goose"),
    ("--+goose down", "goose"),
    ("-- +migrate Down", "sql-migrate"),
    ("-- migrate:down", "dbmate"),
    ("-- migrate:down transaction:false", "dbmate"),
    ("---- create above / drop below ----", "tern"),
    ("-- Down Migration", "node-pg-migrate"),
    ("-- //@UNDO", "mybatis"),
    ("--//@undo", "mybatis"),
]


@pytest.mark.parametrize(("mark", "tool"), WAYS_BACK)
def test_refuses_a_way_back_that_would_run_right_after_the_way_there(mark: str, tool: str) -> None:
    (finding,) = marks(f"-- up\nCREATE TABLE t ();\n\n{mark}\nDROP TABLE t;\n")
    assert finding.place == f"{PATH}:4"
    assert finding.message == (
        f"what follows this mark of {tool} undoes the migration, and would run here right after it"
    )
    assert finding.hint == "move it into the down file, which ends in .down.sql"


@pytest.mark.parametrize(
    "comment",
    [
        "-- +goose NO TRANSACTION",
        "-- +migrate Up notransaction",
        "-- migrate:up transaction:false",
        "-- sqlx:no-transaction",
        "-- no-transaction",
        "--no-transaction \t",
    ],
)
def test_refuses_another_tools_way_to_do_without_a_transaction(comment: str) -> None:
    (finding,) = marks(f"-- why\n  {comment}\nVACUUM;\n")
    assert finding.place == f"{PATH}:2"
    assert (
        finding.message == f"`{comment.strip()}` is another tool's way to say that the file runs without a transaction"
    )
    assert finding.hint == "write `-- migrate: no-transaction` instead"


def test_tells_every_mark() -> None:
    text = "-- +goose NO TRANSACTION\n-- +goose Up\nSELECT 1;\n-- +goose Down\nSELECT 2;\n-- +goose Down\nSELECT 3;"
    assert sorted(finding.line or 0 for finding in marks(text)) == [1, 4, 6]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("-- +goose Up\n-- +goose StatementBegin\nSELECT 1;\n-- +goose StatementEnd\n", id="goose-up"),
        pytest.param("-- +migrate Up\nSELECT 1;", id="sql-migrate-up"),
        pytest.param("-- migrate:up\nSELECT 1;", id="dbmate-up"),
        pytest.param("-- Up Migration\nSELECT 1;", id="node-pg-migrate-up"),
        pytest.param("-- migrate: no-transaction\nSELECT 1;", id="ours"),
        pytest.param("-- a down migration is not needed\nSELECT 1;", id="a-sentence"),
        pytest.param("SELECT 1; -- +goose Down", id="beside-a-statement"),
        pytest.param("-- Down Migration\nDROP TABLE t;", id="a-down-file-that-says-so"),
        pytest.param("CREATE TABLE t ();\n-- +goose Down\n", id="nothing-behind"),
        pytest.param("-- Down migration: see 01_a.down.sql\nCREATE TABLE t ();", id="where-the-way-back-is"),
        pytest.param("SELECT 1;\n-- Down migration: see 01_a.down.sql\nSELECT 2;", id="where-the-way-back-is-between"),
        pytest.param("-- no-transaction needed here\nSELECT 1;", id="a-sentence-about-transactions"),
        pytest.param("-- sqlx:no-transaction is not meant\nSELECT 1;", id="a-sentence-about-sqlx"),
        pytest.param("SELECT '\n-- +goose Down\n';", id="in-a-literal"),
        pytest.param("DO $$ BEGIN\n-- migrate:down\nEND $$;", id="in-a-body"),
    ],
)
def test_other_comments_are_comments(text: str) -> None:
    assert marks(text) == []


ROW = "INSERT INTO t VALUES (1);\n"
ROWS = LARGE // len(ROW) + 1


def test_a_way_back_between_the_rows_of_a_large_file_is_found() -> None:
    (finding,) = marks(f"{ROW * ROWS}-- +goose Down\nDELETE FROM t;\n{ROW * 10}")
    assert finding.line == ROWS + 1


def test_a_mark_in_a_literal_of_a_large_file_is_a_literal() -> None:
    assert marks(f"{ROW * ROWS}INSERT INTO t VALUES ('\n-- +goose Down\n');\n{ROW}") == []


@pytest.mark.parametrize("mark", ["-- +goose Down", "-- migrate:down", "-- Down Migration", "-- +migrate Down"])
def test_a_down_file_may_say_what_it_is(mark: str) -> None:
    down = PATH.with_name("01_example.down.sql")
    assert marks(f"{mark}\nDROP TABLE t;", down) == []
    assert len(marks(f"SELECT 1;\n{mark}\nDROP TABLE t;", down)) == 1


def test_a_file_with_nothing_but_the_way_back_is_not_run_forward() -> None:
    assert len(marks("-- +goose Up\n-- +goose Down\nDROP TABLE t;")) == 1
