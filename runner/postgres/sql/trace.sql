-- What the transaction holds now: a row for each relation of this database that it has locked, with the modes, where
-- its rows are stored, and how often it was read as a whole since the server last took the counts.
SELECT l.relation::bigint, l.modes, c.relfilenode::bigint, c.reltablespace::bigint,
       pg_catalog.pg_stat_get_xact_numscans(l.relation)
FROM (
    SELECT relation, pg_catalog.array_agg(DISTINCT mode) AS modes
    FROM pg_catalog.pg_locks
    WHERE pid = pg_catalog.pg_backend_pid() AND locktype = 'relation' AND granted
      AND mode <> 'SIReadLock'  -- of serializable transactions: nobody waits for it
      AND relation <= %s  -- the highest number of those that were there before: the plan's own are of no interest
      AND database = (SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())
    GROUP BY relation
) AS l
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = l.relation  -- what the statement dropped is not there any more
