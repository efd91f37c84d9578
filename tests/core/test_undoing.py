"""What undoes migrations: all of them, or every reason for none; and where undoing goes on that was begun."""

from collections.abc import Sequence
from datetime import timedelta
from pathlib import PurePosixPath
from typing import Any

import pytest

from runner.core.checksum import checksum as digest_of
from runner.core.migration import Migration
from runner.core.model import Applied, MigrationFile, Plan
from runner.core.naming import VersionOrder
from runner.core.policies import BackPolicy, ParsePolicy
from runner.core.undoing import Begun, Kept, begun_before, behind, half_undone, parse_back, plan_back, undoable
from runner.errors import Finding, InputError, Level, Refused
from tests.builders import NOON, SQL, a_migration, a_migration_file, applied


def with_down(version: int, down: str | None = "DROP TABLE a;", **others: str) -> Migration:
    return a_migration(version, sql=others.pop("sql", "CREATE TABLE a ();"), down=down, **others)


def test_the_last_one_is_undone_first_by_what_its_down_file_says() -> None:
    downs = undoable([with_down(1), with_down(2, "DROP INDEX CONCURRENTLY b;"), with_down(10)])
    assert not isinstance(downs, str)
    assert [down.version for down in downs] == ["10", "02", "01"]
    assert [str(down.source.path) for down in downs][:1] == ["migrations/10_example.down.sql"]
    assert [down.transactional for down in downs] == [True, False, True]


def test_without_one_down_file_nothing_is_undone() -> None:
    assert undoable([with_down(1), with_down(2, None), with_down(3)]) == "migration 02 has no down file"


def test_a_down_file_that_cannot_run_is_told_with_its_place() -> None:
    said = undoable([with_down(1, "SELECT 1;\nCOMMIT;\n\\d x\nSELECT 2;")])
    assert isinstance(said, str)
    assert said.startswith("the down file of migration 01 cannot run: migrations/01_example.down.sql:2:1: a migration ")
    assert "migrations/01_example.down.sql:3:1: `\\d` is a command of psql" in said


def test_a_down_file_that_drops_the_ledger_cannot_run() -> None:
    down = "DROP TABLE app.schema_migrations;"
    assert isinstance(undoable([with_down(1, down)], ParsePolicy(tracking_schema="app")), str)
    assert not isinstance(undoable([with_down(1, down)]), str)


def test_the_policy_of_the_run_is_that_of_its_down_files() -> None:
    down = "BEGIN; DROP TABLE a; COMMIT; BEGIN; DROP TABLE b; COMMIT;"
    assert isinstance(undoable([with_down(1, down)]), str)
    assert not isinstance(undoable([with_down(1, down)], ParsePolicy(own_transactions=True)), str)


def test_a_down_file_without_a_statement_undoes_nothing() -> None:
    assert undoable([with_down(1, "-- not needed\n")]) == "the down file of migration 01 has no statement"


def test_what_did_nothing_is_undone_by_nothing() -> None:
    downs = undoable([with_down(1, "-- nothing either\n", sql="-- nothing\n")])
    assert not isinstance(downs, str)
    assert [down.steps for down in downs] == [()]


def test_what_did_nothing_needs_no_down_file() -> None:
    downs = undoable([with_down(1), with_down(2, None, sql="-- nothing\n")])
    assert not isinstance(downs, str)
    assert [(down.version, down.steps == ()) for down in downs] == [("02", True), ("01", False)]


def test_every_reason_is_told_in_the_order_of_the_migrations() -> None:
    said = undoable([with_down(1, None), with_down(2, ""), with_down(3), with_down(4, None)])
    assert said == (
        "migration 01 has no down file; the down file of migration 02 has no statement; migration 04 has no down file"
    )


