-- What the server says of itself, of the role, and of what stands in the ledger's place. %(schema)s, %(tables)s: names.
WITH place AS (
    SELECT to_regnamespace(quote_ident(%(schema)s)) AS schema
), ledger_columns AS (
    SELECT c.oid, c.relname, array_agg(a.attname::text) AS columns
    FROM place
    JOIN pg_class AS c ON c.relnamespace = place.schema AND c.relname = ANY (%(tables)s)
    JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    GROUP BY c.oid, c.relname
)
SELECT current_database() AS database,
       pg_backend_pid() AS pid,
       (SELECT backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()) AS started,
       has_function_privilege('pg_catalog.pg_current_wal_lsn()', 'EXECUTE') AS tells_wal,
       current_user AS role,
       current_setting('server_version_num')::int AS server_version,
       pg_is_in_recovery() AS in_recovery,
       current_setting('default_transaction_read_only')::bool AS read_only,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       place.schema IS NOT NULL AS schema_exists,
       COALESCE(has_schema_privilege(place.schema::oid, 'CREATE'), false) AS may_create_tables,
       COALESCE(has_schema_privilege(place.schema::oid, 'USAGE'), false) AS may_use_schema,
       COALESCE((SELECT jsonb_object_agg(relname, columns) FROM ledger_columns), '{}') AS columns,
       ARRAY(SELECT relname::text FROM ledger_columns
             WHERE NOT (has_table_privilege(oid, 'SELECT') AND has_table_privilege(oid, 'INSERT')
                        AND has_table_privilege(oid, 'UPDATE') AND has_table_privilege(oid, 'DELETE'))
             ORDER BY relname) AS unwritable,
       EXISTS (SELECT FROM pg_proc WHERE pronamespace = place.schema AND proname = 'get_migration_status')
           AND EXISTS (SELECT FROM pg_class WHERE relnamespace = place.schema AND relname = 'migration_status_view')
           AS answers
FROM place
