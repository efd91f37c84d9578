"""Reads the schema of a database from its catalog, in one round trip.

https://www.postgresql.org/docs/current/catalogs.html
"""

from psycopg.pq import TransactionStatus

from runner.core.schema import Schema, SchemaObject, schema_of
from runner.postgres.session import Connection, reading, together, usable
from runner.resources import PACKAGE

OF_THE_LEDGER = [
    "schema_migrations", "migration_history", "migration_runs", "migration_environment", "migration_status_view",
]  # fmt: skip
NAMES_QUALIFIED = "SELECT pg_catalog.set_config('search_path', 'pg_catalog', true)"
PATH = "SELECT pg_catalog.current_setting('search_path')"
PATH_AGAIN = "SELECT pg_catalog.set_config('search_path', %s, true)"


def catalog_snapshot(connection: Connection, *, ledger_schema: str) -> Schema:
    """The schema as the connection sees it: inside of its transaction, where one is open, else in a read-only one. The
    ledger is no part of it. Raises DatabaseUnusable.
    """
    query = (PACKAGE / "postgres" / "sql" / "catalog.sql").read_bytes()
    given = {"schema": ledger_schema, "tables": OF_THE_LEDGER}
    with usable(connection):
        if connection.info.transaction_status == TransactionStatus.INTRANS:
            path = connection.execute(PATH).fetchone()
            with together(connection):
                connection.execute(NAMES_QUALIFIED)
                cursor = connection.execute(query, given)
                connection.execute(PATH_AGAIN, path)
        else:
            with reading(connection):
                connection.execute(NAMES_QUALIFIED)
                cursor = connection.execute(query, given)
        rows = cursor.fetchall()
    return schema_of(
        SchemaObject(kind=kind, name=name, table=table, text=text or "") for kind, name, table, _, text in rows
    )
