"""Small readings of PostgreSQL's syntax tree, as libpg_query gives it, shared by the rules about statements."""

from collections.abc import Callable, Iterable, Mapping
from functools import cache
from typing import Any

FALSE = frozenset({"false", "off"})

Names = tuple[str, ...]
Rule = Callable[[Any], object]  # takes a statement and gives the value of a trait, or something empty
Rules = Mapping[str, Rule]  # by libpg_query's name of the kind of statement


def always(_: object) -> bool:
    return True


def named(name: str, applies: Callable[[Any], object] = always) -> Rule:
    """A rule that gives a name where its condition holds."""
    return lambda statement: name if applies(statement) else ""


def word(message: Any, field: str) -> str:
    """The value of an enumerated field, by its name in PostgreSQL's source: "AT_AddColumn"."""
    return _words(message.__class__, field)[getattr(message, field)]


@cache
def _words(message: Any, field: str) -> Mapping[int, str]:
    values = message.DESCRIPTOR.fields_by_name[field].enum_type.values
    return {value.number: str(value.name) for value in values}


def name_of(relation: Any) -> str:
    """A RangeVar as written, without the database: "users", "app.users"."""
    schema, name = relation.schemaname, str(relation.relname)
    return f"{schema}.{name}" if schema else name


def names_of(nodes: Iterable[Any]) -> Names:
    """The relations of a list."""
    return tuple(name_of(node.range_var) for node in nodes)


def dotted(parts: Iterable[Any]) -> str:
    """A name that the tree has as a list of strings: "app.mood"."""
    return ".".join(part.string.sval for part in parts)


def options_of(nodes: Iterable[Any]) -> Mapping[str, Any]:
    """The options in parentheses or behind WITH, by name; of two with one name the last."""
    return {node.def_elem.defname: node.def_elem for node in nodes}


def is_on(nodes: Iterable[Any], name: str, *, default: bool = False) -> bool:
    """A boolean option, as the server's defGetBoolean reads it; `default` where it is not given."""
    option = options_of(nodes).get(name)
    return default if option is None else _is_true(option)


def _is_true(option: Any) -> bool:
    argument = option.arg
    match argument.WhichOneof("node"):
        case "integer":
            return bool(argument.integer.ival)
        case "boolean":
            return bool(argument.boolean.boolval)
        case "string":
            return argument.string.sval.lower() not in FALSE
        case "type_name":  # what the grammar makes of a word that is not reserved, such as off
            return argument.type_name.names[-1].string.sval.lower() not in FALSE
        case _:  # an option without a value is on
            return True
