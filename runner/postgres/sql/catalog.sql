-- All objects of the schema: kind, name, the table or other whole that each is a part of, definition. To be run with
-- search_path set to pg_catalog, so that everything else is written qualified, and the other settings of
-- catalog_snapshot.py. %(schema)s, %(ledger)s: the ledger's schema and relations, which are left out, as are members of
-- extensions. Columns come in the order in which they stand. PostgreSQL 14 and later.
WITH schemas AS MATERIALIZED (
    SELECT oid, nspname, quote_ident(nspname) AS name, nspacl, nspowner
    FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), members AS MATERIALIZED (  -- of extensions, and what comes with a range type
    SELECT classid, objid
    FROM pg_depend
    WHERE refclassid = 'pg_extension'::regclass AND deptype = 'e'
       OR refclassid = 'pg_type'::regclass AND deptype = 'i' AND classid IN ('pg_proc'::regclass, 'pg_cast'::regclass)
), relations AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relname, c.relnamespace, c.relacl, c.relowner,
           s.name || '.' || quote_ident(c.relname) AS name,
           CASE WHEN c.reloptions IS NOT NULL
                THEN 'WITH (' || (SELECT string_agg(option, ', ' ORDER BY option COLLATE "C")
                                  FROM unnest(c.reloptions) AS option) || ')' END AS options
    FROM pg_class AS c
    JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I')
      AND NOT (s.nspname = %(schema)s AND c.relname = ANY (%(ledger)s))
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = c.oid)
), owned AS MATERIALIZED (  -- sequences that belong to a column; 'i': to make its identity
    SELECT q.oid, t.name AS of_table, quote_ident(a.attname) AS of_column, d.deptype
    FROM relations AS q
    JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = q.oid AND d.deptype IN ('a', 'i')
                       AND d.refclassid = 'pg_class'::regclass
    JOIN relations AS t ON t.oid = d.refobjid
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE q.relkind = 'S'
), numbers AS NOT MATERIALIZED (  -- of a sequence, what is not as usual
    SELECT seqrelid, seqtypid,
           concat_ws(' ', CASE WHEN seqincrement <> 1 THEN 'INCREMENT ' || seqincrement END,
                     CASE WHEN seqmin <> 1 THEN 'MINVALUE ' || seqmin END,
                     CASE WHEN seqmax <> CASE seqtypid WHEN 'smallint'::regtype THEN 32767
                                                       WHEN 'integer'::regtype THEN 2147483647
                                                       ELSE 9223372036854775807 END THEN 'MAXVALUE ' || seqmax END,
                     CASE WHEN seqstart <> 1 THEN 'START ' || seqstart END,
                     CASE WHEN seqcache <> 1 THEN 'CACHE ' || seqcache END,
                     CASE WHEN seqcycle THEN 'CYCLE' END) AS text
    FROM pg_sequence
), indexes AS MATERIALIZED (
    SELECT x.oid, x.name, t.name AS of_table, i.indisvalid
    FROM pg_index AS i
    JOIN relations AS x ON x.oid = i.indexrelid
    JOIN relations AS t ON t.oid = i.indrelid
), types AS MATERIALIZED (
    SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefaultbin, t.typrelid, t.typcollation,
           t.typacl, t.typowner, s.name || '.' || quote_ident(t.typname) AS name
    FROM pg_type AS t
    JOIN schemas AS s ON s.oid = t.typnamespace
    WHERE (t.typtype IN ('e', 'd', 'r')
           OR t.typtype = 'c' AND t.typrelid IN (SELECT oid FROM relations WHERE relkind = 'c'))
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_type'::regclass AND objid = t.oid)
), functions AS MATERIALIZED (
    SELECT p.oid, p.prokind, p.proacl, p.proowner,
           CASE p.prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END AS kind,
           s.name || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS name
    FROM pg_proc AS p
    JOIN schemas AS s ON s.oid = p.pronamespace
    WHERE NOT (s.nspname = %(schema)s AND p.proname = 'get_migration_status' AND p.pronargs = 0)
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
), parts AS MATERIALIZED (  -- of tables and views, by names that are theirs alone
    SELECT 'pg_constraint'::regclass AS classid, oid, 'constraint' AS kind, conname AS name, conrelid AS relid
    FROM pg_constraint
    UNION ALL
    SELECT 'pg_trigger'::regclass, oid, 'trigger', tgname, tgrelid FROM pg_trigger WHERE NOT tgisinternal
    UNION ALL
    SELECT 'pg_rewrite'::regclass, oid, 'rule', rulename, ev_class FROM pg_rewrite WHERE rulename <> '_RETURN'
    UNION ALL
    SELECT 'pg_policy'::regclass, oid, 'policy', polname, polrelid FROM pg_policy
), others AS MATERIALIZED (  -- told by name only
    SELECT o.classid, o.oid, i.type, i.identity AS name
    FROM (
        SELECT 'pg_collation'::regclass, oid FROM pg_collation WHERE oid >= 16384
        UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion WHERE oid >= 16384
        UNION ALL SELECT 'pg_operator'::regclass, oid FROM pg_operator WHERE oid >= 16384
        UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass WHERE oid >= 16384
        UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily WHERE oid >= 16384
        UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast WHERE oid >= 16384
        UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am WHERE oid >= 16384
        UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language WHERE oid >= 16384
        UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser WHERE oid >= 16384
        UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template WHERE oid >= 16384
        UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper WHERE oid >= 16384
        UNION ALL SELECT 'pg_foreign_server'::regclass, oid FROM pg_foreign_server WHERE oid >= 16384
    ) AS o (classid, oid), pg_identify_object(o.classid, o.oid, 0) AS i
    WHERE coalesce(i.schema, '') !~ '^pg_'
      AND NOT EXISTS (SELECT FROM members AS m WHERE m.classid = o.classid AND m.objid = o.oid)
), rights AS (  -- what is granted on each, and what would be if nobody had granted or revoked anything
    SELECT 'on ' || CASE r.relkind WHEN 'S' THEN 'sequence ' ELSE '' END || r.name AS what,
           coalesce(owned.of_table, r.name) AS whole, '' AS columns, r.relacl AS acl,
           acldefault(CASE r.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", r.relowner) AS usual, r.relowner AS owner
    FROM relations AS r
    LEFT JOIN owned ON owned.oid = r.oid
    WHERE r.relacl IS NOT NULL
    UNION ALL
    SELECT 'on ' || r.name, r.name, ' (' || quote_ident(a.attname) || ')', a.attacl, NULL, r.relowner
    FROM pg_attribute AS a
    JOIN relations AS r ON r.oid = a.attrelid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'on schema ' || name, 'schema ' || name, '', nspacl, acldefault('n', nspowner), nspowner
    FROM schemas AS s
    WHERE nspacl IS NOT NULL
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_namespace'::regclass AND objid = s.oid)
    UNION ALL
    SELECT 'on ' || CASE prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || name, kind || ' ' || name, '',
           proacl, acldefault('f', proowner), proowner
    FROM functions
    WHERE proacl IS NOT NULL
    UNION ALL
    SELECT 'on type ' || name, 'type ' || name, '', typacl, acldefault('T', typowner), typowner
    FROM types
    WHERE typacl IS NOT NULL
    UNION ALL
    SELECT 'on ' || what, what, '', acl, usual, owner
    FROM (
        SELECT 'new '
               || CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                       WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END
               || ' of ' || quote_ident(pg_get_userbyid(d.defaclrole)) || coalesce(' in schema ' || s.name, '') AS what,
               d.defaclacl AS acl, d.defaclrole AS owner,
               CASE d.defaclnamespace WHEN 0  -- that of one schema only adds to it
                    THEN acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's' ELSE d.defaclobjtype END, d.defaclrole)
                    END AS usual
        FROM pg_default_acl AS d
        LEFT JOIN schemas AS s ON s.oid = d.defaclnamespace
    ) AS by_default
), granted AS MATERIALIZED (
    SELECT what, whole, grantee, privilege_type || columns AS privilege, is_grantable
    FROM rights, aclexplode(acl)
    WHERE grantee <> owner
), usual AS MATERIALIZED (
    SELECT what, whole, grantee, privilege_type || columns AS privilege, is_grantable
    FROM rights, aclexplode(usual)
    WHERE grantee <> owner
)
SELECT 'schema' AS kind, name, '' AS whole, 0 AS place, '' AS text
FROM schemas AS s
WHERE (nspname <> %(schema)s OR nspname = 'public')
  AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_namespace'::regclass AND objid = s.oid)
