"""The schema of a database as text, by pg_dump: two snapshots are equal when nothing but data differs."""

from runner.core.database_url import DatabaseUrl
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.programs import ProgramFailed, Programs, address_of
from runner.postgres.session import connect


def schema_snapshot(url: DatabaseUrl, programs: Programs) -> tuple[str, ...]:
    """The statements that would make this schema, line by line. `programs`: of at least the server's version. Raises
    DatabaseUnusable.
    """
    with connect(url, application_name="db-migrate snapshot") as connection:
        address = address_of(connection, "pg_dump")
    try:
        dump = programs.run("pg_dump", ["--schema-only", "--no-sync"], address)
    except ProgramFailed as error:
        raise DatabaseUnusable(Finding(f"the schema cannot be read: {error}")) from None
    return tuple(line for line in dump.decode(errors="replace").split("\n") if _says_something(line))


def _says_something(line: str) -> bool:
    """Not a comment of pg_dump's, nor the random words of its `restrict`."""
    return bool(line.strip()) and not line.startswith(("--", "\\restrict", "\\unrestrict"))
