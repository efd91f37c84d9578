-- The server's health in one look. %(at)s: the moment by which ages are told, NULL for now. What our role may not see
-- of others' sessions is NULL, their query a remark; pid, database, role and application_name are there for every role.
-- Left out are our own sessions and the server's own processes.
WITH clock AS MATERIALIZED (
    SELECT coalesce(%(at)s::timestamptz, pg_catalog.clock_timestamp()) AS at
), here AS MATERIALIZED (
    SELECT oid, datname, datconnlimit, pg_catalog.age(datfrozenxid) AS xids, pg_catalog.mxid_age(datminmxid) AS mxids
    FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()
), us AS MATERIALIZED (
    SELECT oid, rolname, rolsuper, rolconnlimit FROM pg_catalog.pg_roles WHERE rolname = session_user
), activity AS MATERIALIZED (
    SELECT pid, datid, usesysid, backend_type,
           coalesce(application_name, '') AS application, usename AS role, state, xact_start,
           extract(epoch FROM clock.at - xact_start) AS age,
           CASE WHEN query <> '<insufficient privilege>' THEN pg_catalog.left(query, 4096) END AS query,
           query = '<insufficient privilege>' AS hidden
    FROM pg_catalog.pg_stat_activity, clock
), standbys AS MATERIALIZED (
    SELECT pid, sync_state FROM pg_catalog.pg_stat_replication
), clients AS MATERIALIZED (
    SELECT * FROM activity
    WHERE datid IS NOT NULL AND usesysid IS NOT NULL AND coalesce(backend_type, 'client backend') = 'client backend'
      AND pid NOT IN (SELECT pid FROM standbys)
), others AS MATERIALIZED (
    SELECT *, application ~ '^pg_dump(all)?$' AS dumps FROM clients
    WHERE datid = (SELECT oid FROM here) AND pid <> pg_catalog.pg_backend_pid()
      AND NOT pg_catalog.starts_with(application, 'db-migrate')
), busy AS (  -- the dumps first, then the oldest
    SELECT * FROM others WHERE dumps OR xact_start IS NOT NULL ORDER BY dumps DESC, xact_start, pid LIMIT 100
), prepared AS (
    SELECT gid, owner, extract(epoch FROM clock.at - prepared) AS age
    FROM pg_catalog.pg_prepared_xacts, clock WHERE database = pg_catalog.current_database()
), wraparound_vacuums AS (
    SELECT pid, age,
           pg_catalog.substring(query, '^autovacuum: VACUUM (?:ANALYZE )?(.*) \(to prevent wraparound\)$') AS name
    FROM activity WHERE backend_type = 'autovacuum worker' AND datid = (SELECT oid FROM here)
), invalid AS (
    -- Who builds an index holds such a lock on its table from beginning to end. Autovacuum does as well, and gives way.
    SELECT pg_catalog.format('%%I.%%I', index_schema.nspname, index.relname) AS name,
           pg_catalog.format('%%I.%%I', table_schema.nspname, main.relname) AS table,
           index.relkind = 'I' AS partitioned,
           (SELECT min(pid) FROM pg_catalog.pg_locks
            WHERE locktype = 'relation' AND database = (SELECT oid FROM here) AND relation = main.oid AND granted
              AND mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                           'AccessExclusiveLock')
              AND pid IN (SELECT pid FROM clients)) AS builder
    FROM pg_catalog.pg_index
    JOIN pg_catalog.pg_class AS index ON index.oid = indexrelid AND index.relpersistence <> 't'
    JOIN pg_catalog.pg_namespace AS index_schema ON index_schema.oid = index.relnamespace
    LEFT JOIN pg_catalog.pg_class AS toasted ON toasted.reltoastrelid = indrelid  -- whose index it is in the end
    JOIN pg_catalog.pg_class AS main ON main.oid = coalesce(toasted.oid, indrelid)
    JOIN pg_catalog.pg_namespace AS table_schema ON table_schema.oid = main.relnamespace
    WHERE NOT indisvalid
), limits (scope, name, used, most, reserved) AS (  -- of databases and roles, superusers are not held to them
    SELECT 'server', '', (SELECT count(*) FROM clients), pg_catalog.current_setting('max_connections')::int,
           CASE WHEN us.rolsuper THEN 0
                ELSE pg_catalog.current_setting('superuser_reserved_connections')::int
                     + CASE WHEN (SELECT pg_catalog.pg_has_role(us.oid, role.oid, 'USAGE')
                                  FROM pg_catalog.pg_roles AS role WHERE rolname = 'pg_use_reserved_connections') THEN 0
                            ELSE coalesce(pg_catalog.current_setting('reserved_connections', true), '0')::int  -- 16
                       END
           END
    FROM us
    UNION ALL
    SELECT 'database', datname, (SELECT count(*) FROM clients WHERE datid = here.oid), datconnlimit, 0
    FROM here, us WHERE datconnlimit >= 0 AND NOT rolsuper
    UNION ALL
    SELECT 'role', rolname, (SELECT count(*) FROM clients WHERE usesysid = us.oid), rolconnlimit, 0
    FROM us WHERE rolconnlimit >= 0 AND NOT rolsuper
)
SELECT here.datname AS database,
       here.xids AS oldest_transaction,
       here.mxids AS oldest_multixact,
       (SELECT count(*) FROM others WHERE hidden) AS hidden,
       ARRAY(SELECT pg_catalog.to_jsonb(busy) FROM busy) AS busy,
       ARRAY(SELECT pg_catalog.to_jsonb(prepared) FROM prepared ORDER BY age DESC, gid) AS prepared,
       ARRAY(SELECT pg_catalog.to_jsonb(vacuum) FROM wraparound_vacuums AS vacuum WHERE name IS NOT NULL ORDER BY pid)
           AS vacuums,
       ARRAY(SELECT pg_catalog.to_jsonb(invalid) FROM invalid ORDER BY name) AS invalid,
       ARRAY(SELECT pg_catalog.to_jsonb(limits) FROM limits) AS limits,
       CASE WHEN pg_catalog.pg_is_in_recovery() THEN ''
            ELSE pg_catalog.current_setting('synchronous_standby_names') END AS synchronous_standby_names,
       pg_catalog.current_setting('synchronous_commit') AS synchronous_commit,
       (SELECT count(*) FILTER (WHERE sync_state IN ('sync', 'quorum')) FROM standbys
        HAVING count(*) = count(sync_state)) AS synchronous_standbys,
       coalesce((SELECT encrypted FROM pg_catalog.pg_stat_gssapi WHERE pid = pg_catalog.pg_backend_pid()), false)
           AS gss_encrypted
FROM here