UNION ALL
SELECT 'extension', quote_ident(extname), '', 0, extversion FROM pg_extension
UNION ALL
SELECT CASE r.relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, r.name, '', 0,
       concat_ws(E'\n',
           CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
           CASE WHEN c.reloftype <> 0 THEN 'OF ' || format_type(c.reloftype, NULL) END,
           CASE WHEN c.relispartition
                THEN 'PARTITION OF ' || (SELECT inhparent::regclass FROM pg_inherits WHERE inhrelid = c.oid)
                     || ' ' || pg_get_expr(c.relpartbound, c.oid)
                ELSE 'INHERITS (' || (SELECT string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
                                      FROM pg_inherits WHERE inhrelid = c.oid) || ')' END,
           CASE r.relkind WHEN 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(c.oid) END,
           CASE r.relkind WHEN 'f'
                THEN (SELECT 'SERVER ' || quote_ident(srvname)
                             || coalesce(' OPTIONS (' || array_to_string(ftoptions, ', ') || ')', '')
                      FROM pg_foreign_table JOIN pg_foreign_server AS v ON v.oid = ftserver WHERE ftrelid = c.oid) END,
           CASE WHEN c.relam <> 0
                THEN (SELECT 'USING ' || quote_ident(amname) FROM pg_am WHERE oid = c.relam AND amname <> 'heap') END,
           r.options,
           CASE WHEN c.relrowsecurity THEN 'ENABLE ROW LEVEL SECURITY' END,
           CASE WHEN c.relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
           CASE c.relreplident
                WHEN 'f' THEN 'REPLICA IDENTITY FULL'
                WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
                WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX ' || (SELECT indexrelid::regclass FROM pg_index
                                                                  WHERE indrelid = c.oid AND indisreplident) END)
