"""What a statement does that decides how it may run, read off its syntax tree: one table of rules for each trait.

A rule takes the statement of a kind and gives the trait's value, or something empty. What the statement does not tell,
because it depends on the catalog, is said where it matters; there the server has the last word.
"""

from collections.abc import Mapping
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

from runner.core.cluster import CLUSTER_WIDE, NEEDED_ROLES, PASSWORD, creates_slot
from runner.core.locks import LOCKS
from runner.core.migration import Control, Traits
from runner.core.objects import CHANGED, MADE, ledger_names
from runner.core.tree import Rules, always, dotted, is_on, named, options_of, word

if TYPE_CHECKING:
    from postgast import pg_query_pb2


def traits(node: "pg_query_pb2.Node") -> Traits:
    """The traits of one statement: `postgast.parse(text).stmts[i].stmt`. Equal ones may be one and the same value."""
    kind = node.WhichOneof("node") or ""
    found: tuple[tuple[str, object], ...] = ()
    if kind in _RULES:
        statement = getattr(node, kind)
        found = tuple((trait, value) for trait, rule in _RULES[kind] if (value := rule(statement)))
    return _traits(kind, found)


@lru_cache(maxsize=1024)
def _traits(kind: str, found: tuple[tuple[str, Any], ...]) -> Traits:
    return Traits(kind=kind, **dict(found))


def traits_of_words(words: tuple[str, ...]) -> Traits:
    """The traits of text that the parser does not understand, by its first two words, upper-cased: `control` only."""
    match words:
        case ("BEGIN", "ISOLATION" | "READ" | "DEFERRABLE" | "NOT"):
            control = Control.BEGIN_WITH_OPTIONS
        case ("BEGIN", *_) | ("START", "TRANSACTION"):
            control = Control.BEGIN
        case ("COMMIT" | "ROLLBACK", "PREPARED"):
            control = Control.PREPARED
        case ("COMMIT" | "END" | "ROLLBACK" | "ABORT", "AND"):
            control = Control.CHAIN
        case ("COMMIT" | "END", *_):
            control = Control.COMMIT
        case ("ROLLBACK", "TO"):
            return Traits()
        case ("ROLLBACK" | "ABORT", *_):
            control = Control.ROLLBACK
        case ("PREPARE", "TRANSACTION"):
            control = Control.PREPARE
        case _:
            return Traits()
    return Traits(control=control)


# The transaction around it

_CONTROLS = {
    "TRANS_STMT_BEGIN": Control.BEGIN,
    "TRANS_STMT_START": Control.BEGIN,
    "TRANS_STMT_COMMIT": Control.COMMIT,
    "TRANS_STMT_ROLLBACK": Control.ROLLBACK,
    "TRANS_STMT_PREPARE": Control.PREPARE,
    "TRANS_STMT_COMMIT_PREPARED": Control.PREPARED,
    "TRANS_STMT_ROLLBACK_PREPARED": Control.PREPARED,
}
_SAVEPOINTS = {
    "TRANS_STMT_SAVEPOINT": "SAVEPOINT",
    "TRANS_STMT_RELEASE": "RELEASE SAVEPOINT",
    "TRANS_STMT_ROLLBACK_TO": "ROLLBACK TO SAVEPOINT",
}
_CURSOR_WITH_HOLD = 0x0020  # CURSOR_OPT_HOLD in PostgreSQL's parsenodes.h


def _control(statement: Any) -> Control | None:
    control = _CONTROLS.get(word(statement, "kind"))
    if statement.chain:
        return Control.CHAIN
    return Control.BEGIN_WITH_OPTIONS if control is Control.BEGIN and statement.options else control


def _setting(statement: Any) -> str:
    match statement.name:
        case "TRANSACTION" | "TRANSACTION SNAPSHOT":
            return "SET TRANSACTION"
        case "SESSION CHARACTERISTICS":
            return ""
        case _:
            return "SET LOCAL" if statement.is_local else ""


def _reindexes_concurrently(statement: Any) -> bool:
    return is_on(statement.params, "concurrently")


def _reindex(statement: Any) -> str:
    """Of a partitioned table or index it is refused as well, which only the catalog tells."""
    match word(statement, "kind"):
        case "REINDEX_OBJECT_SCHEMA" | "REINDEX_OBJECT_DATABASE" | "REINDEX_OBJECT_SYSTEM" as kind:
            return f"REINDEX {kind.removeprefix('REINDEX_OBJECT_')}"
        case _:
            return "REINDEX CONCURRENTLY" if _reindexes_concurrently(statement) else ""


def _alters(statement: Any) -> set[str]:
    return {word(node.alter_table_cmd, "subtype") for node in statement.cmds}


def _detaches_concurrently(statement: Any) -> bool:
    return any(getattr(node.alter_table_cmd, "def").partition_cmd.concurrent for node in statement.cmds)


def _alter_subscription(statement: Any) -> str:
    options = statement.options
    match word(statement, "kind"):
        case "ALTER_SUBSCRIPTION_REFRESH":
            return "ALTER SUBSCRIPTION … REFRESH"
        case "ALTER_SUBSCRIPTION_OPTIONS" if "failover" in options_of(options):  # 17 and later
            return "ALTER SUBSCRIPTION … SET (failover)"
        case "ALTER_SUBSCRIPTION_OPTIONS" if not is_on(options, "two_phase", default=True):  # 18 and later
            return "ALTER SUBSCRIPTION … SET (two_phase = false)"
        case kind if kind.endswith("_PUBLICATION") and is_on(options, "refresh", default=True):
            return "ALTER SUBSCRIPTION with a refresh"
        case _:
            return ""


