"""Which indexes can be used: a build CONCURRENTLY that failed leaves an invalid one behind.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from collections.abc import Iterable

from runner.core.course import Found
from runner.core.unfinished import IndexBuild, Reindex
from runner.postgres.session import Connection, usable

# Not those of partitioned tables: made ON ONLY the parent, they become valid with their last partition.
ALL_INVALID = "SELECT indexrelid FROM pg_index WHERE NOT indisvalid"
MADE_INVALID = """
    SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND (
        indexrelid IN (SELECT to_regclass(name) FROM unnest(%s::text[]) AS named (name))
        OR indexrelid <> ALL (%s)
           AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid))
    ORDER BY 1"""
FOUND = """
    SELECT format('%%I.%%I', nspname, named.relname), indrelid IS NOT DISTINCT FROM tab.oid AND indrelid IS NOT NULL,
           coalesce(indisvalid, false), coalesce(pg_get_indexdef(indexrelid), ''), pid
    FROM pg_class AS tab
    JOIN pg_class AS named ON named.relnamespace = tab.relnamespace
    JOIN pg_namespace ON pg_namespace.oid = named.relnamespace
    LEFT JOIN pg_index ON indexrelid = named.oid
    LEFT JOIN pg_stat_progress_create_index ON index_relid = indexrelid AND pid <> pg_backend_pid()
    WHERE tab.oid = to_regclass(%(table)s)
      AND CASE WHEN %(name)s = '' THEN indrelid = tab.oid ELSE named.relname = %(name)s::name END
    ORDER BY 1"""
# The name of what REINDEX builds, or has replaced, is that of the index, cut to 63 bytes, with a suffix.
LEFT_BY_REINDEX = """
    WITH reindexed AS (
        SELECT indexrelid, indrelid, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indexrelid = to_regclass(%(name)s)
           OR indexrelid IN (SELECT relid FROM pg_partition_tree(to_regclass(%(name)s)))
    ), leftover AS (
        SELECT nspname, class.relname, indrelid, regexp_replace(class.relname, '_cc(new|old)[0-9]*$', '') AS base,
               coalesce(toasted.oid, indrelid) AS main
        FROM pg_index
        JOIN pg_class AS class ON class.oid = indexrelid
        JOIN pg_namespace ON pg_namespace.oid = class.relnamespace
        LEFT JOIN pg_class AS toasted ON toasted.reltoastrelid = indrelid
        WHERE NOT indisvalid AND class.relkind = 'i' AND class.relname ~ '_cc(new|old)[0-9]*$'
          AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index WHERE index_relid = indexrelid))
    SELECT format('%%I.%%I', leftover.nspname, leftover.relname) FROM leftover
    WHERE CASE %(of)s
        WHEN 'index' THEN EXISTS (
            SELECT FROM reindexed WHERE reindexed.indrelid = leftover.indrelid AND starts_with(reindexed.relname, base)
               AND (reindexed.relname = base OR octet_length(leftover.relname) >= 60))
        WHEN 'table' THEN main = to_regclass(%(name)s)
               OR main IN (SELECT relid FROM pg_partition_tree(to_regclass(%(name)s)))
        WHEN 'schema' THEN (SELECT relnamespace FROM pg_class WHERE oid = main) = (
            SELECT oid FROM pg_namespace WHERE nspname = %(name)s::name)
        ELSE true END
    ORDER BY 1"""


def invalid_indexes(connection: Connection) -> list[int]:
    """The object identifiers of the invalid indexes of the database."""
    with usable(connection):
        return [oid for (oid,) in connection.execute(ALL_INVALID).fetchall()]


def made_invalid(connection: Connection, before: Iterable[int], names: Iterable[str]) -> list[str]:
    """The invalid indexes that were not there before and that nobody is building, and those of these names (as the
    session finds them).
    """
    quoted = [".".join(f'"{part.replace(chr(34), chr(34) * 2)}"' for part in name.split(".", 1)) for name in names]
    with usable(connection):
        return [name for (name,) in connection.execute(MADE_INVALID, [quoted, list(before)]).fetchall()]


def found_indexes(connection: Connection, asked: IndexBuild) -> list[Found]:
    """What has the name of the index in its table's schema; of an index without a name, all on its table."""
    with usable(connection):
        rows = connection.execute(FOUND, {"table": asked.table, "name": asked.name}).fetchall()
    return [
        Found(name=name, ours=ours, valid=valid, definition=definition, builder=builder)
        for name, ours, valid, definition, builder in rows
    ]


def left_by_reindex(connection: Connection, asked: Reindex) -> list[str]:
    """The invalid indexes of a REINDEX CONCURRENTLY that did not come to its end, and that nobody is building."""
    with usable(connection):
        return [
            name for (name,) in connection.execute(LEFT_BY_REINDEX, {"of": asked.of, "name": asked.name}).fetchall()
        ]
