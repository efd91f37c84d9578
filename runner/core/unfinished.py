"""A statement that an earlier attempt may have executed: what to ask the catalog.

Names are quoted, for the server to look up as the session does. What its answers mean is in `course.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from runner.core.certainty import IN_THE_CATALOG
from runner.core.index_shape import Shape, shape_of
from runner.core.migration import Statement
from runner.core.syntax import trees
from runner.core.tree import word


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexBuild:
    """What there is of an index that CREATE INDEX was to make."""

    table: str
    name: str  # not quoted; empty when the server chooses it
    unless_there: bool  # IF NOT EXISTS
    shape: Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class Reindex:
    """What REINDEX CONCURRENTLY left."""

    of: str  # index, table, schema, database
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Detach:
    """How far DETACH PARTITION CONCURRENTLY came."""

    parent: str
    partition: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Existence:
    """Whether something is there: an index, database, tablespace, subscription or the value of an enum."""

    of: str
    name: str  # quoted where it is an index's or, of an enum value, the type's
    value: str = ""  # of the enum
    wanted: bool = True  # the statement makes it, and does not drop it
    with_schema: bool = True  # where it has one


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """The indexes that a statement may leave invalid: those of one table and its partitions."""

    of: str  # table, or index of the table
    name: str
    made: str = ""  # not quoted: the name of the index that it makes


Question: TypeAlias = IndexBuild | Reindex | Detach | Existence


def question(statement: Statement) -> Question | None:
    """What to ask of the catalog before a statement is executed once more; None when there is nothing."""
    traits = statement.traits
    leaves_traces = traits.concurrent or traits.no_transaction in IN_THE_CATALOG or traits.enum_values
    if not leaves_traces or traits.kind not in _QUESTIONS:
        return None
    [tree] = trees(statement.sql.decode())
    return _QUESTIONS[traits.kind](getattr(tree.stmt, traits.kind))


def reach(statement: Statement) -> Reach | None:
    """The indexes on which CREATE INDEX or REINDEX works; None of another statement, and of more than a table."""
    if statement.traits.kind not in {"index_stmt", "reindex_stmt"}:
        return None
    [tree] = trees(statement.sql.decode())
    match _QUESTIONS[statement.traits.kind](getattr(tree.stmt, statement.traits.kind)):
        case IndexBuild(table=table, name=name):
            return Reach(of="table", name=table, made=name)
        case Reindex(of="index" | "table" as of, name=name):
            return Reach(of=of, name=name)
        case _:
            return None


def _index_build(statement: Any) -> Question:
    return IndexBuild(
        table=_quoted_relation(statement.relation),
        name=statement.idxname,
        unless_there=statement.if_not_exists,
        shape=shape_of(statement),
    )


def _drop(statement: Any) -> Question | None:
    if len(statement.objects) > 1:  # which PostgreSQL does not do CONCURRENTLY
        return None
    parts = statement.objects[0].list.items
    return Existence(of="index", name=_quoted_list(parts), wanted=False, with_schema=len(parts) > 1)


def _reindex(statement: Any) -> Question:
    of = word(statement, "kind").removeprefix("REINDEX_OBJECT_").lower()
    name = _quoted_relation(statement.relation) if of in {"index", "table"} else statement.name
    return Reindex(of=of, name=name)


def _detach(statement: Any) -> Question | None:
    definitions = [getattr(node.alter_table_cmd, "def") for node in statement.cmds]
    for definition in definitions:
        if definition.HasField("partition_cmd") and definition.partition_cmd.concurrent:
            partition = _quoted_relation(definition.partition_cmd.name)
            return Detach(parent=_quoted_relation(statement.relation), partition=partition)
    return None


def _enum_value(statement: Any) -> Question:
    return Existence(of="enum value", name=_quoted_list(statement.type_name), value=statement.new_val)


def _named(of: str, field: str, *, wanted: bool) -> Callable[[Any], Question | None]:
    return lambda statement: Existence(of=of, name=getattr(statement, field), wanted=wanted)


_QUESTIONS: Mapping[str, Callable[[Any], Question | None]] = {
    "index_stmt": _index_build,
    "drop_stmt": _drop,
    "reindex_stmt": _reindex,
    "alter_table_stmt": _detach,
    "alter_enum_stmt": _enum_value,
    "createdb_stmt": _named("database", "dbname", wanted=True),
    "dropdb_stmt": _named("database", "dbname", wanted=False),
    "create_table_space_stmt": _named("tablespace", "tablespacename", wanted=True),
    "drop_table_space_stmt": _named("tablespace", "tablespacename", wanted=False),
    "create_subscription_stmt": _named("subscription", "subname", wanted=True),
    "drop_subscription_stmt": _named("subscription", "subname", wanted=False),
}


def _quoted_relation(relation: Any) -> str:
    parts = [relation.schemaname, relation.relname] if relation.schemaname else [relation.relname]
    return ".".join(map(_quoted, parts))


def _quoted_list(parts: Any) -> str:
    return ".".join(_quoted(part.string.sval) for part in parts)


def _quoted(name: str) -> str:
    return '"{}"'.format(name.replace('"', '""'))
