"""Whether an index that was built CONCURRENTLY can be used: a failed build leaves an invalid one behind.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from collections.abc import Iterable

from runner.postgres.session import Connection, usable

ALL_INVALID = "SELECT indexrelid FROM pg_index WHERE NOT indisvalid"
INVALID = """
    SELECT indexrelid::regclass::text FROM pg_index
    WHERE NOT indisvalid AND (
        indexrelid <> ALL (%s) OR indexrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS named (name)))
    ORDER BY 1"""


def invalid_indexes(connection: Connection) -> list[int]:
    """The object identifiers of the invalid indexes of the database."""
    with usable(connection):
        return [oid for (oid,) in connection.execute(ALL_INVALID).fetchall()]


def made_invalid(connection: Connection, before: Iterable[int], names: Iterable[str]) -> list[str]:
    """The invalid indexes that were not there before, and those of these names (as the session finds them)."""
    quoted = [".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in name.split(".", 1)) for name in names]
    with usable(connection):
        return [name for (name,) in connection.execute(INVALID, [list(before), quoted]).fetchall()]
