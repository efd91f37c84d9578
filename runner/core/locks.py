"""On which relations a statement takes an ACCESS EXCLUSIVE lock, so that not even readers get past it.

As far as the statement itself tells: an index's table, a foreign key's other table, the partitions of a table and what
CASCADE reaches are in the catalog only. https://www.postgresql.org/docs/current/explicit-locking.html
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.core.tree import Names, dotted, is_on, name_of, names_of, options_of, word

ACCESS_EXCLUSIVE = 8  # as LOCK's tree has it

RELATIONS = frozenset(
    ["OBJECT_TABLE", "OBJECT_FOREIGN_TABLE", "OBJECT_VIEW", "OBJECT_MATVIEW", "OBJECT_INDEX", "OBJECT_SEQUENCE"]
)
PARTS = frozenset(
    ["OBJECT_TRIGGER", "OBJECT_RULE", "OBJECT_POLICY"]
)  # of a table: the last of their names is their own

# AlterTableGetLockLevel in PostgreSQL's tablecmds.c; what is not here takes the strongest.
WEAKER = frozenset(
    ["AT_SetStatistics", "AT_SetOptions", "AT_ResetOptions", "AT_ClusterOn", "AT_DropCluster", "AT_ValidateConstraint",
     "AT_EnableTrig", "AT_EnableAlwaysTrig", "AT_EnableReplicaTrig", "AT_EnableTrigAll", "AT_EnableTrigUser",
     "AT_DisableTrig", "AT_DisableTrigAll", "AT_DisableTrigUser", "AT_AttachPartition", "AT_DetachPartitionFinalize"]
)  # fmt: skip

# reloptions.c: the parameters that a running query relies on
STRONG_PARAMETERS = frozenset(
    ["autosummarize", "fastupdate", "security_barrier", "security_invoker", "check_option", "user_catalog_table",
     "gin_pending_list_limit", "buffering", "pages_per_range"]
)  # fmt: skip


def _alter_table(statement: Any) -> Names:
    if word(statement, "objtype") == "OBJECT_TYPE":  # a composite type is a relation only to the catalog
        return ()
    commands = [node.alter_table_cmd for node in statement.cmds]
    table = (name_of(statement.relation),) if any(map(_is_strong, commands)) else ()
    return (*table, *(name for command in commands for name in _partition(command)))


def _is_strong(command: Any) -> bool:
    definition = getattr(command, "def")
    match word(command, "subtype"):
        case "AT_AddConstraint":
            return word(definition.constraint, "contype") != "CONSTR_FOREIGN"
        case "AT_SetRelOptions" | "AT_ResetRelOptions" | "AT_ReplaceRelOptions":
            return not STRONG_PARAMETERS.isdisjoint(options_of(definition.list.items))
        case "AT_DetachPartition":
            return not definition.partition_cmd.concurrent
        case kind:
            return kind not in WEAKER


def _partition(command: Any) -> Iterator[str]:
    """What is attached or detached; CONCURRENTLY locks it as well, at its end."""
    definition = getattr(command, "def")
    if definition.HasField("partition_cmd"):
        yield name_of(definition.partition_cmd.name)


def _create_table(statement: Any) -> Names:
    return names_of(statement.inh_relations) if statement.HasField("partbound") else ()


def _drop(statement: Any) -> Names:
    kind = word(statement, "remove_type")
    names = [node.list.items for node in statement.objects]
    if kind in RELATIONS and not statement.concurrent:
        return tuple(map(dotted, names))
    return tuple(dotted(parts[:-1]) for parts in names) if kind in PARTS else ()


def _rename(statement: Any) -> Names:
    weaker = word(statement, "rename_type") in {"OBJECT_INDEX", "OBJECT_ATTRIBUTE"}
    return () if weaker else _relation(statement)


def _depends(statement: Any) -> Names:
    return () if word(statement, "object_type") == "OBJECT_TRIGGER" else _relation(statement)


def _reindex(statement: Any) -> Names:
    return () if is_on(statement.params, "concurrently") else _relation(statement)


def _vacuum(statement: Any) -> Names:
    if not (statement.is_vacuumcmd and is_on(statement.options, "full")):
        return ()
    return tuple(name_of(node.vacuum_relation.relation) for node in statement.rels)


def _relation(statement: Any) -> Names:
    return (name_of(statement.relation),) if statement.HasField("relation") else ()


def _table(statement: Any) -> Names:
    return (name_of(statement.table),)


LOCKS: Mapping[str, Callable[[Any], Names]] = {
    "alter_table_stmt": _alter_table,
    "create_stmt": _create_table,
    "create_foreign_table_stmt": lambda statement: _create_table(statement.base_stmt),
    "drop_stmt": _drop,
    "truncate_stmt": lambda statement: names_of(statement.relations),
    "lock_stmt": lambda statement: names_of(statement.relations) if statement.mode == ACCESS_EXCLUSIVE else (),
    "rename_stmt": _rename,
    "alter_object_schema_stmt": _relation,
    "alter_object_depends_stmt": _depends,
    "create_policy_stmt": _table,
    "alter_policy_stmt": _table,
    "rule_stmt": _relation,
    "view_stmt": lambda statement: (name_of(statement.view),) if statement.replace else (),
    "reindex_stmt": _reindex,
    "cluster_stmt": _relation,
    "vacuum_stmt": _vacuum,
    "refresh_mat_view_stmt": lambda statement: () if statement.concurrent else _relation(statement),
}
