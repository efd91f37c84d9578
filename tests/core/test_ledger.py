"""Whose table stands in the ledger's place, and in which shape."""

import pytest

from runner.core.ledger import adoptable, foreign_table, judge, tool_of
from runner.core.model import LedgerState, Status
from runner.core.naming import LEDGER_FILE
from runner.core.syntax import trees
from runner.core.tools import Tool
from runner.resources import bundled


def columns_made_by(sql: str) -> dict[str, set[str]]:
    """The tables that a file creates, with the columns that it gives them, then or later."""
    tables: dict[str, set[str]] = {}
    for node in (raw.stmt for raw in trees(sql)):
        if node.WhichOneof("node") == "create_stmt":
            statement = node.create_stmt
            names = [element.column_def.colname for element in statement.table_elts if element.HasField("column_def")]
            tables.setdefault(statement.relation.relname, set()).update(names)
        elif node.WhichOneof("node") == "alter_table_stmt":
            commands = [command.alter_table_cmd for command in node.alter_table_stmt.cmds]
            names = [getattr(command, "def").column_def.colname for command in commands]
            tables[node.alter_table_stmt.relation.relname].update(names)
    return tables


OURS = columns_made_by((bundled("migrations") / LEDGER_FILE).read_text())
MIGRATIONS = ["version", "name", "applied_at", "checksum", "execution_time_ms", "status", "error_message", "applied_by"]
HISTORY = ["id", "version", "action", "executed_at", "execution_time_ms", "status", "error_message", "executed_by",
           "environment"]  # fmt: skip
FIRST_SHAPE = {"schema_migrations": set(MIGRATIONS), "migration_history": set(HISTORY)}  # before there was more
ADDED = [
    *((table, column) for table, columns in FIRST_SHAPE.items() for column in sorted(OURS[table] - columns)),
    *(("migration_runs", column) for column in ("plan_digest", "restore_point", "wal_start", "wal_end")),
]


def without(table: str, column: str) -> dict[str, set[str]]:
    return OURS | {table: OURS[table] - {column}}


@pytest.mark.parametrize(
    ("columns", "state"),
    [
        pytest.param({}, LedgerState.ABSENT, id="nothing"),
        pytest.param({"migration_runs": OURS["migration_runs"]}, LedgerState.ABSENT, id="leftover"),
        pytest.param(OURS, LedgerState.CURRENT, id="ours"),
        pytest.param(
            {name: cols | {"another"} for name, cols in OURS.items()}, LedgerState.CURRENT, id="ours-and-more"
        ),
        pytest.param(FIRST_SHAPE, LedgerState.OUTDATED, id="first-shape"),
        pytest.param({"schema_migrations": FIRST_SHAPE["schema_migrations"]}, LedgerState.OUTDATED, id="one-table"),
        pytest.param(
            OURS | {"migration_runs": OURS["migration_runs"] - {"plan_digest"}},
            LedgerState.OUTDATED,
            id="runs-without-a-column",
        ),
        pytest.param({"schema_migrations": {"version"}}, LedgerState.FOREIGN, id="foreign"),
        pytest.param(OURS | {"migration_history": {"id", "version"}}, LedgerState.FOREIGN, id="foreign-history"),
        pytest.param(
            OURS | {"migration_runs": {"id", "started"}},
            LedgerState.FOREIGN,
            id="foreign-runs",
        ),
        pytest.param(
            OURS | {"migration_environment": {"name", "value"}},
            LedgerState.FOREIGN,
            id="foreign-environment",
        ),
    ],
)
def test_judges_the_ledger_by_its_columns(columns: dict[str, set[str]], state: LedgerState) -> None:
    assert judge(columns, answers=True) is state


def test_the_ledgers_own_file_makes_all_that_was_there_in_the_first_shape() -> None:
    assert [table for table, columns in FIRST_SHAPE.items() if not columns <= OURS[table]] == []


@pytest.mark.parametrize("table", OURS)
def test_a_ledger_without_one_of_its_tables_is_brought_up_to_date(table: str) -> None:
    columns = {name: cols for name, cols in OURS.items() if name != table}
    expected = LedgerState.ABSENT if table == "schema_migrations" else LedgerState.OUTDATED
    assert judge(columns, answers=True) is expected


@pytest.mark.parametrize(("table", "column"), ADDED)
def test_a_ledger_without_a_column_that_was_added_is_brought_up_to_date(table: str, column: str) -> None:
    assert judge(without(table, column), answers=True) is LedgerState.OUTDATED


def test_a_ledger_without_its_view_or_function_is_brought_up_to_date() -> None:
    assert judge(OURS, answers=False) is LedgerState.OUTDATED


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table, columns in FIRST_SHAPE.items() for column in sorted(columns)]
)
def test_a_table_without_a_column_of_the_first_shape_is_not_ours(table: str, column: str) -> None:
    assert foreign_table(without(table, column)) == table
    assert judge(without(table, column), answers=True) is LedgerState.FOREIGN


def test_the_ledger_tells_the_state_of_a_migration_in_these_words() -> None:
    assert list(Status) == ["pending", "running", "completed", "failed"]


def test_no_table_of_ours_is_foreign() -> None:
    assert foreign_table(OURS) is foreign_table(FIRST_SHAPE) is foreign_table({}) is None


@pytest.mark.parametrize(
    ("columns", "tool"),
    [
        pytest.param(["version", "dirty"], "golang-migrate", id="golang-migrate"),
        pytest.param(["version"], "dbmate, Rails or another tool that keeps only versions", id="dbmate-rails"),
        pytest.param(["version", "inserted_at"], "Ecto", id="ecto"),
        pytest.param(["version", "statements", "name"], "Supabase", id="supabase"),
        pytest.param(["version", "statements"], "Supabase", id="early-supabase"),
        pytest.param(["id", "filename", "hash"], "another tool", id="unknown"),
    ],
)
def test_names_the_tool_whose_table_it_is(columns: list[str], tool: str) -> None:
    assert tool_of(columns) == tool
    assert judge({"schema_migrations": columns}, answers=False) is LedgerState.FOREIGN


@pytest.mark.parametrize(
    ("columns", "tools"),
    [
        (["version", "dirty"], (Tool.GOLANG_MIGRATE,)),
        (["version"], (Tool.DBMATE, Tool.RAILS)),
        (["version", "statements", "name"], (Tool.SUPABASE,)),
        (["version", "inserted_at"], ()),
    ],
)
def test_names_the_tools_that_are_adopted_from_such_a_table(columns: list[str], tools: tuple[Tool, ...]) -> None:
    assert adoptable(columns) == tools