def test_the_file_that_makes_the_ledger_stays() -> None:
    ledger = a_migration("00", name="migration_state_tracking", sql="CREATE TABLE schema_migrations ();")
    downs = undoable([ledger, with_down(1)])
    assert not isinstance(downs, str)
    assert [down.version for down in downs] == ["01"]
    assert undoable([ledger]) == "nothing was applied that could be undone"


def test_files_of_which_nothing_can_be_undone_keep_the_up_file_out_of_it() -> None:
    file = a_migration_file(1, down="DROP TABLE a;", check="SELECT true;")
    downs = undoable([a_migration(1, down="DROP TABLE a;", check="SELECT true;")])
    assert not isinstance(downs, str)
    assert (downs[0].file, downs[0].source, downs[0].checks) == (file, file.down, ())


# How far

ROWS = [applied(1), applied(2), applied(3), applied(10)]
LEDGER = applied(0, name="migration_state_tracking")


def undone(rows: Sequence[Applied], order: VersionOrder = VersionOrder.AUTO, **far: Any) -> list[str]:
    return [row.version for row in behind(rows, BackPolicy(**far), order, "public")]


def outside(version: int, status: str, done: int) -> Applied:
    """A row of a migration outside of a transaction."""
    return applied(version, status=status, statements_done=done, transactional=False)


@pytest.mark.parametrize(
    ("far", "versions"),
    [
        ({"steps": 1}, ["10"]),
        ({"steps": 4}, ["10", "03", "02", "01"]),
        ({"to": "02"}, ["10", "03"]),
        ({"to": "2"}, ["10", "03"]),
        ({"to": "0002"}, ["10", "03"]),
        ({"to": "10"}, []),
        ({"to": "0"}, ["10", "03", "02", "01"]),
        ({"to": "000"}, ["10", "03", "02", "01"]),
    ],
)
@pytest.mark.parametrize("rows", [ROWS, ROWS[::-1], [*ROWS, LEDGER], [*ROWS, applied(4, status="failed")]])
def test_the_last_ones_are_undone_the_last_one_first(
    rows: list[Applied], far: dict[str, Any], versions: list[str]
) -> None:
    assert undone(rows, **far) == versions


def test_the_last_ones_are_those_of_the_order_that_is_meant() -> None:
    rows = [applied("2"), applied("10"), applied("9")]
    assert undone(rows, VersionOrder.NUMERIC, to="2") == ["10", "9"]
    assert undone(rows, VersionOrder.TEXT, to="2") == ["9"]


@pytest.mark.parametrize("zeroth", ["0", "00", "000"])
def test_a_migration_whose_number_is_a_zero_stays_when_it_is_named_with_two(zeroth: str) -> None:
    rows = [applied(zeroth), applied("001")]
    assert undone(rows, to="00") == undone(rows, to="000") == undone(rows, steps=1) == ["001"]
    assert undone(rows, to="0") == undone(rows, steps=2) == ["001", zeroth]


def test_a_database_at_the_beginning_is_there_already() -> None:
    assert undone([], to="0") == undone([LEDGER, applied(1, status="pending")], to="0") == []


@pytest.mark.parametrize(
    ("rows", "version", "hint"),
    [
        (ROWS, "4", 'the last versions that are applied: 01, 02, 03, 10; `to: "0"` is the beginning'),
        ([*ROWS, applied(4, status="failed")], "4", "the last versions that are applied: 01, 02, 03, 10; "),
        ([*ROWS, applied(4, status="pending")], "4", "the last versions that are applied: 01, 02, 03, 10; "),
        ([applied(number) for number in range(1, 13)], "99", "the last versions that are applied: 03, 04, 05, 06, "),
        ([], "4", "no migration is"),
    ],
)
def test_one_goes_back_only_to_what_is_applied(rows: list[Applied], version: str, hint: str) -> None:
    with pytest.raises(InputError) as error:
        undone(rows, to=version)
    [finding] = error.value.findings
    assert str(finding) == f"to: migration {version} is not applied to this database"
    assert finding.hint.startswith(hint)


