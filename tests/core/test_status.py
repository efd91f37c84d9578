"""Files and ledger side by side, and the plain table that shows them."""

from runner.core.checksum import sql_digest
from runner.core.model import Applied, MigrationFile, Table
from runner.core.naming import VersionOrder
from runner.core.status import HEADINGS, status_rows
from runner.core.table import as_text
from tests.builders import NOON, SQL, a_migration_file, applied


def states(files: list[MigrationFile], rows: list[Applied]) -> dict[str, str]:
    return {row[0]: row[2] for row in status_rows(files, rows, VersionOrder.AUTO)}


def test_tells_the_state_of_each_migration() -> None:
    files = [a_migration_file(version) for version in (1, 2, 3, 4, 6, 7)]
    rows = [
        applied(1),
        applied(2, checksum="another"),
        applied(3, status="failed", checksum="another"),
        applied(4, status="running"),
        applied(5),
        applied(7, checksum="another", sql_digest=sql_digest(SQL.encode())),
    ]
    assert states(files, rows) == {
        "01": "completed",
        "02": "completed, file modified",
        "03": "failed",
        "04": "running",
        "05": "completed, file missing",
        "06": "pending",
        "07": "completed, file edited in comments or layout",
    }


def test_tells_when_by_whom_and_how_fast() -> None:
    row = applied(1, applied_at=NOON, applied_by="ada", execution_time_ms=340)
    assert status_rows([a_migration_file(1)], [row], VersionOrder.AUTO) == [
        ("01", "example", "completed", "2026-11-22 12:00:00 UTC", "ada", "340 ms")
    ]


def test_a_row_that_tells_nothing_more_has_empty_cells() -> None:
    assert status_rows([], [applied(1, status="running")], VersionOrder.AUTO) == [
        ("01", "example", "running, file missing", "", "", "")
    ]


def test_one_number_written_in_two_ways_is_one_migration() -> None:
    assert states([a_migration_file("001")], [applied("1")]) == {"1": "completed"}


def test_follows_the_order_that_was_chosen() -> None:
    files, rows = [a_migration_file("9")], [applied("10")]
    assert [row[0] for row in status_rows(files, rows, VersionOrder.NUMERIC)] == ["9", "10"]
    assert [row[0] for row in status_rows(files, rows, VersionOrder.TEXT)] == ["10", "9"]


def test_every_row_has_a_cell_a_heading() -> None:
    rows = status_rows([a_migration_file(1)], [applied(1), applied(2)], VersionOrder.AUTO)
    assert HEADINGS == ("version", "name", "state", "applied at", "by", "took")
    assert {len(row) for row in rows} == {len(HEADINGS)}


def test_a_table_is_as_wide_as_its_content() -> None:
    assert as_text(Table(headings=("version", "by"), rows=(("01", "ada"), ("20260131120000", "")))) == (
        "version         by\n"  #
        "──────────────  ───\n"
        "01              ada\n"
        "20260131120000"
    )


def test_a_table_without_rows_shows_its_headings() -> None:
    assert as_text(Table(headings=("a", "bc"), rows=())) == "a  bc\n─  ──"
