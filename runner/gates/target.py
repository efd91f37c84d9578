"""The server must be one that can be migrated by this role."""

from dataclasses import replace

from runner.core.ledger import adoptable, tool_of
from runner.core.model import LedgerState, Target
from runner.errors import DatabaseUnusable, Finding, InputError, Level

GATE = "health"  # it is asked as a part of that one
OLDEST = 14


def check_target(target: Target, schema: str, *, dry_run: bool = False) -> list[Finding]:
    """Raises DatabaseUnusable with what keeps a run from writing, the grant that is missing for one, and InputError
    when the ledger's place is taken. A dry run needs to read only: it gets the same as notices, as its role may be
    meant to do no more.
    """
    if target.server_version // 10000 < OLDEST:
        raise DatabaseUnusable(Finding(f"{target.server} is too old", hint=f"PostgreSQL {OLDEST} or later is needed"))
    check_ledger(target, schema)
    problems = [*_closed_to_writing(target), *_missing_rights(target, schema)]
    if problems and not dry_run:
        raise DatabaseUnusable(*problems)
    return [replace(problem, level=Level.NOTICE) for problem in problems]


def _closed_to_writing(target: Target) -> list[Finding]:
    if target.in_recovery:
        return [Finding("this server is a standby", hint="`database-url` must name the primary")]
    if target.read_only:
        return [
            Finding(
                f"database {target.database} is read-only for role {target.role}",
                hint="default_transaction_read_only is on: for the server, the database or the role",
            )
        ]
    return []


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
    if target.ledger is LedgerState.CURRENT and not target.may_use_schema:
        return [
            Finding(
                f"role {target.role} may not use the ledger's schema {schema}",
                hint=f"GRANT USAGE ON SCHEMA {name} TO {role};",
            )
        ]
    if target.ledger is not LedgerState.CURRENT and not (target.may_create_tables and target.may_use_schema):
        return [
            Finding(
                f"role {target.role} may not create the ledger's tables in schema {schema}",
                hint=f"GRANT USAGE, CREATE ON SCHEMA {name} TO {role}; "
                "(since PostgreSQL 15 nobody has this right in public by default)",
            )
        ]
    return []


def _foreign(target: Target, schema: str) -> Finding:
    of_tools = " or ".join(f"`db-migrate adopt --from {tool}`" for tool in adoptable(target.foreign_columns))
    way = of_tools or "`db-migrate baseline`"
    return Finding(
        f"{schema}.{target.foreign_table} belongs to {tool_of(target.foreign_columns)} "
        f"(columns: {', '.join(target.foreign_columns)})",
        hint="keep our ledger in a schema of its own, from now on: write `tracking-schema: db_migrate` into "
        f"db-migrate.yml; {way} then records what that tool has applied",
    )


def _identifier(name: str) -> str:
    """The name as SQL takes it, whatever it is."""
    return '"' + name.replace('"', '""') + '"'