@pytest.mark.parametrize(
    ("rows", "steps", "why"),
    [
        ([LEDGER, *ROWS], 5, "steps: 5 migrations cannot be undone, as 4 of them are applied"),
        ([applied(1)], 2, "steps: 2 migrations cannot be undone, as 1 of them is applied"),
        ([LEDGER, applied(1, status="pending")], 1, "steps: 1 migration cannot be undone, as none is applied to this"),
        ([], 3, "steps: 3 migrations cannot be undone, as none is applied to this database"),
    ],
)
def test_no_more_are_undone_than_there_are(rows: list[Applied], steps: int, why: str) -> None:
    with pytest.raises(InputError, match=why):
        undone(rows, steps=steps)


@pytest.mark.parametrize(
    "half",
    [
        outside(11, "failed", 1),
        outside(11, "running", 1),
        outside(11, "running", 0),
    ],
)
@pytest.mark.parametrize("far", [{"steps": 2}, {"to": "3"}, {"to": "0"}, {"to": "10"}, {"to": "11"}])
def test_nothing_is_undone_beside_what_is_half_done(half: Applied, far: dict[str, Any]) -> None:
    with pytest.raises(Refused, match=f"migration {half.version} is {half.status} in the ledger") as error:
        undone([*ROWS, half], **far)
    assert f"`db-migrate repair --settle {half.version}=undone`" in error.value.findings[0].hint


def test_the_way_out_of_it_names_the_ledger() -> None:
    with pytest.raises(Refused) as error:
        behind([outside(11, "failed", 1)], BackPolicy(to="0"), VersionOrder.AUTO, "app")
    assert error.value.findings[0].hint.endswith("`db-migrate repair --settle 11=undone --tracking-schema 'app'`")


@pytest.mark.parametrize(
    "row",
    [
        applied(11, status="running", transactional=True),
        applied(11, status="running"),
        applied(11, status="failed", transactional=True),
        outside(11, "failed", 0),
        outside(2, "running", 1),
    ],
)
def test_what_has_left_nothing_or_stays_is_not_in_the_way(row: Applied) -> None:
    assert undone([applied(1), applied(3), applied(10), row], to="3") == ["10"]


# By which file

UP, DOWN = "CREATE TABLE a ();", "DROP TABLE a;"
FOLDER = PurePosixPath("db/changes")


def back(files: Sequence[MigrationFile], row: Applied, kept: Kept | None = None) -> Plan:
    by_version = {row.version: kept} if kept else {}
    return plan_back([row], files, [applied(1), row], by_version, VersionOrder.AUTO, FOLDER)


def texts(plan: Plan) -> tuple[str, str | None]:
    [file] = plan.pending
    return str(file.path), file.down.text if file.down else None


def of(file: MigrationFile, **others: str) -> Applied:
    return applied(file.version, name=others.pop("name", file.name), checksum=file.checksum, **others)


HERE = a_migration_file(2, sql=UP, down=DOWN)
KEPT = Kept(up=UP, down="DROP TABLE a; -- as it was")


def test_what_the_ledger_kept_is_what_runs() -> None:
    plan = back([a_migration_file(1), HERE], of(HERE), KEPT)
    assert texts(plan) == ("migrations/02_example.sql", KEPT.down)
    assert plan.applied == ("01", "02")
    assert plan.pending[0].checksum == HERE.checksum
    [notice] = plan.findings
    assert notice.level is Level.NOTICE
    assert str(notice) == (
        "migrations/02_example.down.sql:1: the down file of migration 02 is not the one that the ledger kept, which is "
        "what runs"
    )
    assert "-DROP TABLE a; -- as it was\n+DROP TABLE a;" in notice.diff


def test_of_an_equal_file_there_is_nothing_to_say() -> None:
    assert back([HERE], of(HERE), Kept(up=UP, down=DOWN)).findings == ()


