-- How large and busy tables are, by their names as format() writes them. Of a partitioned table, all of its partitions
-- together. Numbers of writes are as old as the statistics: of the database, else of the server.
WITH named AS (
    -- by what the names lead to: which words are quoted, differs between versions
    SELECT c.oid, wanted.name, c.relkind
    FROM pg_catalog.unnest(%s::text[]) AS wanted (name)
    JOIN pg_catalog.pg_class AS c ON c.oid = pg_catalog.to_regclass(wanted.name)
    WHERE c.relkind IN ('r', 'p', 'm')
), parts AS (
    SELECT oid AS whole, oid AS part FROM named WHERE relkind <> 'p'
    UNION ALL
    SELECT oid, relid::oid FROM named, pg_catalog.pg_partition_tree(named.oid) WHERE relkind = 'p' AND isleaf
), since AS (
    SELECT coalesce((SELECT stats_reset FROM pg_catalog.pg_stat_database
                     WHERE datname = pg_catalog.current_database()),
                    (SELECT stats_reset FROM pg_catalog.pg_stat_bgwriter)) AS at
)
SELECT named.name,
       coalesce(sum(pg_catalog.pg_total_relation_size(part)), 0)::bigint AS size,
       CASE WHEN pg_catalog.bool_or(c.reltuples < 0) AND sum(greatest(c.reltuples, 0)) = 0 THEN NULL
            ELSE sum(greatest(c.reltuples, 0))::bigint END AS rows,
       (sum(s.n_tup_ins + s.n_tup_upd + s.n_tup_del)
           / nullif(extract(epoch FROM pg_catalog.clock_timestamp() - (SELECT at FROM since)), 0))::float8 AS writes,
       coalesce(sum(pg_catalog.pg_relation_size(part)), 0) = 0 AS empty
FROM named
LEFT JOIN parts ON parts.whole = named.oid
LEFT JOIN pg_catalog.pg_class AS c ON c.oid = parts.part
LEFT JOIN pg_catalog.pg_stat_user_tables AS s ON s.relid = parts.part
GROUP BY named.oid, named.name
