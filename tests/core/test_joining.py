"""What is to be recorded of a database that was migrated before."""

from collections.abc import Sequence

import pytest

from runner.core.joining import Joined, recorded_in, table_of, taken_as_it_is, to_record
from runner.core.model import Applied
from runner.core.naming import VersionOrder
from runner.errors import Refused
from tests.builders import a_migration, a_migration_file, a_plan, applied


def joined(*versions: int | str) -> list[Joined]:
    return [Joined(migration=a_migration(version)) for version in versions]


def waiting(versions: Sequence[int | str], *rows: Applied, order: VersionOrder = VersionOrder.AUTO) -> list[str]:
    return [each.migration.version for each in to_record(joined(*versions), rows, order)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([], ["01", "02", "03"]),
        ([applied(1)], ["02", "03"]),
        ([applied("1"), applied("00003")], ["02"]),  # numbers, however they are written
        ([applied(1), applied(2), applied(3)], []),
        ([applied(1), applied(2), applied(3), applied(4)], []),
        ([applied(1), applied(3)], ["02"]),
        ([applied(2, status="failed"), applied(3, status="pending")], ["01", "02", "03"]),
        ([applied(2, status="running", transactional=True)], ["01", "02", "03"]),
        ([applied("not ours")], ["01", "02", "03"]),
    ],
)
def test_what_the_ledger_has_as_completed_is_not_recorded_again(rows: list[Applied], expected: list[str]) -> None:
    assert waiting([1, 2, 3], *rows) == expected


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_half_done_migration_keeps_all_from_being_recorded(status: str) -> None:
    half = applied(2, status=status, transactional=False, statements_done=1)
    with pytest.raises(Refused, match=f"migration 02 is {status} in the ledger") as refused:
        waiting([1, 2], applied(1), half)
    assert "settle it with `repair`" in refused.value.findings[0].hint


def test_a_ledger_that_is_further_contradicts_the_version_that_was_given() -> None:
    with pytest.raises(Refused, match="the ledger has 05 as completed, and 02, which comes before it, not") as refused:
        waiting([1, 2, 3], applied(1), applied(5))
    assert "`baseline --version 05`" in refused.value.findings[0].hint


def test_which_version_is_further_depends_on_their_order() -> None:
    assert waiting(["1", "9"], applied("10"), order=VersionOrder.TEXT) == ["1", "9"]
    with pytest.raises(Refused):
        waiting(["1", "9"], applied("10"), order=VersionOrder.NUMERIC)


def test_what_was_recorded_is_not_pending_any_more() -> None:
    plan = recorded_in(a_plan([2, 3, 4], applied=("01", "05")), joined(2, 3))
    assert [file.version for file in plan.pending] == ["04"]
    assert plan.applied == ("01", "02", "03", "05")


def test_the_table_names_each_file() -> None:
    assert table_of(joined(7)).rows == (("07", "example", "migrations/07_example.sql"),)


def test_a_file_that_cannot_run_is_known_by_its_text_alone() -> None:
    file = a_migration_file(sql="\\connect other\nSELECT 1;")
    migration = taken_as_it_is(file)
    assert (migration.file, migration.statements) == (file, ())
    assert taken_as_it_is(a_migration_file(sql="SELECT 1;")).sql_digest == a_migration(sql="SELECT  1 ;").sql_digest
