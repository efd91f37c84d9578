"""What of a ledger can be mended, and what only a run or a person can settle."""

from dataclasses import replace
from typing import Any

import pytest

from runner.core.checksum import checksum
from runner.core.model import Applied, LedgerRows, MigrationFile
from runner.core.policies import RepairPolicy
from runner.core.repair import Found, Ledgered, Mending, Repair, find_repairs
from runner.core.sql_digest import sql_digest
from runner.errors import Finding, InputError, Level, Refused, RunnerError
from tests.builders import SQL, a_migration_file, applied

ALL = RepairPolicy()
OUTSIDE = "-- migrate: no-transaction\nSELECT 1;\nSELECT 2;\nBEGIN; SELECT 3; SELECT 4; COMMIT;\n"  # 3 steps
STOPPED: dict[str, Any] = {"undoing": "failed", "statements_undone": 1}  # in the middle of its down file
IN_ITS_MIDDLE = "completed, with 1 statement of its down file done"


def found(
    *rows: Applied,
    policy: RepairPolicy = ALL,
    files: tuple[MigrationFile, ...] = (),
    environment: str | None = "development",
    **others: Any,
) -> Found:
    values: dict[str, Any] = {"schema": "public", "bodies": {}, "under_way": False}
    ledger = Ledgered(rows=LedgerRows(applied=rows, environment=environment), files=files, **values | others)
    return find_repairs(policy, ledger)


def the_only(repairs: tuple[Repair, ...]) -> Repair:
    [repair] = repairs
    return repair


def complaint(error: type[RunnerError], *rows: Applied, **given: Any) -> Finding:
    with pytest.raises(error) as raised:
        found(*rows, **given)
    [finding] = raised.value.findings
    return finding


def test_where_all_is_well_there_is_nothing_to_do() -> None:
    assert found(applied(1), applied(2), files=(a_migration_file(1), a_migration_file(2))) == Found()


# All that can be mended safely


@pytest.mark.parametrize(
    ("row", "before"),
    [
        (applied(1, status="failed", transactional=True), "failed, and was rolled back"),
        (applied(1, status="running", transactional=True), "running, and its run has died"),
        (applied(1, status="pending"), "pending, for a run that has ended"),
        (applied(1, status="failed"), "failed, and was rolled back"),  # of a ledger that knew no others
    ],
)
def test_the_row_of_a_migration_of_which_nothing_remains_goes(row: Applied, before: str) -> None:
    repair = the_only(found(row).repairs)
    assert (repair.mending, repair.row, repair.before) == (Mending.REMOVE, row, before)
    assert (repair.after, repair.note) == ("no row: it is pending again", f"removed: {before}")


@pytest.mark.parametrize(
    "row",
    [
        applied(6, status="skipped"),
        applied(6, status="skipped", transactional=False, statements_done=1),
        applied("v7", status="running"),
        applied("V1.2", status="failed", transactional=False, statements_done=1),
    ],
)
def test_a_row_that_no_run_writes_is_left_and_told(row: Applied) -> None:
    seen = found(row)
    assert seen.repairs == ()
    [finding] = seen.left
    assert finding.level is Level.WARNING
    assert finding.message == (
        f"migration {row.version} is not mended: its row, of status `{row.status}`, is not one that runs write"
    )
    assert found(row, under_way=True) == Found()


def test_while_another_run_is_at_work_its_rows_are_left_alone() -> None:
    rows = [applied(number, status=status) for number, status in enumerate(("running", "pending", "failed"), 1)]
    outside = applied(4, status="running", transactional=False)
    assert found(*rows, outside, under_way=True) == Found()


def test_a_text_of_which_only_the_look_changed_becomes_that_of_the_ledger() -> None:
    row, file = applied(1, sql_digest=sql_digest(SQL.encode())), a_migration_file(1, sql=f"-- why\n{SQL}")
    seen = found(row, files=(file,))
    repair = the_only(seen.repairs)
    assert (repair.mending, repair.row, repair.file) == (Mending.RETEXT, row, file)
    was, now = row.checksum[:8], file.checksum[:8]
    assert repair.note == f"checksum from {was} to {now}: edited in comments or layout"
    assert seen.table.rows == (
        (
            "migration 01",
            f"the text with checksum {row.checksum[:8]}",
            f"that of migrations/01_example.sql, {file.checksum[:8]}: the same SQL",
        ),
    )