FROM relations AS r
JOIN pg_class AS c ON c.oid = r.oid
WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'column', quote_ident(a.attname), r.name, a.attnum,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation NOT IN (0, t.typcollation) THEN 'COLLATE ' || a.attcollation::regcollation END,
           CASE WHEN a.attstorage <> t.typstorage
                THEN 'STORAGE ' || CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL'
                                                     WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END,
           CASE a.attcompression WHEN 'p' THEN 'COMPRESSION pglz' WHEN 'l' THEN 'COMPRESSION lz4' END,
           'OPTIONS (' || array_to_string(a.attfdwoptions, ', ') || ')',
           CASE WHEN a.attnotnull THEN 'NOT NULL' END,
           CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                              WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
           CASE WHEN a.attidentity <> ''
                THEN (SELECT '(' || nullif(n.text, '') || ')'
                      FROM pg_depend AS o JOIN numbers AS n ON n.seqrelid = o.objid
                      WHERE o.classid = 'pg_class'::regclass AND o.deptype = 'i' AND o.refclassid = 'pg_class'::regclass
                        AND o.refobjid = a.attrelid AND o.refobjsubid = a.attnum) END,
           CASE a.attgenerated WHEN 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                               WHEN 'v' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL'
                               ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END)
FROM relations AS r
JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')
UNION ALL
SELECT 'constraint', quote_ident(c.conname), r.name, 0, pg_get_constraintdef(c.oid)
FROM pg_constraint AS c
JOIN relations AS r ON r.oid = c.conrelid
WHERE c.contype IN ('p', 'u', 'x', 'c', 'f') AND c.conislocal AND c.conparentid = 0
UNION ALL
SELECT 'index', i.name, i.of_table, 0,
       pg_get_indexdef(i.oid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM indexes AS i
WHERE NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.oid AND contype IN ('p', 'u', 'x'))
  AND NOT EXISTS (SELECT FROM pg_inherits WHERE inhrelid = i.oid)
UNION ALL
SELECT 'statistics', s.name || '.' || quote_ident(x.stxname), r.name, 0, pg_get_statisticsobjdef(x.oid)
FROM pg_statistic_ext AS x
JOIN schemas AS s ON s.oid = x.stxnamespace
JOIN relations AS r ON r.oid = x.stxrelid
UNION ALL
SELECT CASE r.relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, r.name, '', 0,
       concat_ws(E'\n', r.options, pg_get_viewdef(r.oid))
