"""Which indexes can be used: a build CONCURRENTLY that failed leaves an invalid one behind.

https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
"""

from collections.abc import Iterable

from runner.core.course import Found
from runner.core.unfinished import IndexBuild, Reach, Reindex
from runner.postgres.session import Connection, usable

# Whoever builds an index holds such a lock on its table from beginning to end, and all roles see that. Autovacuum does
# as well, and gives way.
BUSY = """
    SELECT min(pid) FROM pg_catalog.pg_locks
    WHERE locktype = 'relation' AND relation = indrelid AND granted AND pid <> pg_catalog.pg_backend_pid()
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
      AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                   'AccessExclusiveLock')
      AND pid NOT IN (SELECT pid FROM pg_catalog.pg_stat_activity WHERE backend_type = 'autovacuum worker')"""
BUILDER = f"""
    SELECT ({BUSY}) FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass(%s) AND NOT indisvalid"""  # noqa: S608 - of texts of ours
# The table, its partitions, and what they store outside.
WITH_OWN = """
    WITH root AS (
        SELECT CASE %(of)s
            WHEN 'index' THEN (
                SELECT indrelid FROM pg_catalog.pg_index WHERE indexrelid = pg_catalog.to_regclass(%(name)s))
            ELSE pg_catalog.to_regclass(%(name)s)::pg_catalog.oid END AS oid
    ), tree AS (
        SELECT oid FROM root
        UNION SELECT relid FROM root, pg_catalog.pg_partition_tree(root.oid::pg_catalog.regclass)
    ), own AS (
        SELECT oid FROM tree
        UNION SELECT reltoastrelid FROM pg_catalog.pg_class WHERE oid IN (SELECT oid FROM tree))"""
# Not those of partitioned tables: made ON ONLY the parent, they become valid with their last partition.
ALL_INVALID = f"""{WITH_OWN}
    SELECT indexrelid FROM pg_catalog.pg_index WHERE NOT indisvalid AND indrelid IN (SELECT oid FROM own)"""  # noqa: S608 - of texts of ours
MADE_INVALID = f"""{WITH_OWN}
    SELECT indexrelid::pg_catalog.regclass::text
    FROM pg_catalog.pg_index JOIN pg_catalog.pg_class ON pg_class.oid = indexrelid
    WHERE NOT indisvalid AND relkind = 'i' AND indrelid IN (SELECT oid FROM own) AND (
        indrelid = (SELECT oid FROM root) AND %(made)s <> '' AND relname = %(made)s::pg_catalog.name
        OR indexrelid <> ALL (%(before)s::pg_catalog.oid[]) AND ({BUSY}) IS NULL)
    ORDER BY 1"""  # noqa: S608 - of texts of ours
FOUND = f"""
    SELECT pg_catalog.format('%%I.%%I', nspname, named.relname),
           indrelid IS NOT DISTINCT FROM tab.oid AND indrelid IS NOT NULL, coalesce(indisvalid, false),
           coalesce(pg_catalog.pg_get_indexdef(indexrelid), ''), CASE WHEN NOT indisvalid THEN ({BUSY}) END
    FROM pg_catalog.pg_class AS tab
    JOIN pg_catalog.pg_class AS named ON named.relnamespace = tab.relnamespace
    JOIN pg_catalog.pg_namespace ON pg_namespace.oid = named.relnamespace
    LEFT JOIN pg_catalog.pg_index ON indexrelid = named.oid
    WHERE tab.oid = pg_catalog.to_regclass(%(table)s)
      AND CASE WHEN %(name)s = '' THEN indrelid = tab.oid ELSE named.relname = %(name)s::pg_catalog.name END
    ORDER BY 1"""  # noqa: S608 - of texts of ours
# The name of what REINDEX builds, or has replaced, is that of the index, cut to 63 bytes, with a suffix.
LEFT_BY_REINDEX = f"""
    WITH reindexed AS (
        SELECT indexrelid, indrelid, relname
        FROM pg_catalog.pg_index JOIN pg_catalog.pg_class ON pg_class.oid = indexrelid
        WHERE indexrelid = pg_catalog.to_regclass(%(name)s)
           OR indexrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(name)s)))
    ), leftover AS (
        SELECT nspname, class.relname, indrelid,
               pg_catalog.regexp_replace(class.relname, '_cc(new|old)[0-9]*$', '') AS base,
               coalesce(toasted.oid, indrelid) AS main
        FROM pg_catalog.pg_index
        JOIN pg_catalog.pg_class AS class ON class.oid = indexrelid
        JOIN pg_catalog.pg_namespace ON pg_namespace.oid = class.relnamespace
        LEFT JOIN pg_catalog.pg_class AS toasted ON toasted.reltoastrelid = indrelid
        WHERE NOT indisvalid AND class.relkind = 'i' AND class.relname ~ '_cc(new|old)[0-9]*$')
    SELECT pg_catalog.format('%%I.%%I', leftover.nspname, leftover.relname), ({BUSY}) FROM leftover
    WHERE CASE %(of)s
        WHEN 'index' THEN EXISTS (
            SELECT FROM reindexed
            WHERE reindexed.indrelid = leftover.indrelid AND pg_catalog.starts_with(reindexed.relname, base)
              AND (reindexed.relname = base OR pg_catalog.octet_length(leftover.relname) >= 60))
        WHEN 'table' THEN main = pg_catalog.to_regclass(%(name)s)
               OR main IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass(%(name)s)))
        WHEN 'schema' THEN (SELECT relnamespace FROM pg_catalog.pg_class WHERE oid = main) = (
            SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = %(name)s::pg_catalog.name)
        ELSE true END
    ORDER BY 1"""  # noqa: S608 - of texts of ours


def invalid_indexes(connection: Connection, reach: Reach) -> list[int]:
    """The object identifiers of the invalid ones among those that a statement may leave invalid."""
    with usable(connection):
        rows = connection.execute(ALL_INVALID, {"of": reach.of, "name": reach.name}).fetchall()
    return [oid for (oid,) in rows]


def made_invalid(connection: Connection, before: Iterable[int], reach: Reach) -> list[str]:
    """Those of them that were not there before and that nobody is building, and the one of the name that was to be
    made.
    """
    asked = {"of": reach.of, "name": reach.name, "made": reach.made, "before": list(before)}
    with usable(connection):
        return [name for (name,) in connection.execute(MADE_INVALID, asked).fetchall()]


def builder(connection: Connection, index: str) -> int | None:
    """The server's process that may be building an index, which is not valid."""
    with usable(connection):
        row = connection.execute(BUILDER, [index]).fetchone()
    return row[0] if row else None


def found_indexes(connection: Connection, asked: IndexBuild) -> list[Found]:
    """What has the name of the index in its table's schema; of an index without a name, all on its table."""
    with usable(connection):
        rows = connection.execute(FOUND, {"table": asked.table, "name": asked.name}).fetchall()
    return [
        Found(name=name, ours=ours, valid=valid, definition=definition, builder=builder)
        for name, ours, valid, definition, builder in rows
    ]


def left_by_reindex(connection: Connection, asked: Reindex) -> list[Found]:
    """The invalid indexes of a REINDEX CONCURRENTLY that did not come to its end."""
    with usable(connection):
        rows = connection.execute(LEFT_BY_REINDEX, {"of": asked.of, "name": asked.name}).fetchall()
    return [Found(name=name, ours=True, valid=False, builder=pid) for name, pid in rows]
