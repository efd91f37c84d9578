"""What two definitions of an index can be compared by, however they are written."""

from dataclasses import dataclass
from typing import Any

from runner.core.syntax import Unreadable, trees
from runner.core.tree import word

LIKE = frozenset({"AEXPR_LIKE", "AEXPR_ILIKE"})  # of which the server writes the operator
PLACES = frozenset({"location", "rexpr_list_start", "rexpr_list_end", "list_start", "list_end"})


@dataclass(frozen=True, slots=True)
class Shape:
    """Of equal indexes `sure` is equal; `written` may differ, as PostgreSQL writes in its way what stands there."""

    sure: tuple[object, ...]
    written: tuple[object, ...]  # expressions, conditions, collations and operator classes


def alike(one: Shape | None, other: Shape | None) -> bool | None:
    """Whether both are of the same index; None when nobody can tell."""
    if one is None or other is None:
        return None
    if one.sure != other.sure:
        return False
    return True if one.written == other.written else None


def shape_of(statement: Any) -> Shape:
    """That of a CREATE INDEX, as its tree has it."""
    columns = [node.index_elem for node in statement.index_params]
    sure = (
        statement.access_method or "btree",
        statement.unique,
        statement.nulls_not_distinct,
        tuple((_name(column), *_order(column)) for column in columns),
        tuple(node.index_elem.name for node in statement.index_including_params),
        statement.HasField("where_clause"),
    )
    written = (*map(_written, columns), _plain(statement.where_clause))
    return Shape(sure, written)


def shape_of_text(definition: str) -> Shape | None:
    """That of the server's own text, as pg_get_indexdef gives it; None when it cannot be read."""
    try:
        [tree] = trees(definition)
    except (Unreadable, ValueError):
        return None
    return shape_of(tree.stmt.index_stmt) if tree.stmt.HasField("index_stmt") else None


def _name(element: Any) -> str:
    """Empty for an expression."""
    alone = element.expr.column_ref.fields if element.expr.HasField("column_ref") else ()  # as in ((id))
    return element.name or ".".join(field.string.sval for field in alone)


def _order(element: Any) -> tuple[bool, bool]:
    """Whether it descends, and whether nulls come first."""
    descends = word(element, "ordering") == "SORTBY_DESC"
    nulls = word(element, "nulls_ordering")
    return descends, descends if nulls == "SORTBY_NULLS_DEFAULT" else nulls == "SORTBY_NULLS_FIRST"


def _written(element: Any) -> tuple[object, ...]:
    return (
        "" if _name(element) else _plain(element.expr),
        tuple(part.string.sval for part in element.collation[-1:]),  # a schema only stands before what needs it
        tuple(part.string.sval for part in element.opclass[-1:]),
        tuple(map(_plain, element.opclassopts)),
    )


def _plain(message: Any) -> object:
    """A tree without places, and as the server writes it where that is easily said."""
    kind = message.DESCRIPTOR.name
    if kind == "Node":
        field = message.WhichOneof("node")
        return _plain(getattr(message, field)) if field else ()
    if kind == "TypeCast" and message.arg.a_const.HasField("sval"):  # which it gives to each string
        return _plain(message.arg)
    if kind == "ColumnRef":
        return "column", _plain(message.fields[-1])
    fields = {field.name: _value(field, value) for field, value in message.ListFields() if field.name not in PLACES}
    if kind == "A_Expr":
        return _operation(message, fields)
    return kind, tuple(fields.items())


def _operation(message: Any, fields: dict[str, object]) -> object:
    how = word(message, "kind")
    if how in LIKE:
        return _plain(_as(message, "AEXPR_OP"))
    if how == "AEXPR_IN" and message.name[0].string.sval == "=":
        listed = tuple(map(_plain, message.rexpr.list.items))
        return "any", _plain(message.lexpr), listed
    if how == "AEXPR_OP_ANY" and message.name[0].string.sval == "=" and message.rexpr.HasField("a_array_expr"):
        return "any", _plain(message.lexpr), tuple(map(_plain, message.rexpr.a_array_expr.elements))
    return "operation", tuple(fields.items())


def _as(message: Any, kind: str) -> Any:
    changed = type(message)()
    changed.CopyFrom(message)
    changed.kind = message.DESCRIPTOR.fields_by_name["kind"].enum_type.values_by_name[kind].number
    return changed


def _value(field: Any, value: Any) -> object:
    if field.message_type is None:
        return tuple(value) if field.is_repeated else value
    return tuple(map(_plain, value)) if field.is_repeated else _plain(value)
