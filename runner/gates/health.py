"""The server must be one that can be migrated by this role."""

from runner.core.model import LedgerState, Target
from runner.errors import DatabaseUnusable, Finding, InputError

OLDEST = 14


def check_target(target: Target, schema: str) -> None:
    """Raises DatabaseUnusable with the missing grant, and InputError when the ledger's place is taken."""
    if target.server_version // 10000 < OLDEST:
        raise DatabaseUnusable(Finding(f"{target.server} is too old", hint=f"PostgreSQL {OLDEST} or later is needed"))
    if target.in_recovery:
        raise DatabaseUnusable(Finding("this server is a standby", hint="`database-url` must name the primary"))
    if target.read_only:
        raise DatabaseUnusable(
            Finding(
                f"database {target.database} is read-only for role {target.role}",
                hint="default_transaction_read_only is on: for the server, the database or the role",
            )
        )
    check_ledger(target, schema)
    if problems := _missing_rights(target, schema):
        raise DatabaseUnusable(*problems)


def check_ledger(target: Target, schema: str) -> None:
    """Raises InputError when another tool's table stands where the ledger should."""
    if target.ledger is LedgerState.FOREIGN:
        raise InputError(_foreign(target, schema))


def _missing_rights(target: Target, schema: str) -> list[Finding]:
    role, name = _identifier(target.role), _identifier(schema)
    if not target.schema_exists:
        if target.may_create_schema:
            return []
        return [
            Finding(
                f"role {target.role} may not create the tracking schema {schema}",
                hint=f"GRANT CREATE ON DATABASE {_identifier(target.database)} TO {role};",
            )
        ]
    if target.unwritable:
        tables = ", ".join(f"{name}.{_identifier(table)}" for table in target.unwritable)
        return [
            Finding(
                f"role {target.role} may not write the ledger in schema {schema}",
                hint=f"GRANT SELECT, INSERT, UPDATE, DELETE ON {tables} TO {role};",
            )
        ]
    if target.ledger is not LedgerState.CURRENT and not target.may_create_tables:
        return [
            Finding(
                f"role {target.role} may not create the ledger's tables in schema {schema}",
                hint=f"GRANT USAGE, CREATE ON SCHEMA {name} TO {role}; "
                "(since PostgreSQL 15 nobody has this right in public by default)",
            )
        ]
    return []


def _foreign(target: Target, schema: str) -> Finding:
    from runner.core.ledger import tool_of

    return Finding(
        f"schema {schema} has a table of {tool_of(target.foreign_columns)} where the ledger would stand "
        f"(columns: {', '.join(target.foreign_columns)})",
        hint="keep our ledger in a schema of its own with `tracking-schema: db_migrate`; "
        "what that tool applied is then recorded with a baseline",
    )


def _identifier(name: str) -> str:
    """The name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'
