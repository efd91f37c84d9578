"""What a statement needs or changes outside of its database: roles, what all databases share, and their secrets."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from runner.core.tree import Names, Rule, Rules, is_on, named, options_of, word

# The roles it needs


def _named_roles(message: Any) -> Iterator[str]:
    """Every role that is named anywhere in a statement; not PUBLIC, CURRENT_USER and the like."""
    for field, value in message.ListFields():
        if field.message_type is None:
            continue
        for part in value if field.is_repeated else (value,):
            if field.message_type.name != "RoleSpec":
                yield from _named_roles(part)
            elif part.rolename:
                yield part.rolename


def _all_named(statement: Any) -> Names:
    return tuple(dict.fromkeys(_named_roles(statement)))


def _unless_missing(statement: Any) -> Names:
    return () if statement.missing_ok else _all_named(statement)


def _granted(statement: Any) -> Names:
    granted = (node.access_priv.priv_name for node in statement.granted_roles)
    return tuple(dict.fromkeys([*granted, *_named_roles(statement)]))


def _new_owners(statement: Any) -> Names:
    owners = (node.alter_table_cmd.newowner.rolename for node in statement.cmds)
    return tuple(owner for owner in owners if owner)


def _set_role(statement: Any) -> Names:
    if statement.name not in {"role", "session_authorization"}:
        return ()
    values = (node.a_const.sval.sval for node in statement.args)
    return tuple(value for value in values if value and value != "none")


def _described(statement: Any) -> Names:
    return (statement.object.string.sval,) if word(statement, "objtype") == "OBJECT_ROLE" else ()


def _owner_option(statement: Any) -> Names:
    owner = options_of(statement.options).get("owner")
    return (owner.arg.string.sval,) if owner is not None and owner.arg.string.sval else ()


NEEDED_ROLES: Mapping[str, Callable[[Any], Names]] = {
    "alter_default_privileges_stmt": _all_named,
    "alter_owner_stmt": _all_named,
    "alter_policy_stmt": _all_named,
    "alter_role_set_stmt": _all_named,
    "alter_role_stmt": _all_named,
    "alter_table_move_all_stmt": _all_named,
    "alter_table_stmt": _new_owners,
    "alter_user_mapping_stmt": _all_named,
    "comment_stmt": _described,
    "create_policy_stmt": _all_named,
    "create_role_stmt": _all_named,
    "create_schema_stmt": _all_named,
    "create_table_space_stmt": _all_named,
    "create_user_mapping_stmt": _all_named,
    "createdb_stmt": _owner_option,
    "drop_owned_stmt": _all_named,
    "drop_role_stmt": _unless_missing,
    "drop_user_mapping_stmt": _unless_missing,
    "grant_role_stmt": _granted,
    "grant_stmt": _all_named,
    "reassign_owned_stmt": _all_named,
    "rename_stmt": lambda statement: (statement.subname,) if word(statement, "rename_type") == "OBJECT_ROLE" else (),
    "sec_label_stmt": _described,
    "variable_set_stmt": _set_role,
}


# What all databases share

_SHARED = {
    "OBJECT_ROLE": "ROLE",
    "OBJECT_DATABASE": "DATABASE",
    "OBJECT_TABLESPACE": "TABLESPACE",
    "OBJECT_PARAMETER_ACL": "PARAMETER",
}


def _on_shared(verb: str, field: str) -> Rule:
    """Of statements about all kinds of objects, those about an object that all databases share."""

    def rule(statement: Any) -> str:
        kind = _SHARED.get(word(statement, field))
        return f"{verb} {kind}" if kind else ""

    return rule


def _grant(statement: Any) -> object:
    return _on_shared("GRANT ON" if statement.is_grant else "REVOKE ON", "objtype")(statement)


def creates_slot(statement: Any) -> bool:
    """Of CREATE SUBSCRIPTION: whether it makes a replication slot at the publisher, which no rollback takes back."""
    return all(is_on(statement.options, name, default=True) for name in ("connect", "create_slot"))


# REASSIGN and DROP OWNED are not here: what they change outside of this database is an exception.
CLUSTER_WIDE: Rules = {
    "create_role_stmt": lambda statement: f"CREATE {word(statement, 'stmt_type').removeprefix('ROLESTMT_')}",
    "alter_role_stmt": named("ALTER ROLE"),
    "alter_role_set_stmt": named("ALTER ROLE"),
    "drop_role_stmt": named("DROP ROLE"),
    "grant_role_stmt": lambda statement: "GRANT ROLE" if statement.is_grant else "REVOKE ROLE",
    "createdb_stmt": named("CREATE DATABASE"),
    "dropdb_stmt": named("DROP DATABASE"),
    "alter_database_stmt": named("ALTER DATABASE"),
    "alter_database_set_stmt": named("ALTER DATABASE"),
    "alter_database_refresh_coll_stmt": named("ALTER DATABASE"),
    "alter_system_stmt": named("ALTER SYSTEM"),
    "create_table_space_stmt": named("CREATE TABLESPACE"),
    "drop_table_space_stmt": named("DROP TABLESPACE"),
    "alter_table_space_options_stmt": named("ALTER TABLESPACE"),
    "rename_stmt": _on_shared("ALTER", "rename_type"),
    "alter_owner_stmt": _on_shared("ALTER", "object_type"),
    "comment_stmt": _on_shared("COMMENT ON", "objtype"),
    "sec_label_stmt": _on_shared("SECURITY LABEL ON", "objtype"),
    "grant_stmt": _grant,
    # the slot is in the publisher's server
    "create_subscription_stmt": named("CREATE SUBSCRIPTION", creates_slot),
    "drop_subscription_stmt": named("DROP SUBSCRIPTION"),
}


# Secrets

_HASH = re.compile(
    r"(?:SCRAM-SHA-256\$\d+:[\w+/=]+\$[\w+/=]{44}:[\w+/=]{44}|md5[0-9a-f]{32})\Z"
)  # else it is hashed anew
_SECRET_OPTIONS = frozenset(["password", "passwd", "sslpassword"])
_IN_CONNECTION = re.compile(r"password\s*=\s*\S|://[^/@\s]*:[^/@\s]+@")


def _role_password(statement: Any) -> bool:
    option = options_of(statement.options).get("password")
    secret = option.arg.string.sval if option is not None else ""
    return bool(secret) and not _HASH.match(secret)


def _option_password(statement: Any) -> bool:
    options = options_of(statement.options)
    return any(options[name].arg.string.sval for name in _SECRET_OPTIONS & options.keys())


def _connection_password(statement: Any) -> bool:
    return bool(_IN_CONNECTION.search(statement.conninfo))


PASSWORD: Rules = {
    "create_role_stmt": _role_password,
    "alter_role_stmt": _role_password,
    "create_user_mapping_stmt": _option_password,
    "alter_user_mapping_stmt": _option_password,
    "create_foreign_server_stmt": _option_password,
    "alter_foreign_server_stmt": _option_password,
    "create_subscription_stmt": _connection_password,
    "alter_subscription_stmt": _connection_password,
}