def test_a_down_file_is_not_looked_at() -> None:
    row = applied(1, sql_digest=sql_digest(SQL.encode()))
    assert found(row, files=(a_migration_file(1, down="SELECT 'another';"),)) == Found()


def test_another_sql_is_never_taken_and_shown_with_its_difference() -> None:
    row, file = applied(1, sql_digest=sql_digest(SQL.encode())), a_migration_file(1, sql="SELECT 2;\n")
    seen = found(row, files=(file,), bodies={"01": SQL})
    assert seen.repairs == ()
    [finding] = seen.unsafe
    assert "checksum mismatch" in finding.message
    assert "-SELECT 1;" in finding.diff
    assert "+SELECT 2;" in finding.diff


def test_what_is_half_done_is_left_and_told() -> None:
    seen = found(applied(5, status="failed", transactional=False, statements_done=2))
    assert seen.repairs == ()
    [finding] = seen.left
    assert finding.level is Level.WARNING
    assert finding.message == (
        "migration 05 is not mended: failed, with 2 statements done, outside of a transaction, and what it did stays"
    )
    assert "`db-migrate repair --settle 05=undone`" in finding.hint


def test_what_is_half_undone_is_left_and_told() -> None:
    seen = found(applied(5, statements_done=3, **STOPPED, error_message="a table is in the way"))
    assert seen.repairs == ()
    [finding] = seen.left
    assert finding.level is Level.WARNING
    assert finding.message == (
        "migration 05 is not mended: it is completed, and undoing it has failed: a table is in the way; 1 statement of "
        "its down file is done"
    )
    assert finding.hint == (
        "roll back again: that goes on there. Or look at what is left of it; when nothing is: "
        "`db-migrate repair --settle 05=undone`, when all of it is: `db-migrate repair --settle 05=3`"
    )


@pytest.mark.parametrize(("undoing", "done", "under_way"), [("failed", 0, False), ("running", 1, True)])
def test_what_failed_at_once_or_goes_on_is_not_half_undone(undoing: str, done: int, under_way: bool) -> None:
    assert found(applied(5, undoing=undoing, statements_undone=done), under_way=under_way) == Found()


def test_a_command_names_the_ledger_when_it_is_not_in_its_usual_schema() -> None:
    seen = found(applied(5, status="running", transactional=False), schema="it's")
    assert "`db-migrate repair --settle 05=undone --tracking-schema 'it'\\''s'`" in seen.left[0].hint


# What a person settles


def settle(version: str, done: int | None) -> RepairPolicy:
    return RepairPolicy(settle=(version, done))


FILE = a_migration_file(5, sql=OUTSIDE)
HALF = applied(5, checksum=checksum(OUTSIDE.encode()), status="running", transactional=False, statements_done=1)
DONE = applied(5, transactional=False, statements_done=3)
HALF_UNDONE = replace(DONE, **STOPPED)


@pytest.mark.parametrize("done", [0, 1, 2, 3])
@pytest.mark.parametrize("version", ["05", "5", "005"])
def test_a_person_tells_how_many_statements_are_done(version: str, done: int) -> None:
    repair = the_only(found(HALF, policy=settle(version, done), files=(FILE,)).repairs)
    assert (repair.mending, repair.row, repair.done) == (Mending.COUNT, HALF, done)
    assert repair.before == "running, with 1 statement done"
    assert repair.note == f"{done} of 3 statements said to be done; before: {repair.before}"


def test_what_the_ledger_has_already_is_nothing_to_do() -> None:
    row = applied(5, status="failed", transactional=False, statements_done=2)
    assert found(row, policy=settle("5", 2), files=(FILE,)) == Found()


def test_a_number_that_cannot_be_done_is_wrong() -> None:
    finding = complaint(InputError, HALF, policy=settle("5", 4), files=(FILE,))
    assert str(finding) == (
        "migrations/05_example.sql:1: settle: migration 05 has 3 statements, of which 4 cannot be done"
    )
    assert finding.hint == "it is a number from 0 to 3"


def test_what_runs_as_one_step_is_done_as_a_whole() -> None:
    plain = f"INSERT INTO t VALUES ('{'x' * 1000}');\n" * 1100  # of so large a file they are sent together
    file = a_migration_file(5, sql=f"-- migrate: no-transaction\nSELECT 1;\n{plain}")
    row = applied(5, checksum=file.checksum, status="failed", transactional=False, statements_done=1)
    finding = complaint(InputError, row, policy=settle("5", 2), files=(file,))
    assert "of which 2 cannot be done" in finding.message
    assert "what is between is one step" in finding.hint