@pytest.mark.parametrize("files", [[], [a_migration_file(1)]])
def test_a_checkout_without_the_migration_is_no_hindrance(files: list[MigrationFile]) -> None:
    plan = back(files, of(HERE, name="as it/was"), KEPT)
    assert texts(plan) == ("db/changes/02_as it/was.sql", KEPT.down)
    [down] = parse_back(plan.pending, files)
    assert str(down.source.path) == "db/changes/02_as it/was.down.sql"
    assert plan.findings == ()


def test_of_two_texts_with_a_password_the_difference_is_not_shown() -> None:
    [notice] = back([HERE], of(HERE), Kept(up=UP, down="ALTER ROLE app PASSWORD 'geheim'; DROP TABLE a;")).findings
    assert (notice.level, notice.diff) == (Level.NOTICE, "")


def test_what_stays_and_was_applied_later_is_told() -> None:
    rows = [
        applied(number, applied_at=NOON + timedelta(minutes=minutes)) for number, minutes in ((1, 0), (2, 9), (3, 5))
    ]
    unknown = applied(4)
    [warning] = plan_back([rows[2]], [], [*rows, unknown], {"03": KEPT}, VersionOrder.AUTO, FOLDER).findings
    assert warning.level is Level.WARNING
    assert str(warning) == "applied after some of what is undone, and staying: 02"
    assert plan_back(rows[1:], [], rows, {"02": KEPT, "03": KEPT}, VersionOrder.AUTO, FOLDER).findings == ()


def test_the_version_is_as_the_ledger_writes_it() -> None:
    row = applied("2", checksum=HERE.checksum)
    assert back([HERE], row, KEPT).pending[0].version == "2"


def test_where_the_ledger_kept_none_it_is_the_file_of_what_was_applied() -> None:
    assert texts(back([HERE], of(HERE))) == ("migrations/02_example.sql", DOWN)
    assert texts(back([HERE], of(HERE), Kept(up=UP))) == ("migrations/02_example.sql", DOWN)


def test_it_is_that_of_then_and_not_what_was_made_of_it() -> None:
    then = Kept(up=UP, down_checksum=digest_of(DOWN.encode()))
    assert texts(back([HERE], of(HERE), then)) == ("migrations/02_example.sql", DOWN)
    edited = a_migration_file(2, sql=UP, down="DROP TABLE IF EXISTS another;")
    assert texts(back([edited], of(HERE), then)) == ("migrations/02_example.sql", None)


def test_one_that_was_written_later_may_be_mended_once_it_was_begun() -> None:
    later = Kept(up=UP, down="DROP TABLE a; DROP TABLE nothing;", later=True)
    plan = back([HERE], of(HERE), later)
    assert (texts(plan), plan.findings) == (("migrations/02_example.sql", DOWN), ())
    assert texts(back([], of(HERE), later))[1] == later.down


OTHER = a_migration_file(2, sql="CREATE TABLE b ();", down=DOWN)
ALONE = a_migration_file(2, sql=UP)
FILE, DOWN_FILE = "migrations/02_example.sql:1: ", "migrations/02_example.down.sql:1: "
NONE_KEPT = "the ledger kept no down file of it, and this checkout does not have"
COMMIT, BY_HAND = "run this in a checkout of the commit that has applied it", "undo by hand what the migration did"
WRITE = "write migrations/02_example.down.sql, which takes back what it did; or restore"


