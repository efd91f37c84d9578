"""What goes with its rows when a rollback takes back tables and columns."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from runner.core.impact_words import describe_table
from runner.core.migration import Migration
from runner.core.schema import Schema, SchemaObject
from runner.core.schema_diff import SchemaDifference
from runner.core.syntax import trees
from runner.core.tree import word
from runner.core.trial import TableFacts
from runner.errors import Finding, Level

TABLES = frozenset({"table", "foreign table"})
RENAMES = frozenset({"rename_stmt", "alter_object_schema_stmt"})
OF_A_TABLE = frozenset({"OBJECT_TABLE", "OBJECT_FOREIGN_TABLE"})
PART = re.compile(r'"((?:[^"]|"")*)"|([^".]+)')  # of a name as SQL takes it
SHOWN = 5  # in a message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Where rows are: a table, or a column of it."""

    schema: str
    table: str
    column: str = ""


def gone(difference: SchemaDifference, downs: Sequence[Migration]) -> list[SchemaObject]:
    """The tables and columns that are not there any more. What a statement of the down files has given another name,
    and looks as before, is not gone.
    """
    renames = list(_renames(downs))
    tables = {each.name for each in difference.removed if each.kind in TABLES}
    return [
        each
        for each in difference.removed
        if each.kind in TABLES or (each.kind == "column" and each.table not in tables)
        if not _renamed(each, renames, difference)
    ]


def loss(lost: Sequence[SchemaObject], facts: Mapping[str, TableFacts]) -> Finding | None:
    """A warning of those that are gone and may have held something; None when there are none. `facts`: of their tables
    as they are before that, by name.
    """
    told = [_told(each, facts) for each in lost if not _empty(each, facts)]
    if not told:
        return None
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return Finding(
        f"the rollback drops {', '.join(told[:SHOWN])}{more}: what was written there is lost",
        level=Level.WARNING,
        hint="`backup: dump` keeps it in a file before anything runs; only a restore brings it back",
        detail="\n".join(told) if more else "",
    )


def _renames(downs: Iterable[Migration]) -> Iterator[Any]:
    """The trees of the statements that give something another name or schema, in their order."""
    for down in downs:
        for statement in down.statements:
            if statement.traits.kind in RENAMES:
                yield from (tree.stmt for tree in trees(statement.sql.decode()))


def _renamed(before: SchemaObject, renames: Sequence[Any], difference: SchemaDifference) -> bool:
    """Whether it is there as it was, where the renames have brought it."""
    old = place = _place_of(before)
    for rename in renames:
        place = _moved(place, rename)
    there = [each for each in difference.added if each.kind == before.kind and _place_of(each) == place]
    return place != old and any(_looks(difference.after, each) == _looks(difference.before, before) for each in there)


def _place_of(each: SchemaObject) -> _Place:
    schema, table = _parts(each.table or each.name)
    return _Place(schema=schema, table=table, column=_parts(each.name)[-1] if each.table else "")


def _parts(name: str) -> list[str]:
    """Of a qualified name: `public."Order"` → public, Order."""
    return [plain or quoted.replace('""', '"') for quoted, plain in PART.findall(name)]


def _moved(place: _Place, rename: Any) -> _Place:
    """Where something is after a statement."""
    if rename.WhichOneof("node") == "alter_object_schema_stmt":
        statement = rename.alter_object_schema_stmt
        is_its = word(statement, "object_type") in OF_A_TABLE and _is_of(place, statement.relation)
        return replace(place, schema=statement.newschema) if is_its else place
    statement = rename.rename_stmt
    match word(statement, "rename_type"):
        case "OBJECT_SCHEMA" if statement.subname == place.schema:
            return replace(place, schema=statement.newname)
        case kind if kind in OF_A_TABLE and _is_of(place, statement.relation):
            return replace(place, table=statement.newname)
        case "OBJECT_COLUMN" if statement.subname == place.column and _is_of(place, statement.relation):
            return replace(place, column=statement.newname)
    return place


def _is_of(place: _Place, relation: Any) -> bool:
    return relation.relname == place.table and relation.schemaname in {"", place.schema}


def _looks(schema: Schema, each: SchemaObject) -> object:
    """A column's definition, a table's columns."""
    if each.table:
        return each.text
    return [
        (column.name, column.text) for column in schema.objects if column.kind == "column" and column.table == each.name
    ]


def _empty(lost: SchemaObject, facts: Mapping[str, TableFacts]) -> bool:
    table = facts.get(lost.table or lost.name)
    return table is not None and table.empty


def _told(lost: SchemaObject, facts: Mapping[str, TableFacts]) -> str:
    table = facts.get(lost.table or lost.name)
    known = f" ({describe_table(replace(table, writes=None))})" if table else ""
    return f"column {lost.name} of {lost.table}{known}" if lost.table else f"{lost.kind} {lost.name}{known}"