# The callers of PreventInTransactionBlock in PostgreSQL 14 to 18. COMMIT and ROLLBACK PREPARED are under `control`.
_NO_TRANSACTION: Rules = {
    "index_stmt": named("CREATE INDEX CONCURRENTLY", lambda statement: statement.concurrent),
    "drop_stmt": named("DROP INDEX CONCURRENTLY", lambda statement: statement.concurrent),
    "reindex_stmt": _reindex,
    "alter_table_stmt": named("DETACH PARTITION CONCURRENTLY", _detaches_concurrently),
    "vacuum_stmt": named("VACUUM", lambda statement: statement.is_vacuumcmd),
    # of a partitioned table it is refused as well, which only the catalog tells
    "cluster_stmt": named("CLUSTER without a table", lambda statement: not statement.HasField("relation")),
    "discard_stmt": named("DISCARD ALL", lambda statement: word(statement, "target") == "DISCARD_ALL"),
    "createdb_stmt": named("CREATE DATABASE"),
    "dropdb_stmt": named("DROP DATABASE"),
    "alter_database_stmt": named(
        "ALTER DATABASE SET TABLESPACE", lambda statement: "tablespace" in options_of(statement.options)
    ),
    "alter_system_stmt": named("ALTER SYSTEM"),
    "create_table_space_stmt": named("CREATE TABLESPACE"),
    "drop_table_space_stmt": named("DROP TABLESPACE"),
    "create_subscription_stmt": named("CREATE SUBSCRIPTION", creates_slot),
    "alter_subscription_stmt": _alter_subscription,
    # one without a slot may be dropped in a transaction, but outside of one as well
    "drop_subscription_stmt": named("DROP SUBSCRIPTION"),
}

# The callers of RequireTransactionBlock, and of WarnNoTransactionBlock.
_ONLY_IN_TRANSACTION: Rules = {
    "lock_stmt": named("LOCK TABLE"),
    "transaction_stmt": lambda statement: _SAVEPOINTS.get(word(statement, "kind")),
    "declare_cursor_stmt": named(
        "DECLARE CURSOR without WITH HOLD", lambda statement: not statement.options & _CURSOR_WITH_HOLD
    ),
    "variable_set_stmt": _setting,
    "constraints_set_stmt": named("SET CONSTRAINTS"),
}


def _alters_concurrently(statement: Any) -> bool:
    """FINALIZE waits as the DETACH CONCURRENTLY does that it finishes."""
    commands = _alters(statement)
    alone = commands in ({"AT_ValidateConstraint"}, {"AT_DetachPartitionFinalize"})
    return alone or _detaches_concurrently(statement)


_CONCURRENT: Rules = {
    "index_stmt": lambda statement: statement.concurrent,
    "drop_stmt": lambda statement: statement.concurrent,
    "reindex_stmt": _reindexes_concurrently,
    "alter_table_stmt": _alters_concurrently,
}


# Time

_TAKES_TIME: Rules = {
    **dict.fromkeys(
        ["insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "select_stmt", "copy_stmt", "call_stmt", "do_stmt",
         "index_stmt", "reindex_stmt", "cluster_stmt", "vacuum_stmt", "execute_stmt", "fetch_stmt"],
        always,
    ),
    "create_table_as_stmt": lambda statement: not statement.into.skip_data,
    "refresh_mat_view_stmt": lambda statement: not statement.skip_data,
    "alter_table_stmt": lambda statement: "AT_ValidateConstraint" in _alters(statement),
    "alter_domain_stmt": lambda statement: statement.subtype == "V",  # VALIDATE CONSTRAINT
    "explain_stmt": lambda statement: is_on(statement.options, "analyze"),
}  # fmt: skip


# All of them

_BY_TRAIT: Mapping[str, Rules] = {
    "control": {"transaction_stmt": _control},
    "no_transaction": _NO_TRANSACTION,
    "only_in_transaction": _ONLY_IN_TRANSACTION,
    "concurrent": _CONCURRENT,
    "client_copy": {"copy_stmt": lambda statement: not statement.filename and not statement.is_program},
    "cluster_wide": CLUSTER_WIDE,
    "ledger": {kind: partial(ledger_names, candidates) for kind, candidates in CHANGED.items()},
    "locks": LOCKS,
    "creates": MADE,
    "takes_time": _TAKES_TIME,
    "hides_invalid_index": {"index_stmt": lambda statement: statement.concurrent and statement.if_not_exists},
    "enum_values": {
        "alter_enum_stmt": lambda statement: (
            () if statement.old_val else ((dotted(statement.type_name), statement.new_val),)
        )
    },
    "password": PASSWORD,
    "roles": NEEDED_ROLES,
    "extension": {"create_extension_stmt": lambda statement: statement.extname},
}

_RULES = {
    kind: tuple((trait, rules[kind]) for trait, rules in _BY_TRAIT.items() if kind in rules)
    for kind in {kind for rules in _BY_TRAIT.values() for kind in rules}
}
