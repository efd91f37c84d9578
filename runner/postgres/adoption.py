"""The table in which another tool keeps what it has applied. It is only read."""

from collections.abc import Mapping, Sequence
from typing import Any, LiteralString

from psycopg import errors, rows, sql

from runner.core.adoption.choice import FoundTable, TableName
from runner.core.adoption.history import Source
from runner.errors import Finding, InputError
from runner.postgres.session import Connection, reading, usable

# https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-SESSION-TABLE
TABLES: LiteralString = """
    SELECT relname::text AS name, nspname::text AS schema,
           array_position(current_schemas(false), nspname) AS place,
           array(SELECT attname::text FROM pg_catalog.pg_attribute
                 WHERE attrelid = class.oid AND attnum > 0 AND NOT attisdropped ORDER BY attnum) AS columns
    FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
    WHERE relname = ANY (%s) AND relkind IN ('r', 'p', 'v', 'm', 'f')
    ORDER BY nspname, relname"""
# `infinity`, and years that a datetime of Python's cannot have; a day at each end is left for the session's time zone.
KNOWN_TIME: LiteralString = """
    CASE WHEN {column}::timestamptz BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00'
         THEN {column}::timestamptz END"""
LONGEST_NAME = 2  # a schema and a table


def parse_table_name(connection: Connection, text: str) -> TableName:
    """A name as SQL takes it, folded and unquoted by the server. Raises InputError."""
    with usable(connection):
        try:
            (parts,) = connection.execute("SELECT parse_ident(%s)", [text]).fetchone() or ([],)
        except errors.InvalidParameterValue:
            parts = []
    if not 0 < len(parts) <= LONGEST_NAME:
        hint = "such as `flyway_schema_history` or `ops.flyway_schema_history`"
        raise InputError(Finding(f"from-table: `{text}` is not the name of a table", hint=hint))
    return TableName(name=parts[-1], schema=parts[0] if len(parts) == LONGEST_NAME else "")


def find_tables(connection: Connection, wanted: Sequence[TableName]) -> list[FoundTable]:
    """All tables of these names, in whatever schema."""
    with usable(connection):
        with reading(connection):
            cursor = connection.cursor(row_factory=rows.dict_row)
            cursor.execute(TABLES, [[each.name for each in wanted]])
        return [FoundTable(**{**row, "columns": tuple(row["columns"])}) for row in cursor.fetchall()]


def read_table(connection: Connection, table: FoundTable, source: Source) -> list[Mapping[str, Any]]:
    """All rows. A time without a zone is taken for one of the session's; one that no calendar has is not known. Raises
    DatabaseUnusable.
    """
    values = {
        name: _value(name, kind) if name in table.columns else sql.SQL("NULL")
        for name, kind in {**source.columns, **source.optional}.items()
    }
    values |= {said: sql.SQL("{} IS NOT NULL").format(sql.Identifier(name)) for said, name in source.filled.items()}
    columns = [sql.SQL("{} AS {}").format(value, sql.Identifier(name)) for name, value in values.items()]
    query = sql.SQL("SELECT {} FROM {}").format(sql.SQL(", ").join(columns), sql.Identifier(table.schema, table.name))
    with usable(connection):
        with reading(connection):
            cursor = connection.cursor(row_factory=rows.dict_row)
            cursor.execute(query, binary=True)
        return list(cursor.fetchall())


def _value(name: str, kind: LiteralString) -> sql.Composed:
    form: LiteralString = KNOWN_TIME if kind == "timestamptz" else "{column}::{kind}"
    return sql.SQL(form).format(column=sql.Identifier(name), kind=sql.SQL(kind))
