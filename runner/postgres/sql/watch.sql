-- One look at the worker: what it waits for and who is in its way, who waits for a lock, which strong locks it has,
-- how far it is. pg_locks shows everybody's locks to every role; of other roles' sessions pg_stat_activity may show
-- little (NULL). As long as nobody waits, pg_blocking_pids is not called: it stops the lock manager for a moment.
WITH locks AS MATERIALIZED (
    SELECT pid, locktype, database, relation, mode, granted, waitstart
    FROM pg_locks
    WHERE pid = %(worker)s OR NOT granted
), activity AS MATERIALIZED (
    SELECT pid, datid, usesysid, usename, application_name, state, xact_start, query, backend_type
    FROM pg_stat_activity
), worker AS (
    SELECT (SELECT xact_start FROM activity WHERE pid = %(worker)s) AS xact_start
), awaited AS (
    SELECT locktype, mode, relation, extract(epoch FROM clock_timestamp() - waitstart) AS waited
    FROM locks
    WHERE pid = %(worker)s AND NOT granted
), blockers AS MATERIALIZED (
    SELECT DISTINCT unnest(pg_blocking_pids(%(worker)s)) AS pid
    WHERE EXISTS (SELECT FROM awaited)
), waiting AS (
    SELECT locks.pid, locktype, mode, clock_timestamp() - waitstart AS waited
    FROM locks JOIN activity USING (pid)
    WHERE NOT granted AND pid <> %(worker)s
      AND datid = (SELECT oid FROM pg_database WHERE datname = current_database())
      AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
), progress AS (
    SELECT 'create_index' AS view, relid, index_relid, to_jsonb(p) AS row
    FROM pg_stat_progress_create_index p WHERE pid = %(worker)s
    UNION ALL
    SELECT 'copy', relid, 0, to_jsonb(p) FROM pg_stat_progress_copy p WHERE pid = %(worker)s
    UNION ALL
    SELECT 'vacuum', relid, 0, to_jsonb(p) FROM pg_stat_progress_vacuum p WHERE pid = %(worker)s
    UNION ALL
    SELECT 'cluster', relid, 0, to_jsonb(p) FROM pg_stat_progress_cluster p WHERE pid = %(worker)s
    UNION ALL
    SELECT 'analyze', relid, 0, to_jsonb(p) FROM pg_stat_progress_analyze p WHERE pid = %(worker)s
)
SELECT
    (SELECT xact_start FROM worker) AS transaction,
    (SELECT jsonb_build_object('locktype', locktype, 'mode', mode, 'waited', waited,
                               'relation', CASE WHEN relation IS NOT NULL THEN relation::regclass::text END)
     FROM awaited LIMIT 1) AS awaited,
    (SELECT jsonb_agg(jsonb_build_object(
                'pid', pid, 'application', application_name, 'role', usename, 'state', state,
                'age', extract(epoch FROM clock_timestamp() - xact_start),
                'query', nullif(query, '<insufficient privilege>')) ORDER BY xact_start, pid)
     FROM blockers LEFT JOIN activity USING (pid)) AS blockers,
    (SELECT jsonb_agg(jsonb_build_object('pid', pid, 'kind', locktype, 'mode', mode,
                                         'waited', extract(epoch FROM waited), 'behind', pg_blocking_pids(pid)))
     FROM waiting) AS waiting,
    (SELECT jsonb_agg(DISTINCT jsonb_build_array(format('%%I.%%I', nspname, relname), mode))
     FROM locks
     JOIN pg_class ON pg_class.oid = relation  -- what the worker has just made is not there yet for others
     JOIN pg_namespace ON pg_namespace.oid = relnamespace
     WHERE pid = %(worker)s AND granted AND locktype = 'relation' AND relkind IN ('r', 'p', 'm')
       AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND relpersistence <> 't' AND nspname NOT IN ('pg_catalog', 'information_schema')
       AND mode IN ('ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock', 'AccessExclusiveLock')) AS locks,
    (SELECT row || jsonb_build_object(
                'view', view, 'relation', relid::regclass::text,
                'index', CASE WHEN index_relid <> 0 THEN index_relid::regclass::text ELSE '' END)
     FROM progress LIMIT 1) AS progress
