"""The objects that a statement makes, and those that it drops, alters or writes."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.core.locks import PARTS, RELATIONS
from runner.core.tree import Names, dotted, is_on, name_of, names_of, word

LEDGER = frozenset(
    ["schema_migrations", "migration_history", "migration_runs", "migration_environment",
     "migration_status_view", "get_migration_status"]
)  # fmt: skip
LEDGER_OR_SCHEMA = LEDGER | {""}
ROUTINES = frozenset(["OBJECT_FUNCTION", "OBJECT_PROCEDURE", "OBJECT_ROUTINE"])
ROLE = "role:"  # before the name of a role among the objects made


def _beside(relation: Any, name: str) -> str:
    """A name in the schema of a relation."""
    return f"{relation.schemaname}.{name}" if relation.schemaname else name


# What it makes


def made_by(node: Any) -> Iterator[str]:
    """Relations and types, and roles with "role:" before their name."""
    kind = node.WhichOneof("node")
    if kind in MADE:
        yield from MADE[kind](getattr(node, kind))


def _made_by_rename(statement: Any) -> Names:
    """Not a type's new name: of a type made before, a new value still waits for its transaction's end."""
    match word(statement, "rename_type"):
        case kind if kind in RELATIONS:
            return (_beside(statement.relation, statement.newname),)
        case "OBJECT_ROLE":
            return (ROLE + statement.newname,)
        case _:
            return ()


def _made_by_index(statement: Any) -> Names:
    return (_beside(statement.relation, statement.idxname),) if statement.idxname else ()


def _made_by_schema(statement: Any) -> Names:
    schema = statement.schemaname or statement.authrole.rolename
    names = (name for element in statement.schema_elts for name in made_by(element))
    return tuple(f"{schema}.{name}" if schema and "." not in name else name for name in names)


MADE: Mapping[str, Callable[[Any], Names]] = {
    "create_stmt": lambda statement: (name_of(statement.relation),),
    "create_foreign_table_stmt": lambda statement: (name_of(statement.base_stmt.relation),),
    "create_table_as_stmt": lambda statement: (name_of(statement.into.rel),),
    "select_stmt": lambda statement: (name_of(statement.into_clause.rel),) if statement.HasField("into_clause") else (),
    "view_stmt": lambda statement: (name_of(statement.view),),
    "index_stmt": _made_by_index,
    "create_seq_stmt": lambda statement: (name_of(statement.sequence),),
    "composite_type_stmt": lambda statement: (name_of(statement.typevar),),
    "create_enum_stmt": lambda statement: (dotted(statement.type_name),),
    "create_range_stmt": lambda statement: (dotted(statement.type_name),),
    "create_domain_stmt": lambda statement: (dotted(statement.domainname),),
    "define_stmt": lambda statement: (dotted(statement.defnames),) if word(statement, "kind") == "OBJECT_TYPE" else (),
    "create_schema_stmt": _made_by_schema,
    "rename_stmt": _made_by_rename,
    "create_role_stmt": lambda statement: (ROLE + statement.role,),
    "explain_stmt": lambda statement: tuple(made_by(statement.query)) if is_on(statement.options, "analyze") else (),
}


# What it does to the ledger


def ledger_names(candidates: Callable[[Any], Names], statement: Any) -> Names:
    """Those of a statement's objects that have a name of the ledger's; a schema, with a dot at its end, may hold it."""
    return tuple(name for name in candidates(statement) if name.rpartition(".")[2] in LEDGER_OR_SCHEMA)


def _changed_by(node: Any) -> Names:
    kind = node.WhichOneof("node")
    return CHANGED[kind](getattr(node, kind)) if kind in CHANGED else ()


def _changed_with(statement: Any) -> Names:
    """What the statements inside WITH write."""
    ctes = statement.with_clause.ctes if statement.HasField("with_clause") else ()
    return tuple(name for cte in ctes for name in _changed_by(cte.common_table_expr.ctequery))


def _written(statement: Any) -> Names:
    return (name_of(statement.relation), *_changed_with(statement))


def _select(statement: Any) -> Names:
    return (*MADE["select_stmt"](statement), *_changed_with(statement))


def _copied(statement: Any) -> Names:
    return (name_of(statement.relation),) if statement.is_from else _changed_by(statement.query)


def _created(statement: Any) -> Names:
    """A new table of the name, or a new child, whose rows the parent then shows."""
    new = () if statement.if_not_exists else (name_of(statement.relation),)
    return (*new, *names_of(statement.inh_relations))


def _created_as(statement: Any) -> Names:
    new = () if statement.if_not_exists else (name_of(statement.into.rel),)
    return (*new, *_changed_by(statement.query))


def _altered(statement: Any) -> Names:
    definitions = (getattr(node.alter_table_cmd, "def") for node in statement.cmds)
    partners = {"partition_cmd": lambda found: found.name, "range_var": lambda found: found}
    others = (
        name_of(partners[kind](getattr(definition, kind)))
        for definition in definitions
        if (kind := definition.WhichOneof("node")) in partners
    )
    return (name_of(statement.relation), *others)


def _dropped(statement: Any) -> Names:
    match word(statement, "remove_type"):
        case kind if kind in RELATIONS:
            return tuple(dotted(node.list.items) for node in statement.objects)
        case kind if kind in PARTS:
            return tuple(dotted(node.list.items[:-1]) for node in statement.objects)
        case kind if kind in ROUTINES:
            return tuple(dotted(node.object_with_args.objname) for node in statement.objects)
        case "OBJECT_SCHEMA":
            return tuple(f"{node.string.sval}." for node in statement.objects)
        case _:
            return ()


def _object(statement: Any) -> Names:
    """Of ALTER … RENAME, SET SCHEMA, OWNER TO, DEPENDS ON."""
    if statement.HasField("object") and statement.object.HasField("object_with_args"):
        return (dotted(statement.object.object_with_args.objname),)
    return (name_of(statement.relation),) if statement.HasField("relation") else ()


def _renamed(statement: Any) -> Names:
    if word(statement, "rename_type") == "OBJECT_SCHEMA":
        return (f"{statement.subname}.",)
    return (*_object(statement), *_made_by_rename(statement))


def _of_its_relation(statement: Any) -> Names:
    return (name_of(statement.relation),)


def _of_its_table(statement: Any) -> Names:
    return (name_of(statement.table),)


# What a statement drops, alters or writes; what only reads, locks or names an object is not here. Neither is DROP
# OWNED: the text does not tell whose the ledger is, and it is mostly meant for a role that owns none of it.
CHANGED: Mapping[str, Callable[[Any], Names]] = {
    "insert_stmt": _written,
    "update_stmt": _written,
    "delete_stmt": _written,
    "merge_stmt": _written,
    "select_stmt": _select,
    "copy_stmt": _copied,
    "truncate_stmt": lambda statement: names_of(statement.relations),
    "explain_stmt": lambda statement: _changed_by(statement.query) if is_on(statement.options, "analyze") else (),
    "prepare_stmt": lambda statement: _changed_by(statement.query),
    "create_stmt": _created,
    "create_foreign_table_stmt": lambda statement: _created(statement.base_stmt),
    "create_table_as_stmt": _created_as,
    "create_seq_stmt": lambda statement: () if statement.if_not_exists else (name_of(statement.sequence),),
    "view_stmt": lambda statement: (name_of(statement.view),),
    "create_function_stmt": lambda statement: (dotted(statement.funcname),),
    "alter_function_stmt": lambda statement: (dotted(statement.func.objname),),
    "index_stmt": _of_its_relation,
    "create_trig_stmt": _of_its_relation,
    "rule_stmt": _of_its_relation,
    "create_policy_stmt": _of_its_table,
    "alter_policy_stmt": _of_its_table,
    "alter_table_stmt": _altered,
    "rename_stmt": _renamed,
    "alter_object_schema_stmt": _object,
    "alter_object_depends_stmt": _object,
    "alter_owner_stmt": _object,
    "drop_stmt": _dropped,
}
