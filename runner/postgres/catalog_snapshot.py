"""Reads the schema of a database from its catalog, in one round trip.

https://www.postgresql.org/docs/current/catalogs.html
"""

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg import sql
from psycopg.pq import TransactionStatus

from runner.core.schema import Schema, SchemaObject, schema_of
from runner.postgres.session import Connection, reading, together, usable
from runner.resources import PACKAGE

OF_THE_LEDGER = [
    "schema_migrations", "migration_history", "migration_runs", "migration_environment", "migration_status_view",
]  # fmt: skip
# What the server's words depend on. Equal schemas must give equal ones, whatever a role or a file has set.
SETTINGS = {
    "search_path": "pg_catalog, pg_temp",  # so that all other names are written qualified
    "quote_all_identifiers": "off",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "timezone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "standard_conforming_strings": "on",
    "lc_monetary": "C",
    "jit": "off",  # compiling the query takes longer than running it
}
KEPT = "db_migrate.kept_{}"  # where the transaction keeps what it had


def catalog_snapshot(connection: Connection, *, ledger_schema: str) -> Schema:
    """The schema as the connection sees it. The ledger is no part of it.

    Inside of a transaction that is open, what that has changed is seen, and it stays open with the settings that it
    had; else in a read-only one. As pg_dump does, it waits for others that hold ACCESS EXCLUSIVE locks on tables:
    there as long as its `lock_timeout` lets it, here for two seconds. Raises DatabaseUnusable.
    """
    query = (PACKAGE / "postgres" / "sql" / "catalog.sql").read_bytes()
    inside = connection.info.transaction_status == TransactionStatus.INTRANS
    with usable(connection):
        with _borrowed(connection) if inside else _own(connection):
            cursor = connection.execute(query, {"schema": ledger_schema, "ledger": OF_THE_LEDGER})
        rows = cursor.fetchall()
    return schema_of(SchemaObject(kind=kind, name=name, table=whole, text=text) for kind, name, whole, _, text in rows)


@contextmanager
def _own(connection: Connection) -> Iterator[None]:
    """A transaction of its own."""
    with reading(connection):
        connection.execute("SET LOCAL lock_timeout TO '2s'")
        connection.execute(_calls("set_config({name}, {value}, true)"))
        yield


@contextmanager
def _borrowed(connection: Connection) -> Iterator[None]:
    """The transaction that is open; behind the block its settings are as they were."""
    with together(connection):
        connection.execute(_calls("set_config({kept}, pg_catalog.current_setting({name}), true)"))
        connection.execute(_calls("set_config({name}, {value}, true)"))
        yield
        connection.execute(_calls("set_config({name}, pg_catalog.current_setting({kept}), true)"))


def _calls(call: str) -> sql.Composed:
    """One statement for all settings; without operators, which a search_path could give another meaning."""
    return sql.SQL("SELECT {}").format(
        sql.SQL(", ").join(
            sql.SQL("pg_catalog." + call).format(
                name=sql.Literal(name), value=sql.Literal(value), kept=sql.Literal(KEPT.format(name))
            )
            for name, value in SETTINGS.items()
        )
    )