@pytest.mark.parametrize(
    ("files", "kept", "place", "why", "hint"),
    [
        ([a_migration_file(1)], Kept(), "", f"{NONE_KEPT} the migration", COMMIT),
        ([OTHER], Kept(up=UP), FILE, f"{NONE_KEPT} it as it was applied", COMMIT),
        ([ALONE], Kept(up=UP), FILE, "it has no down file", WRITE),
        (
            [HERE],
            Kept(up=UP, down_checksum="another"),
            DOWN_FILE,
            "the ledger kept no text of its down file, and this checkout has another one than when it was applied",
            COMMIT,
        ),
        ([HERE], Kept(up=UP, down="-- nothing\n"), DOWN_FILE, "its down file has no statement", BY_HAND),
        ([OTHER], Kept(down=""), DOWN_FILE, "its down file has no statement", BY_HAND),
    ],
)
def test_without_a_down_file_nothing_runs(
    files: list[MigrationFile], kept: Kept, place: str, why: str, hint: str
) -> None:
    plan = back(files, of(HERE), kept)
    with pytest.raises(Refused) as error:
        parse_back(plan.pending, files)
    [finding] = error.value.findings
    assert str(finding) == f"{place}migration 02 (example) cannot be undone: {why}"
    assert finding.hint.startswith(hint)


@pytest.mark.parametrize("kept", [Kept(up="-- nothing\n", down=""), Kept(down=""), Kept(up="-- nothing\n"), Kept()])
def test_what_is_known_to_have_done_nothing_is_taken_back_by_nothing(kept: Kept) -> None:
    file = a_migration_file(2, sql="-- nothing\n")
    [down] = parse_back(back([file], of(file), kept).pending, [file])
    assert down.statements == ()


def test_all_that_is_in_the_way_is_told_at_once() -> None:
    files = [
        a_migration_file(1),
        a_migration_file(2, down="\\d"),
        a_migration_file(3, down=DOWN),
        a_migration_file(4, down="COMMIT;\n\\d"),
    ]
    rows = [of(file) for file in reversed(files)]
    plan = plan_back(rows, files, rows, {}, VersionOrder.AUTO, FOLDER)
    with pytest.raises(Refused) as refused:
        parse_back(plan.pending, files)
    assert [str(finding).partition(": ")[0] for finding in refused.value.findings] == [
        "migrations/01_example.sql:1",
        "migrations/04_example.down.sql:1:1",
        "migrations/04_example.down.sql:2:1",
        "migrations/02_example.down.sql:1:1",
    ]
    with pytest.raises(InputError) as wrong:  # a file is there for each: only what stands in them is wrong
        parse_back(plan.pending[:-1], files)
    assert len(wrong.value.findings) == 3


def test_the_rules_for_files_are_those_of_the_run() -> None:
    files = [a_migration_file(1, sql=SQL, down="BEGIN; SELECT 1; COMMIT; BEGIN; SELECT 2; COMMIT;")]
    pending = back(files, of(files[0])).pending
    with pytest.raises(InputError):
        parse_back(pending, files)
    [down] = parse_back(pending, files, ParsePolicy(own_transactions=True))
    assert not down.transactional


# Begun before

OUTSIDE = "-- migrate: no-transaction\n"
THREE = "DROP INDEX CONCURRENTLY a_id;\nDROP TABLE a;\nDROP TABLE b;"


def down_of(text: str) -> Migration:
    [down] = parse_back([a_migration_file(2, down=text)], [])
    return down


def being_undone(undoing: str, done: int, **others: Any) -> Applied:
    return applied(2, undoing=undoing, statements_undone=done, **others)


def begun(down: Migration, row: Applied, body: str | None = None) -> Begun | Finding:
    return begun_before(down, row, body, "app")


@pytest.mark.parametrize("body", [THREE, None])
@pytest.mark.parametrize(("undoing", "done"), [("failed", 0), ("failed", 1), ("running", 0), ("running", 3)])
def test_what_the_ledger_has_is_where_the_next_run_goes_on(undoing: str, done: int, body: str | None) -> None:
    assert begun(down_of(THREE), being_undone(undoing, done), body) == Begun(done=done, failed=undoing == "failed")


