"""Locks of statements that PostgreSQL runs in transactions of their own, as its pages document them: once such a
statement has ended, nobody can look any more. Held to real servers by tests/postgres/test_documented_locks.py.

https://www.postgresql.org/docs/current/sql-createindex.html, sql-dropindex, sql-reindex, sql-altertable, sql-vacuum
"""

from dataclasses import dataclass
from typing import Any

from runner.core.migration import Statement
from runner.core.syntax import trees
from runner.core.tree import is_on
from runner.core.unfinished import Detach, Existence, IndexBuild, Reindex, question

OTHERS_GO_ON = "ShareUpdateExclusiveLock"
NOBODY_GOES_ON = "AccessExclusiveLock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Documented:
    """A lock by the name of its relation, quoted where it must be, as the session finds it."""

    name: str
    mode: str
    scans: bool = False  # all rows of the table are read


def documented_locks(statement: Statement) -> tuple[Documented, ...]:
    """The locks of a statement; those of a rewrite, which the catalog shows, and of what it does not name are left
    out. Empty for a statement that can be in a transaction.
    """
    if not statement.traits.no_transaction:
        return ()
    if statement.traits.kind == "vacuum_stmt":
        return _vacuum(statement)
    match question(statement):
        case IndexBuild(table=table):
            return (Documented(name=table, mode=OTHERS_GO_ON, scans=True),)
        case Reindex(of="index" | "table", name=name):
            return (Documented(name=name, mode=OTHERS_GO_ON, scans=True),)
        case Existence(of="index", name=name):
            return (Documented(name=name, mode=OTHERS_GO_ON),)
        case Detach(parent=parent, partition=partition):
            # At its end, once all who read the parent are gone, the partition is locked against everybody.
            return (
                Documented(name=parent, mode=OTHERS_GO_ON),
                Documented(name=partition, mode=NOBODY_GOES_ON),
            )
        case _:
            return ()


def _vacuum(statement: Statement) -> tuple[Documented, ...]:
    [tree] = trees(statement.sql.decode())
    vacuum = tree.stmt.vacuum_stmt
    mode = NOBODY_GOES_ON if is_on(vacuum.options, "full") else OTHERS_GO_ON
    return tuple(Documented(name=_quoted(node.vacuum_relation.relation), mode=mode, scans=True) for node in vacuum.rels)


def _quoted(relation: Any) -> str:
    parts = [relation.schemaname, relation.relname] if relation.schemaname else [relation.relname]
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in parts)