def test_without_its_file_nobody_knows_the_statements() -> None:
    finding = complaint(InputError, HALF, policy=settle("5", 1))
    assert finding.message == "settle: the file of migration 05 is not in this checkout"


@pytest.mark.parametrize("row", [HALF, applied(5, status="failed", transactional=False, statements_done=0)])
def test_what_a_person_has_undone_goes(row: Applied) -> None:
    repair = the_only(found(row, policy=settle("5", None)).repairs)
    assert (repair.mending, repair.row) == (Mending.REMOVE, row)
    assert repair.note == f"removed, and said to be undone: {repair.before}"


@pytest.mark.parametrize(
    ("done", "mending", "note"),
    [
        (None, Mending.REMOVE, f"removed, and said to be undone: {IN_ITS_MIDDLE}"),
        (3, Mending.KEEP, f"all of it is said to be there; before: {IN_ITS_MIDDLE}"),
    ],
)
def test_what_was_to_be_undone_is_gone_or_there_as_a_whole(done: int | None, mending: Mending, note: str) -> None:
    repair = the_only(found(HALF_UNDONE, policy=settle("5", done)).repairs)
    assert (repair.mending, repair.before) == (mending, IN_ITS_MIDDLE)
    assert repair.note == note


def test_what_was_to_be_undone_does_not_go_on_in_its_middle() -> None:
    finding = complaint(InputError, HALF_UNDONE, policy=settle("5", 1))
    assert finding.message == "settle: migration 05 was to be undone, and is now there as a whole or not at all"
    assert "When all is there: `db-migrate repair --settle 05=3`" in finding.hint


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (applied(4, status="failed"), "settle: the ledger has no migration 5"),
        (DONE, "settle: migration 05 is completed, and nothing about it is unsettled"),
        (
            applied(5, undoing="failed", statements_undone=0),
            "settle: migration 05 is completed, and nothing about it is unsettled",
        ),
        (
            applied(5, status="failed", transactional=True),
            "settle: migration 05 runs in one transaction, so that nothing of it is half done",
        ),
    ],
)
@pytest.mark.parametrize("done", [None, 1])
def test_what_is_not_half_done_cannot_be_settled(row: Applied, message: str, done: int | None) -> None:
    assert complaint(InputError, row, policy=settle("5", done), files=(FILE,)).message == message


# What is forgotten, and where the database belongs


@pytest.mark.parametrize("row", [applied(5), HALF, HALF_UNDONE, applied(5, status="failed", transactional=True)])
def test_development_forgets_a_migration_in_any_state(row: Applied) -> None:
    repair = the_only(found(row, policy=RepairPolicy(forget="5")).repairs)
    assert (repair.mending, repair.row) == (Mending.FORGET, row)
    assert repair.note == f"forgotten with its history: {repair.before}"
    assert (repair.before == IN_ITS_MIDDLE) == (row is HALF_UNDONE)


@pytest.mark.parametrize("environment", ["staging", "production", "dev"])
def test_no_other_environment_forgets(environment: str) -> None:
    finding = complaint(Refused, DONE, policy=RepairPolicy(forget="5"), environment=environment)
    assert finding.message == (
        f"forget: this database is {environment}, and only one of development forgets what was applied"
    )


def test_what_the_ledger_does_not_have_it_cannot_forget() -> None:
    finding = complaint(InputError, applied(4), policy=RepairPolicy(forget="5"))
    assert finding.message == "forget: the ledger has no migration 5"


def test_a_database_moves_to_another_environment() -> None:
    policy = RepairPolicy(environment="staging")
    repair = the_only(found(policy=policy, environment="testing").repairs)
    assert (repair.what, repair.mending, repair.before, repair.after, repair.note) == (
        "environment",
        Mending.MOVE,
        "testing",
        "staging",
        "from testing to staging",
    )
    assert found(policy=policy, environment="staging") == Found()


def test_a_ledger_without_an_environment_gets_one() -> None:
    repair = the_only(found(policy=RepairPolicy(environment="staging"), environment=None).repairs)
    assert (repair.before, repair.after, repair.note) == (
        "none recorded", "staging", "from none recorded to staging"
    )  # fmt: skip


def test_who_asks_for_one_thing_gets_nothing_else() -> None:
    rows = (applied(1, status="failed"), DONE)
    assert [each.mending for each in found(*rows, policy=RepairPolicy(forget="5")).repairs] == [Mending.FORGET]