FROM relations AS r
WHERE r.relkind IN ('v', 'm')
UNION ALL
SELECT f.kind, f.name, '', 0,
       CASE f.prokind
       WHEN 'a' THEN (
           SELECT concat_ws(' ', 'RETURNS ' || pg_get_function_result(f.oid), 'SFUNC ' || a.aggtransfn,
                            'STYPE ' || format_type(a.aggtranstype, NULL),
                            CASE WHEN a.aggfinalfn::oid <> 0 THEN 'FINALFUNC ' || a.aggfinalfn END,
                            'INITCOND ' || quote_literal(a.agginitval))
           FROM pg_aggregate AS a WHERE a.aggfnoid = f.oid)
       ELSE rtrim(pg_get_functiondef(f.oid), E'\n') END
FROM functions AS f
UNION ALL
SELECT 'trigger', quote_ident(g.tgname), r.name, 0,
       pg_get_triggerdef(g.oid)
       || CASE g.tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED ON REPLICA'
                           WHEN 'A' THEN ' ENABLED ALWAYS' ELSE '' END
FROM pg_trigger AS g
JOIN relations AS r ON r.oid = g.tgrelid
WHERE NOT g.tgisinternal AND g.tgparentid = 0
UNION ALL
SELECT 'rule', quote_ident(w.rulename), r.name, 0,
       pg_get_ruledef(w.oid)
       || CASE w.ev_enabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED ON REPLICA'
                            WHEN 'A' THEN ' ENABLED ALWAYS' ELSE '' END
FROM pg_rewrite AS w
JOIN relations AS r ON r.oid = w.ev_class
WHERE w.rulename <> '_RETURN'
UNION ALL
SELECT 'policy', quote_ident(p.polname), r.name, 0,
       concat_ws(' ', CASE WHEN NOT p.polpermissive THEN 'AS RESTRICTIVE' END,
           CASE p.polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE'
                         WHEN 'd' THEN 'FOR DELETE' ELSE 'FOR ALL' END,
           'TO ' || (SELECT string_agg(name, ', ' ORDER BY name COLLATE "C")
                     FROM unnest(p.polroles) AS role,
                          coalesce(CASE WHEN role <> 0 THEN quote_ident(pg_get_userbyid(role)) END, 'PUBLIC') AS name),
           'USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
           'WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')')
FROM pg_policy AS p
JOIN relations AS r ON r.oid = p.polrelid
UNION ALL
SELECT CASE t.typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type' ELSE 'composite type' END,
       t.name, '', 0,
       CASE t.typtype
       WHEN 'e' THEN (
           SELECT string_agg(quote_literal(enumlabel), E'\n' ORDER BY enumsortorder)
           FROM pg_enum WHERE enumtypid = t.oid)
       WHEN 'd' THEN concat_ws(E'\n',
           concat_ws(' ', format_type(t.typbasetype, t.typtypmod),
               CASE WHEN t.typcollation NOT IN (0, (SELECT typcollation FROM pg_type WHERE oid = t.typbasetype))
                    THEN 'COLLATE ' || t.typcollation::regcollation END,
               'DEFAULT ' || pg_get_expr(t.typdefaultbin, 0),
               CASE WHEN t.typnotnull THEN 'NOT NULL' END),
           (SELECT string_agg('CONSTRAINT ' || quote_ident(conname) || ' ' || pg_get_constraintdef(oid), E'\n'
                              ORDER BY conname)
            FROM pg_constraint WHERE contypid = t.oid AND contype = 'c'))
       WHEN 'r' THEN (
           SELECT concat_ws(', ', 'SUBTYPE = ' || format_type(rngsubtype, NULL),
                      CASE WHEN rngcollation NOT IN (0, (SELECT typcollation FROM pg_type WHERE oid = rngsubtype))
                           THEN 'COLLATION = ' || rngcollation::regcollation END,
                      CASE WHEN rngcanonical::oid <> 0 THEN 'CANONICAL = ' || rngcanonical END,
                      CASE WHEN rngsubdiff::oid <> 0 THEN 'SUBTYPE_DIFF = ' || rngsubdiff END,
                      'MULTIRANGE_TYPE_NAME = ' || rngmultitypid::regtype)
           FROM pg_range WHERE rngtypid = t.oid)
       ELSE (
           SELECT string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod), E'\n' ORDER BY attnum)
           FROM pg_attribute WHERE attrelid = t.typrelid AND attnum > 0 AND NOT attisdropped) END
