"""How large and busy the target's tables are."""

from collections.abc import Collection

from psycopg import rows

from runner.core.trial import TableFacts
from runner.postgres.session import Connection, reading, usable
from runner.resources import PACKAGE

ANY_ROWS = """
    SELECT EXISTS (
        SELECT FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_'
          AND c.relname <> ALL (%s) AND pg_catalog.pg_relation_size(c.oid) > 0)"""


def table_facts(connection: Connection, names: Collection[str]) -> dict[str, TableFacts]:
    """Those of tables and materialized views, by their names; what is none, or is not there, is left out."""
    if not names:
        return {}
    query = (PACKAGE / "postgres" / "sql" / "table_facts.sql").read_bytes()
    with usable(connection):
        with reading(connection):
            cursor = connection.cursor(row_factory=rows.class_row(TableFacts)).execute(query, [list(names)])
        return {table.name: table for table in cursor.fetchall()}


def has_rows(connection: Connection, *, but_for: Collection[str]) -> bool:
    """Whether any table has a row, or had one lately, `but_for` those of these names."""
    with usable(connection):
        with reading(connection):
            cursor = connection.execute(ANY_ROWS, [list(but_for)])
        return cursor.fetchone() == (True,)
