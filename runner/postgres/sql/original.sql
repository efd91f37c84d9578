-- What a database has that its copy must have as well, and pg_dump does not tell. %(schema)s, %(tables)s: of the ledger.
WITH own AS (
    SELECT d.oid, d.encoding, (SELECT r.oid FROM pg_roles AS r WHERE r.rolname = session_user) AS role
    FROM pg_database AS d WHERE d.datname = current_database()
), setting AS (
    SELECT DISTINCT ON (split_part(entry, '=', 1))
           split_part(entry, '=', 1) AS name, substr(entry, strpos(entry, '=') + 1) AS value
    FROM pg_db_role_setting AS s, own, unnest(s.setconfig) AS entry
    WHERE s.setdatabase IN (0, own.oid) AND s.setrole IN (0, own.role)
    -- https://www.postgresql.org/docs/current/sql-alterrole.html: the role's in this database, the role's, this database's
    ORDER BY 1, s.setdatabase <> 0 AND s.setrole <> 0 DESC, s.setrole <> 0 DESC, s.setdatabase <> 0 DESC
), settings AS (
    SELECT name, value FROM setting
    UNION ALL  -- the server's, where they change what a statement means: a rewrite of timestamps, a date's reading
    SELECT name, reset_val FROM pg_settings
    WHERE name IN ('TimeZone', 'DateStyle', 'IntervalStyle', 'default_text_search_config')
      AND lower(name) NOT IN (SELECT lower(name) FROM setting)
), kept AS (
    SELECT c.relname, array_agg(a.attname::text ORDER BY a.attnum) AS columns
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
    WHERE c.relnamespace = to_regnamespace(quote_ident(%(schema)s)) AND c.relname = ANY (%(tables)s)
      AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    GROUP BY c.relname
), sorted_by AS (  -- the collations that the server itself has, of columns, indexes and domains, not of its own
    SELECT attcollation AS oid FROM pg_attribute WHERE attrelid >= 16384
    UNION SELECT unnest(indcollation::oid[]) FROM pg_index WHERE indexrelid >= 16384
    UNION SELECT typcollation FROM pg_type WHERE oid >= 16384
)
SELECT current_setting('server_version_num')::int AS number,
       pg_encoding_to_char(own.encoding)::text AS encoding,
       current_database()::text AS database,
       current_user::text AS role,
       extract(epoch FROM pg_postmaster_start_time())::text AS started,
       to_regnamespace('public') IS NOT NULL AS public,
       to_regnamespace(quote_ident(current_user)) IS NOT NULL AS schema_of_role,
       (SELECT reset_val FROM pg_settings WHERE name = 'search_path') AS search_path,
       ARRAY(SELECT extname::text FROM pg_extension ORDER BY 1) AS extensions,
       ARRAY(SELECT rolname::text FROM pg_roles WHERE rolname !~ '^pg_' ORDER BY 1) AS roles,
       (SELECT coalesce(json_object_agg(name, value), '{}') FROM settings) AS settings,
       (SELECT coalesce(json_object_agg(relname, columns), '{}') FROM kept) AS ledger,
       ARRAY(SELECT DISTINCT split_part(option, '=', 1) FROM pg_attribute, unnest(attoptions) AS option
             WHERE attrelid >= 16384) AS column_options,
       ARRAY(SELECT collname::text FROM pg_collation
             WHERE collnamespace = 'pg_catalog'::regnamespace AND oid IN (SELECT oid FROM sorted_by)
             UNION SELECT 'und-x-icu' FROM pg_collation  -- one that every server with ICU has
             WHERE collnamespace <> 'pg_catalog'::regnamespace AND collprovider = 'i') AS collations,
       ARRAY(SELECT format('%%I.%%I', n.nspname, c.relname)
             FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
             WHERE c.relkind = 'm' AND c.relispopulated
             ORDER BY c.oid) AS filled_views  -- each behind those that it reads
FROM own
