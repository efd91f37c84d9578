"""Which table of the database is the other tool's."""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.core.adoption.history import Source
from runner.core.ledger import PROMISED, tool_of
from runner.core.tools import Tool
from runner.errors import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class TableName:
    """A table as somebody names it: without a schema it is looked for along the search path."""

    name: str
    schema: str = ""

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}".removeprefix(".")


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundTable:
    """A table that is there."""

    name: str
    schema: str
    columns: tuple[str, ...]
    place: int | None  # of its schema in the search path, from 1; None when it is not in there

    def __str__(self) -> str:
        return f"{self.schema}.{self.name}"

    def answers_to(self, wanted: TableName) -> bool:
        """Whether this may be meant by a name."""
        in_place = self.schema == wanted.schema if wanted.schema else self.place is not None
        return self.name == wanted.name and in_place


def usual_tables(source: Source) -> tuple[TableName, ...]:
    """Where a tool's table is unless somebody says otherwise, in search order."""
    names = [table.rpartition(".") for table in source.tables]
    return tuple(TableName(name=name, schema=schema) for schema, _, name in names)


def choose_table(
    tool: Tool, source: Source, wanted: Sequence[TableName], found: Sequence[FoundTable]
) -> FoundTable | Finding:
    """The first table that is wanted and has the tool's columns; else what to say. Our own ledger is nobody's."""
    strangers = [each for each in found if not PROMISED["schema_migrations"] <= set(each.columns)]
    in_order = sorted(strangers, key=lambda each: each.place or len(strangers))
    there = [each for name in wanted for each in in_order if each.answers_to(name)]
    suiting = [each for each in there if source.columns.keys() <= set(each.columns)]
    if chosen := next((each for each in suiting if not source.strange & set(each.columns)), None):
        return chosen
    if there:
        first = there[0]
        return Finding(
            f"{first} is not a table of {tool}, but of {tool_of(first.columns)} (columns: {', '.join(first.columns)})",
            hint="correct `from`, or name that tool's table with `from-table`",
        )
    elsewhere = next(iter(in_order), None)
    return Finding(
        f"{tool} has left no table here: looked for {' and '.join(map(str, wanted))}",
        hint=f"there is one in another schema: `from-table: {elsewhere}`"
        if elsewhere
        else "is this the right database? A table in another place is named with `from-table: schema.table`",
    )