@pytest.mark.parametrize(
    ("undoing", "done", "text"),
    [
        ("failed", 2, "DROP INDEX CONCURRENTLY a_id;\nDROP TABLE a;\nDROP TABLE IF EXISTS b;\nDROP TABLE c;"),
        ("failed", 2, "-- mended\nDROP INDEX CONCURRENTLY a_id;\n\nDROP TABLE a;"),
        ("running", 1, "DROP INDEX CONCURRENTLY a_id;\nDROP TABLE c;"),  # of a COUNTED step it is known that it is not
        ("failed", 0, "DROP TABLE a;"),
    ],
)
def test_what_comes_behind_the_finished_statements_may_be_mended(undoing: str, done: int, text: str) -> None:
    answer = begun(down_of(text), being_undone(undoing, done), THREE)
    assert answer == Begun(done=done, failed=undoing == "failed")


@pytest.mark.parametrize(
    ("undoing", "done", "text"),
    [
        ("failed", 1, "DROP INDEX CONCURRENTLY another;\nDROP TABLE a;\nDROP TABLE b;"),
        ("failed", 2, "DROP INDEX CONCURRENTLY a_id;"),
        ("failed", 1, "DROP TABLE a;\nDROP INDEX CONCURRENTLY a_id;"),
        ("running", 0, "DROP INDEX CONCURRENTLY another;\nDROP TABLE a;\nDROP TABLE b;"),  # it may be done
        ("failed", 4, THREE),  # somebody wrote the ledger
    ],
)
def test_what_was_edited_where_it_has_run_is_not_gone_on_with(undoing: str, done: int, text: str) -> None:
    stuck = begun(down_of(text), being_undone(undoing, done), THREE)
    assert isinstance(stuck, Finding)
    assert stuck.message.endswith("would go on in a file that was edited in statements which have run, or may have")


@pytest.mark.parametrize(
    ("text", "row", "line", "why"),
    [
        (f"{OUTSIDE}CALL p();", being_undone("running", 0), 2,
         "was begun, and nobody knows whether this statement was done"),
        (f"{OUTSIDE}CREATE TEMP TABLE t ();\nDROP TABLE a;", being_undone("failed", 1), 2,
         "would go on in a new session"),
        ("DROP TABLE a;\nDROP TABLE b;", being_undone("failed", 1), 1,
         "would be one transaction now, with 1 statement of its file done before"),
    ],
)  # fmt: skip
def test_where_nobody_can_tell_nobody_goes_on(text: str, row: Applied, line: int, why: str) -> None:
    stuck = begun(down_of(text), row, text)
    assert isinstance(stuck, Finding)
    assert str(stuck).startswith(f"migrations/02_example.down.sql:{line}: undoing migration 02 {why}")
    assert "`db-migrate repair --settle 02=undone --tracking-schema 'app'`" in stuck.hint


@pytest.mark.parametrize(
    ("row", "why"),
    [
        (being_undone("failed", 1, error_message="no such table"),
         "no such table; 1 statement of its down file is done"),
        (being_undone("failed", 2), "2 statements of its down file are done"),
        (being_undone("running", 0), "it was begun, outside of a transaction, and no run has told how it ended"),
    ],
)  # fmt: skip
def test_what_is_half_undone_is_told_with_its_ways_out(row: Applied, why: str) -> None:
    [finding] = half_undone([applied(1), row], "public")
    assert finding.message == f"migration 02 is completed in the ledger, and undoing it has failed: {why}"
    assert finding.hint.startswith("unless a run is under way, roll back again: that goes on there.")
    assert finding.hint.endswith("`db-migrate repair --settle 02=undone`")


def test_where_nothing_is_undone_nothing_is_half_undone() -> None:
    assert half_undone([applied(1), being_undone("failed", 0, error_message="no such table")], "public") == []


def test_the_one_that_stays_is_whole() -> None:
    rows = [applied(1), being_undone("failed", 1), applied(3)]
    with pytest.raises(Refused, match="migration 02 is completed in the ledger, and undoing it has failed"):
        undone(rows, to="02")
    assert undone(rows, to="01") == ["03", "02"]
