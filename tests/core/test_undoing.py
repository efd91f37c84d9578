"""What undoes the migrations of a run: all of them, or a reason for none."""

from runner.core.model import Migration
from runner.core.parse import ParsePolicy
from runner.core.undoing import undoable
from tests.builders import a_migration, a_migration_file


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
