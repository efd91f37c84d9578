"""What of the database is not valid."""

from collections.abc import Callable

from psycopg import rows

from runner.core.validity import InvalidIndex, UnvalidatedConstraint, Validity
from runner.postgres.session import Connection, reading, usable

# Whoever builds or rebuilds an index CONCURRENTLY holds a lock on its table all the while. Of other roles' builds the
# view tells the pid only, but the locks are everybody's to see. Of what a table stores outside, the table is told.
INDEXES = """
    SELECT pg_catalog.format('%I.%I', space.nspname, class.relname) AS name,
           pg_catalog.format('%I.%I', home.nspname, owner.relname) AS table,
           class.relkind = 'I' AS partitioned
    FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_class AS class ON class.oid = indexrelid
    JOIN pg_catalog.pg_namespace AS space ON space.oid = class.relnamespace
    LEFT JOIN pg_catalog.pg_class AS toasted ON toasted.reltoastrelid = indrelid
    JOIN pg_catalog.pg_class AS owner ON owner.oid = coalesce(toasted.oid, indrelid)
    JOIN pg_catalog.pg_namespace AS home ON home.oid = owner.relnamespace
    WHERE NOT indisvalid AND owner.relpersistence <> 't'
      AND home.nspname NOT IN ('pg_catalog', 'information_schema')
      AND NOT EXISTS (
          SELECT FROM pg_catalog.pg_stat_progress_create_index AS build
          JOIN pg_catalog.pg_locks AS held ON held.pid = build.pid
          WHERE build.datname = pg_catalog.current_database() AND held.database = build.datid
            AND held.locktype = 'relation' AND held.relation = indrelid AND held.granted
            AND held.mode IN ('ShareUpdateExclusiveLock', 'ShareLock'))
    ORDER BY 1"""
# Those of partitions and children follow their parent's. One that is not enforced, in 18 and later, is never valid.
CONSTRAINTS = """
    SELECT pg_catalog.quote_ident(conname) AS name,
           pg_catalog.format('%I.%I', nspname, coalesce(relname, typname)) AS table,
           contypid <> 0 AS domain,
           CASE WHEN contypid <> 0 THEN pg_catalog.pg_type_is_visible(contypid)
                ELSE pg_catalog.pg_table_is_visible(conrelid) END AS in_path
    FROM pg_catalog.pg_constraint AS con
    LEFT JOIN pg_catalog.pg_class AS class ON class.oid = conrelid
    LEFT JOIN pg_catalog.pg_type AS type ON type.oid = contypid
    JOIN pg_catalog.pg_namespace AS space ON space.oid = coalesce(relnamespace, typnamespace)
    WHERE NOT convalidated AND coninhcount = 0 AND conparentid = 0
      AND coalesce(relpersistence, 'p') <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
      AND coalesce((pg_catalog.to_jsonb(con) ->> 'conenforced')::boolean, true)
    ORDER BY 2, 1"""


def validity(connection: Connection) -> Validity:
    """Ask the catalog, in a read-only transaction. What others just build is left out, as are temporary tables and the
    server's own. Raises DatabaseUnusable.
    """
    with usable(connection):
        with reading(connection):
            answer = ask_validity(connection)
        return answer()


def ask_validity(connection: Connection) -> Callable[[], Validity]:
    """The same, beside what else is asked; the answer is called for when it is wanted."""
    indexes = connection.cursor(row_factory=rows.class_row(InvalidIndex)).execute(INDEXES)
    constraints = connection.cursor(row_factory=rows.class_row(UnvalidatedConstraint)).execute(CONSTRAINTS)
    return lambda: Validity(indexes=tuple(indexes.fetchall()), constraints=tuple(constraints.fetchall()))
