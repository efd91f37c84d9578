"""What the target of a run has that a copy of its schema must have as well, and pg_dump does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass

import psycopg
from psycopg import rows

from runner.errors import DatabaseUnusable, Finding
from runner.postgres.ledger import TABLES
from runner.postgres.session import Connection, settle, together
from runner.resources import PACKAGE

UNIX_SOCKET = ("/", "@")  # with which the name of a host begins that is none


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """The target, as far as its copy depends on it."""

    number: int  # 170002
    encoding: str
    database: str
    role: str
    started: str  # when the server was, as a number; with the database's name it tells targets apart
    public: bool  # it has the schema
    schema_of_role: bool  # there is one of the role's name
    search_path: str  # with which a session begins
    extensions: tuple[str, ...]
    roles: tuple[str, ...]
    settings: Mapping[str, str]  # with which a session begins, but for those of the server
    ledger: Mapping[str, tuple[str, ...]]  # its tables, each with its columns
    column_options: tuple[str, ...]  # the names of those that columns have: "n_distinct"
    collations: tuple[str, ...]  # of the server's own, as far as they are used
    filled_views: tuple[str, ...]  # materialized ones, quoted, each behind those that it reads
    options: str  # of the connection
    local: bool  # it is reached by a Unix socket

    @property
    def major(self) -> int:
        """17."""
        return self.number // 10000


def look_at(connection: Connection, *, ledger_schema: str) -> Original:
    """Read the target's catalog, in a read-only transaction. Raises DatabaseUnusable."""
    query = (PACKAGE / "postgres" / "sql" / "original.sql").read_bytes()
    try:
        with together(connection):
            connection.execute("BEGIN READ ONLY")
            settle(connection, local=True)
            cursor = connection.cursor(row_factory=rows.dict_row).execute(
                query, {"schema": ledger_schema, "tables": TABLES}
            )
            connection.execute("COMMIT")
        row = cursor.fetchone()
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        raise DatabaseUnusable(Finding(f"the catalog of the target cannot be read: {said}")) from None
    assert row is not None  # noqa: S101 - every database is in pg_database
    row["ledger"] = {name: tuple(columns) for name, columns in row["ledger"].items()}
    for name in ("extensions", "roles", "column_options", "collations", "filled_views"):
        row[name] = tuple(row[name])
    return Original(
        **row,
        options=connection.info.get_parameters().get("options", ""),
        local=connection.info.host.startswith(UNIX_SOCKET) or not connection.info.host,
    )
