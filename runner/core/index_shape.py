"""What two definitions of an index can be compared by, however they are written."""

from typing import Any, TypeAlias

from runner.core.syntax import Unreadable, trees
from runner.core.tree import word

Shape: TypeAlias = tuple[object, ...]
"""Equal for equal indexes. Expressions and conditions count only as being there: PostgreSQL writes them in its way."""


def shape_of(statement: Any) -> Shape:
    """That of a CREATE INDEX, as its tree has it."""
    return (
        statement.access_method or "btree",
        statement.unique,
        statement.nulls_not_distinct,
        tuple(_column(node.index_elem) for node in statement.index_params),
        tuple(node.index_elem.name for node in statement.index_including_params),
        statement.HasField("where_clause"),
    )


def shape_of_text(definition: str) -> Shape | None:
    """That of the server's own text, as pg_get_indexdef gives it; None when it cannot be read."""
    try:
        [tree] = trees(definition)
    except (Unreadable, ValueError):
        return None
    return shape_of(tree.stmt.index_stmt) if tree.stmt.HasField("index_stmt") else None


def _column(element: Any) -> tuple[str, bool]:
    """Its name, empty for an expression, and whether it descends."""
    alone = element.expr.column_ref.fields if element.expr.HasField("column_ref") else ()  # as in ((id))
    return element.name or ".".join(f.string.sval for f in alone), word(element, "ordering") == "SORTBY_DESC"