FROM types AS t
UNION ALL
SELECT 'sequence', r.name, coalesce(owned.of_table, ''), 0,
       concat_ws(' ', CASE WHEN n.seqtypid <> 'bigint'::regtype THEN 'AS ' || format_type(n.seqtypid, NULL) END,
                 nullif(n.text, ''), CASE c.relpersistence WHEN 'u' THEN 'UNLOGGED' END,
                 'OWNED BY ' || owned.of_table || '.' || owned.of_column)
FROM relations AS r
JOIN pg_class AS c ON c.oid = r.oid
JOIN numbers AS n ON n.seqrelid = r.oid
LEFT JOIN owned ON owned.oid = r.oid
WHERE owned.deptype IS DISTINCT FROM 'i'  -- which the column tells of
UNION ALL
SELECT 'grant', what || ' to ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       whole, 0, string_agg(line, E'\n' ORDER BY line COLLATE "C")
FROM (SELECT * FROM granted EXCEPT SELECT * FROM usual) AS added,
     concat(privilege, CASE WHEN is_grantable THEN ' WITH GRANT OPTION' END) AS line
GROUP BY what, whole, grantee
UNION ALL
SELECT 'revoke', what || ' from ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       whole, 0, string_agg(privilege, E'\n' ORDER BY privilege COLLATE "C")
FROM (SELECT what, whole, grantee, privilege FROM usual EXCEPT SELECT what, whole, grantee, privilege FROM granted)
     AS taken
GROUP BY what, whole, grantee
UNION ALL
SELECT 'comment', 'on ' || c.what, c.whole, 0, quote_literal(d.description)
FROM (
    SELECT 'pg_class'::regclass AS classid, r.oid, 0 AS attnum,
           CASE r.relkind WHEN 'f' THEN 'foreign table ' WHEN 'v' THEN 'view ' WHEN 'm' THEN 'materialized view '
                          WHEN 'S' THEN 'sequence ' ELSE 'table ' END || r.name AS what,
           coalesce(owned.of_table, r.name) AS whole
    FROM relations AS r
    LEFT JOIN owned ON owned.oid = r.oid
    WHERE r.relkind NOT IN ('i', 'I', 'c')
    UNION ALL
    SELECT 'pg_class'::regclass, oid, 0, 'index ' || name, of_table FROM indexes
    UNION ALL
    SELECT 'pg_class'::regclass, r.oid, a.attnum, 'column ' || r.name || '.' || quote_ident(a.attname),
           CASE r.relkind WHEN 'c' THEN 'type ' ELSE '' END || r.name
    FROM relations AS r
    JOIN pg_attribute AS a ON a.attrelid = r.oid AND a.attnum > 0
    JOIN pg_description AS d ON d.classoid = 'pg_class'::regclass AND d.objoid = r.oid AND d.objsubid = a.attnum
    UNION ALL
    SELECT p.classid, p.oid, 0, p.kind || ' ' || quote_ident(p.name) || ' on ' || r.name, r.name
    FROM parts AS p
    JOIN relations AS r ON r.oid = p.relid
    UNION ALL
    SELECT 'pg_constraint'::regclass, k.oid, 0, 'constraint ' || quote_ident(k.conname) || ' on domain ' || t.name,
           'type ' || t.name
    FROM pg_constraint AS k
    JOIN types AS t ON t.oid = k.contypid
    UNION ALL
    SELECT 'pg_proc'::regclass, oid, 0, kind || ' ' || name, kind || ' ' || name FROM functions
    UNION ALL
    SELECT 'pg_type'::regclass, oid, 0, 'type ' || name, 'type ' || name FROM types
    UNION ALL
    SELECT 'pg_namespace'::regclass, oid, 0, 'schema ' || name, 'schema ' || name FROM schemas
    UNION ALL
    SELECT 'pg_publication'::regclass, oid, 0, 'publication ' || quote_ident(pubname),
           'publication ' || quote_ident(pubname)
    FROM pg_publication
    UNION ALL
    SELECT 'pg_event_trigger'::regclass, oid, 0, 'event trigger ' || quote_ident(evtname),
           'event trigger ' || quote_ident(evtname)
    FROM pg_event_trigger
    UNION ALL
    SELECT 'pg_statistic_ext'::regclass, x.oid, 0, 'statistics ' || s.name || '.' || quote_ident(x.stxname), r.name
    FROM pg_statistic_ext AS x
    JOIN schemas AS s ON s.oid = x.stxnamespace
    JOIN relations AS r ON r.oid = x.stxrelid
    UNION ALL
    SELECT classid, oid, 0, type || ' ' || name, type || ' ' || name FROM others
) AS c
JOIN pg_description AS d ON d.classoid = c.classid AND d.objoid = c.oid AND d.objsubid = c.attnum
WHERE NOT EXISTS (SELECT FROM members AS m WHERE m.classid = c.classid AND m.objid = c.oid)
UNION ALL
SELECT 'event trigger', quote_ident(e.evtname), '', 0,
       concat_ws(' ', 'ON ' || e.evtevent,
           'WHEN TAG IN (' || (SELECT string_agg(quote_literal(tag), ', ' ORDER BY tag COLLATE "C")
                               FROM unnest(e.evttags) AS tag) || ')',
           'EXECUTE FUNCTION ' || e.evtfoid::regprocedure,
           CASE e.evtenabled WHEN 'D' THEN 'DISABLED' WHEN 'R' THEN 'ENABLED ON REPLICA'
                             WHEN 'A' THEN 'ENABLED ALWAYS' END)
