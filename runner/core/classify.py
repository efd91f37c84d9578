"""What a statement does to the transaction around it, read off its syntax tree.

Which statements refuse a transaction block is said on each one's page of PostgreSQL's reference, such as
https://www.postgresql.org/docs/current/sql-createindex.html.
"""

from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from runner.core.split import ParsedStatement

if TYPE_CHECKING:
    from postgast import pg_query_pb2


FALSE = frozenset({"false", "off"})


class Control(StrEnum):
    """Statements that begin or end a transaction."""

    BEGIN = "BEGIN"
    BEGIN_WITH_OPTIONS = "BEGIN with options"
    COMMIT = "COMMIT"
    OTHER = "transaction control"


def looks_like_control(words: tuple[str, ...]) -> bool:
    """Whether a statement that begins with these words ends or begins a transaction; for text without a tree."""
    match words:
        case ("BEGIN" | "START" | "COMMIT" | "END" | "ABORT", *_) | ("PREPARE", "TRANSACTION"):
            return True
        case ("ROLLBACK", second):
            return second != "TO"
        case _:
            return words == ("ROLLBACK",)


def transaction_control(parsed: ParsedStatement) -> Control | None:
    """What the statement does to the transaction; None for everything else, savepoints included."""
    if parsed.kind != "transaction_stmt":
        return None
    from postgast import pg_query_pb2 as pb

    statement = parsed.tree.transaction_stmt
    match statement.kind:
        case pb.TRANS_STMT_SAVEPOINT | pb.TRANS_STMT_RELEASE | pb.TRANS_STMT_ROLLBACK_TO:
            return None
        case pb.TRANS_STMT_BEGIN | pb.TRANS_STMT_START:
            return Control.BEGIN_WITH_OPTIONS if statement.options else Control.BEGIN
        case pb.TRANS_STMT_COMMIT if not statement.chain:
            return Control.COMMIT
        case _:
            return Control.OTHER


def refuses_transaction(parsed: ParsedStatement) -> str | None:
    """The name of a statement that PostgreSQL forbids in a transaction block; None for all that may run in one."""
    rule = _FORBIDDEN.get(parsed.kind)
    if rule is None:
        return None
    name, applies = rule
    return name if applies(getattr(parsed.tree, parsed.kind)) else None


def copies_through_client(parsed: ParsedStatement) -> bool:
    """Whether it is a COPY from or to the program that sends it, rather than a file of the server."""
    if parsed.kind != "copy_stmt":
        return False
    statement = parsed.tree.copy_stmt
    return not statement.filename and not statement.is_program


def _always(_: object) -> bool:
    return True


def _is_true(option: "pg_query_pb2.DefElem") -> bool:
    """An option's boolean, as the server's defGetBoolean reads it; an option without a value is true."""
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
        case _:
            return True


def _options(nodes: "Iterable[pg_query_pb2.Node]") -> "dict[str, pg_query_pb2.DefElem]":
    return {node.def_elem.defname: node.def_elem for node in nodes}


def _reindex(statement: "pg_query_pb2.ReindexStmt") -> bool:
    from postgast import pg_query_pb2 as pb

    whole = {pb.REINDEX_OBJECT_SCHEMA, pb.REINDEX_OBJECT_SYSTEM, pb.REINDEX_OBJECT_DATABASE}
    option = _options(statement.params).get("concurrently")
    return statement.kind in whole or (option is not None and _is_true(option))


def _detach_concurrently(statement: "pg_query_pb2.AlterTableStmt") -> bool:
    from postgast import pg_query_pb2 as pb

    commands = [command.alter_table_cmd for command in statement.cmds]
    return any(
        command.subtype == pb.AT_DetachPartition and getattr(command, "def").partition_cmd.concurrent
        for command in commands
    )


def _creates_slot(statement: "pg_query_pb2.CreateSubscriptionStmt") -> bool:
    options = _options(statement.options)
    return all(_is_true(options[name]) for name in ("connect", "create_slot") if name in options)


def _refreshes(statement: "pg_query_pb2.AlterSubscriptionStmt") -> bool:
    from postgast import pg_query_pb2 as pb

    changes = {
        pb.ALTER_SUBSCRIPTION_SET_PUBLICATION,
        pb.ALTER_SUBSCRIPTION_ADD_PUBLICATION,
        pb.ALTER_SUBSCRIPTION_DROP_PUBLICATION,
    }
    refresh = _options(statement.options).get("refresh")
    return statement.kind == pb.ALTER_SUBSCRIPTION_REFRESH or (
        statement.kind in changes and (refresh is None or _is_true(refresh))
    )


def _discards_all(statement: "pg_query_pb2.DiscardStmt") -> bool:
    from postgast import pg_query_pb2 as pb

    return bool(statement.target == pb.DISCARD_ALL)


_FORBIDDEN: Mapping[str, tuple[str, Callable[[Any], bool]]] = {
    "index_stmt": ("CREATE INDEX CONCURRENTLY", lambda statement: statement.concurrent),
    "drop_stmt": ("DROP INDEX CONCURRENTLY", lambda statement: statement.concurrent),
    "reindex_stmt": ("REINDEX (CONCURRENTLY, SCHEMA, DATABASE or SYSTEM)", _reindex),
    "alter_table_stmt": ("DETACH PARTITION CONCURRENTLY", _detach_concurrently),
    "vacuum_stmt": ("VACUUM", lambda statement: statement.is_vacuumcmd),
    "cluster_stmt": ("CLUSTER without a table", lambda statement: not statement.HasField("relation")),
    "discard_stmt": ("DISCARD ALL", _discards_all),
    "createdb_stmt": ("CREATE DATABASE", _always),
    "dropdb_stmt": ("DROP DATABASE", _always),
    "alter_database_stmt": (
        "ALTER DATABASE SET TABLESPACE",
        lambda statement: "tablespace" in _options(statement.options),
    ),
    "alter_system_stmt": ("ALTER SYSTEM", _always),
    "create_table_space_stmt": ("CREATE TABLESPACE", _always),
    "drop_table_space_stmt": ("DROP TABLESPACE", _always),
    "create_subscription_stmt": ("CREATE SUBSCRIPTION", _creates_slot),
    "alter_subscription_stmt": ("ALTER SUBSCRIPTION with a refresh", _refreshes),
    "drop_subscription_stmt": ("DROP SUBSCRIPTION", _always),
}