FROM pg_event_trigger AS e
WHERE NOT EXISTS (SELECT FROM members WHERE classid = 'pg_event_trigger'::regclass AND objid = e.oid)
UNION ALL
SELECT 'publication', quote_ident(p.pubname), '', 0,
       concat_ws(E'\n',
           CASE WHEN p.puballtables THEN 'FOR ALL TABLES' END,
           -- 14 has no catalog of published schemas, and lacks some columns; what depends on what is known everywhere.
           (SELECT string_agg('FOR TABLES IN SCHEMA ' || s.refobjid::regnamespace, E'\n'
                              ORDER BY s.refobjid::regnamespace::text COLLATE "C")
            FROM pg_depend AS q
            JOIN pg_depend AS s ON s.classid = q.classid AND s.objid = q.objid
                               AND s.refclassid = 'pg_namespace'::regclass
            WHERE q.classid = to_regclass('pg_publication_namespace')
              AND q.refclassid = 'pg_publication'::regclass AND q.refobjid = p.oid),
           (SELECT string_agg(line, E'\n' ORDER BY line COLLATE "C")
            FROM pg_publication_rel AS l
            JOIN pg_class AS c ON c.oid = l.prrelid
            JOIN pg_namespace AS n ON n.oid = c.relnamespace
            LEFT JOIN pg_publication_tables AS v
                   ON v.pubname = p.pubname AND v.schemaname = n.nspname AND v.tablename = c.relname,
            concat_ws(' ', 'FOR TABLE ' || l.prrelid::regclass,
                '(' || (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum)
                        FROM pg_attribute
                        WHERE attrelid = l.prrelid AND to_jsonb(l) -> 'prattrs' @> to_jsonb(attnum)) || ')',
                'WHERE ' || (to_jsonb(v) ->> 'rowfilter')) AS line
            WHERE l.prpubid = p.oid),
           'WITH (' || nullif(concat_ws(', ',
               CASE WHEN NOT (p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate)
                    THEN 'publish = ' || concat_ws(' ', CASE WHEN p.pubinsert THEN 'insert' END,
                             CASE WHEN p.pubupdate THEN 'update' END, CASE WHEN p.pubdelete THEN 'delete' END,
                             CASE WHEN p.pubtruncate THEN 'truncate' END) END,
               CASE WHEN p.pubviaroot THEN 'publish_via_partition_root' END), '') || ')')
FROM pg_publication AS p
UNION ALL
SELECT type, name, '', 0, '' FROM others
ORDER BY place
