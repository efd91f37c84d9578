-- All objects of the schema: kind, name, table, definition. With search_path set to pg_catalog, so that everything else
-- is written qualified. %(schema)s, %(tables)s: the ledger's schema and tables, which are left out, as are members of
-- extensions. Columns come in their order.
WITH schemas AS MATERIALIZED (
    SELECT oid, nspname, nspacl, nspowner FROM pg_namespace
    WHERE nspname !~ '^pg_' AND nspname <> 'information_schema'
), members AS MATERIALIZED (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ledger AS MATERIALIZED (
    SELECT c.oid FROM pg_class AS c JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE s.nspname = %(schema)s AND c.relname = ANY (%(tables)s)
), relations AS MATERIALIZED (
    SELECT c.oid, c.relkind, c.relpersistence, c.reloptions, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
           c.relispartition, c.relpartbound, c.relacl, c.relowner, format('%%I.%%I', s.nspname, c.relname) AS name
    FROM pg_class AS c JOIN schemas AS s ON s.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm', 'S', 'c', 'i', 'I')
      AND c.oid NOT IN (SELECT oid FROM ledger)
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_class'::regclass AND objid = c.oid)
), tables AS MATERIALIZED (
    SELECT * FROM relations WHERE relkind IN ('r', 'p', 'f')
), types AS MATERIALIZED (
    SELECT t.oid, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull, t.typdefault, t.typrelid, t.typacl, t.typowner,
           t.typcollation, format('%%I.%%I', s.nspname, t.typname) AS name
    FROM pg_type AS t JOIN schemas AS s ON s.oid = t.typnamespace
    WHERE (t.typtype IN ('e', 'd', 'r')
           OR t.typtype = 'c' AND EXISTS (SELECT FROM relations WHERE relations.oid = t.typrelid AND relkind = 'c'))
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_type'::regclass AND objid = t.oid)
), functions AS MATERIALIZED (
    SELECT p.oid, p.prokind, p.proacl, p.proowner,
           format('%%I.%%I(%%s)', s.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc AS p JOIN schemas AS s ON s.oid = p.pronamespace
    WHERE NOT (s.nspname = %(schema)s AND p.proname = 'get_migration_status' AND p.pronargs = 0)
      AND NOT EXISTS (SELECT FROM members WHERE classid = 'pg_proc'::regclass AND objid = p.oid)
      AND NOT EXISTS (  -- of a range type, which brings its own
          SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass AND objid = p.oid AND deptype = 'i')
), rights AS MATERIALIZED (
    SELECT CASE relkind WHEN 'S' THEN 'sequence ' ELSE 'table ' END || name AS on_what, name AS of_table, relacl AS acl,
           acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) AS usual, relowner AS owner
    FROM relations WHERE relacl IS NOT NULL
    UNION ALL
    SELECT format('column %%I of ', a.attname) || name, name, a.attacl, acldefault('c', relowner), relowner
    FROM relations JOIN pg_attribute AS a ON a.attrelid = relations.oid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT format('schema %%I', nspname), '', nspacl, acldefault('n', nspowner), nspowner
    FROM schemas WHERE nspacl IS NOT NULL
    UNION ALL
    SELECT 'function ' || name, '', proacl, acldefault('f', proowner), proowner FROM functions WHERE proacl IS NOT NULL
    UNION ALL
    SELECT 'type ' || name, '', typacl, acldefault('T', typowner), typowner FROM types WHERE typacl IS NOT NULL
), granted AS (
    SELECT on_what, of_table, grantee, privilege_type, is_grantable
    FROM rights, aclexplode(acl) WHERE grantee <> owner
    EXCEPT
    SELECT on_what, of_table, grantee, privilege_type, is_grantable
    FROM rights, aclexplode(usual) WHERE grantee <> owner
), revoked AS (
    SELECT on_what, of_table, grantee, privilege_type FROM rights, aclexplode(usual) WHERE grantee <> owner
    EXCEPT
    SELECT on_what, of_table, grantee, privilege_type FROM rights, aclexplode(acl) WHERE grantee <> owner
), by_default AS (
    SELECT d.defaclrole, d.defaclnamespace, d.defaclobjtype, grantee, privilege_type, is_grantable
    FROM pg_default_acl AS d, aclexplode(d.defaclacl)
    WHERE grantee <> d.defaclrole
)
SELECT 'schema' AS kind, format('%%I', nspname) AS name, '' AS of_table, 0 AS place, '' AS text
FROM schemas AS s
WHERE NOT EXISTS (SELECT FROM members WHERE classid = 'pg_namespace'::regclass AND objid = s.oid)
  AND (nspname <> %(schema)s OR nspname = 'public' OR EXISTS (
      SELECT FROM pg_class WHERE relnamespace = s.oid AND relkind IN ('r', 'p', 'v', 'm', 'f')
      AND pg_class.oid NOT IN (SELECT oid FROM ledger)))
UNION ALL
SELECT 'extension', format('%%I', extname), '', 0, extversion FROM pg_extension
UNION ALL
SELECT CASE relkind WHEN 'f' THEN 'foreign table' ELSE 'table' END, name, '', 0,
       concat_ws(E'\n',
           CASE relpersistence WHEN 'u' THEN 'UNLOGGED' END,
           CASE WHEN relkind = 'p' THEN 'PARTITION BY ' || pg_get_partkeydef(t.oid) END,
           CASE WHEN relispartition THEN 'PARTITION OF ' || (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = t.oid)
                || ' ' || pg_get_expr(relpartbound, t.oid)
                ELSE (SELECT 'INHERITS (' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno) || ')'
                      FROM pg_inherits WHERE inhrelid = t.oid) END,
           (SELECT 'SERVER ' || quote_ident(srvname)
                || CASE WHEN ftoptions IS NOT NULL THEN ' OPTIONS (' || array_to_string(ftoptions, ', ') || ')' ELSE '' END
            FROM pg_foreign_table JOIN pg_foreign_server AS v ON v.oid = ftserver WHERE ftrelid = t.oid),
           'WITH (' || array_to_string(reloptions, ', ') || ')',
           CASE WHEN relrowsecurity THEN 'ROW LEVEL SECURITY' END,
           CASE WHEN relforcerowsecurity THEN 'FORCE ROW LEVEL SECURITY' END,
           CASE relreplident WHEN 'f' THEN 'REPLICA IDENTITY FULL' WHEN 'n' THEN 'REPLICA IDENTITY NOTHING'
                WHEN 'i' THEN 'REPLICA IDENTITY USING INDEX '
                    || (SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = t.oid AND indisreplident) END)
FROM tables AS t
UNION ALL
SELECT 'column', format('%%I', a.attname), t.name, a.attnum,
       concat_ws(' ', format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> y.typcollation
                THEN 'COLLATE ' || (SELECT oid::regcollation::text FROM pg_collation WHERE oid = a.attcollation) END,
           CASE WHEN a.attnotnull THEN 'NOT NULL' END,
           CASE a.attidentity WHEN 'a' THEN 'GENERATED ALWAYS AS IDENTITY'
                WHEN 'd' THEN 'GENERATED BY DEFAULT AS IDENTITY' END,
           CASE a.attgenerated WHEN 's' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') STORED'
                WHEN 'v' THEN 'GENERATED ALWAYS AS (' || pg_get_expr(d.adbin, d.adrelid) || ') VIRTUAL'
                ELSE 'DEFAULT ' || pg_get_expr(d.adbin, d.adrelid) END)
FROM tables AS t
JOIN pg_attribute AS a ON a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type AS y ON y.oid = a.atttypid
LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
UNION ALL
SELECT 'constraint', format('%%I', conname), t.name, 0, pg_get_constraintdef(c.oid)
FROM tables AS t JOIN pg_constraint AS c ON c.conrelid = t.oid
WHERE contype IN ('p', 'u', 'x', 'c', 'f') AND conislocal AND conparentid = 0
UNION ALL
SELECT 'index', x.name, t.name, 0,
       pg_get_indexdef(i.indexrelid) || CASE WHEN i.indisvalid THEN '' ELSE ' INVALID' END
FROM pg_index AS i
JOIN relations AS t ON t.oid = i.indrelid
JOIN relations AS x ON x.oid = i.indexrelid
WHERE NOT x.relispartition
  AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid AND contype IN ('p', 'u', 'x'))
UNION ALL
SELECT CASE relkind WHEN 'm' THEN 'materialized view' ELSE 'view' END, name, '', 0,
       concat_ws(E'\n', 'WITH (' || array_to_string(reloptions, ', ') || ')', pg_get_viewdef(v.oid))
FROM relations AS v WHERE relkind IN ('v', 'm')
UNION ALL
SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, name, '', 0,
       CASE WHEN prokind = 'a'
            THEN (SELECT format('RETURNS %%s SFUNC %%s STYPE %%s', pg_get_function_result(f.oid), aggtransfn::regproc,
                                format_type(aggtranstype, NULL)) FROM pg_aggregate WHERE aggfnoid = f.oid)
            ELSE rtrim(pg_get_functiondef(f.oid), E'\n') END
FROM functions AS f
UNION ALL
SELECT 'trigger', format('%%I', tgname), t.name, 0,
       pg_get_triggerdef(g.oid)
       || CASE tgenabled WHEN 'D' THEN ' DISABLED' WHEN 'R' THEN ' ENABLED ON REPLICA' WHEN 'A' THEN ' ENABLED ALWAYS'
          ELSE '' END
FROM pg_trigger AS g JOIN relations AS t ON t.oid = g.tgrelid
WHERE NOT tgisinternal AND tgparentid = 0
UNION ALL
SELECT 'rule', format('%%I', rulename), t.name, 0, pg_get_ruledef(r.oid)
FROM pg_rewrite AS r JOIN relations AS t ON t.oid = r.ev_class WHERE rulename <> '_RETURN'
UNION ALL
SELECT 'policy', format('%%I', polname), t.name, 0,
       concat_ws(' ', CASE WHEN polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
           CASE polcmd WHEN 'r' THEN 'FOR SELECT' WHEN 'a' THEN 'FOR INSERT' WHEN 'w' THEN 'FOR UPDATE'
                WHEN 'd' THEN 'FOR DELETE' ELSE 'FOR ALL' END,
           'TO ' || (SELECT string_agg(CASE role WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(role)) END, ', '
                                       ORDER BY pg_get_userbyid(role)) FROM unnest(polroles) AS role),
           'USING (' || pg_get_expr(polqual, polrelid) || ')', 'WITH CHECK (' || pg_get_expr(polwithcheck, polrelid) || ')')
FROM pg_policy AS p JOIN relations AS t ON t.oid = p.polrelid
UNION ALL
SELECT CASE typtype WHEN 'e' THEN 'enum' WHEN 'd' THEN 'domain' WHEN 'r' THEN 'range type' ELSE 'composite type' END,
       name, '', 0,
       CASE typtype
       WHEN 'e' THEN (SELECT string_agg(quote_literal(enumlabel), E'\n' ORDER BY enumsortorder)
                      FROM pg_enum WHERE enumtypid = t.oid)
       WHEN 'd' THEN concat_ws(E'\n',
           concat_ws(' ', format_type(typbasetype, typtypmod), CASE WHEN typnotnull THEN 'NOT NULL' END,
                     'DEFAULT ' || typdefault),
           (SELECT string_agg(format('CONSTRAINT %%I %%s', conname, pg_get_constraintdef(c.oid)), E'\n' ORDER BY conname)
            FROM pg_constraint AS c WHERE contypid = t.oid AND contype = 'c'))
       WHEN 'r' THEN (SELECT 'OF ' || format_type(rngsubtype, NULL) FROM pg_range WHERE rngtypid = t.oid)
       ELSE (SELECT string_agg(format('%%I %%s', attname, format_type(atttypid, atttypmod)), E'\n' ORDER BY attnum)
             FROM pg_attribute WHERE attrelid = typrelid AND attnum > 0 AND NOT attisdropped) END
FROM types AS t
UNION ALL
SELECT 'sequence', r.name, coalesce(owner.name, ''), 0,
       format('%%s INCREMENT %%s MINVALUE %%s MAXVALUE %%s START %%s CACHE %%s%%s', format_type(seqtypid, NULL), seqincrement,
              seqmin, seqmax, seqstart, seqcache, CASE WHEN seqcycle THEN ' CYCLE' ELSE '' END)
       || CASE WHEN owner.name IS NULL THEN '' ELSE format(E'\nOWNED BY %%s.%%I', owner.name, owner.attname) END
FROM relations AS r JOIN pg_sequence ON seqrelid = r.oid
LEFT JOIN LATERAL (
    SELECT t.name, a.attname, d.deptype
    FROM pg_depend AS d
    JOIN relations AS t ON t.oid = d.refobjid
    JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
    WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
      AND d.deptype IN ('a', 'i')
    LIMIT 1
) AS owner ON true
WHERE coalesce(owner.deptype, 'a') <> 'i'  -- that of an identity column is a part of it
UNION ALL
SELECT 'grant', 'on ' || on_what || ' to ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       of_table, 0,
       string_agg(privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END, ', ' ORDER BY privilege_type)
FROM granted GROUP BY on_what, of_table, grantee
UNION ALL
SELECT 'revoke', 'on ' || on_what || ' from ' || CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END,
       of_table, 0, string_agg(privilege_type, ', ' ORDER BY privilege_type)
FROM revoked GROUP BY on_what, of_table, grantee
UNION ALL
SELECT 'default privileges',
       format('of %%I%%s', pg_get_userbyid(defaclrole),
              (SELECT format(' in %%I', nspname) FROM pg_namespace WHERE oid = defaclnamespace)), '', 0,
       string_agg(format('%%s ON %%s TO %%s', privilege_type || CASE WHEN is_grantable THEN ' WITH GRANT OPTION' ELSE '' END,
                         CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'FUNCTIONS'
                              WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE defaclobjtype::text END,
                         CASE grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(grantee)) END),
                  E'\n' ORDER BY defaclobjtype, pg_get_userbyid(grantee), privilege_type)
FROM by_default GROUP BY defaclrole, defaclnamespace
UNION ALL
SELECT 'comment', 'on ' || o.type || ' ' || o.identity, coalesce(r.name, ''), 0, quote_literal(d.description)
FROM pg_description AS d
LEFT JOIN relations AS r ON d.classoid = 'pg_class'::regclass AND r.oid = d.objoid
CROSS JOIN LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) AS o
WHERE d.objoid >= 16384 AND d.classoid <> 'pg_extension'::regclass
  AND (d.classoid <> 'pg_class'::regclass OR r.oid IS NOT NULL)
  AND NOT EXISTS (SELECT FROM members WHERE classid = d.classoid AND objid = d.objoid)
UNION ALL
SELECT 'event trigger', format('%%I', evtname), '', 0,
       format('ON %%s%%s EXECUTE FUNCTION %%s%%s', evtevent, coalesce(' WHEN TAG IN (' || array_to_string(evttags, ', ') || ')', ''),
              evtfoid::regproc, CASE evtenabled WHEN 'D' THEN ' DISABLED' ELSE '' END)
FROM pg_event_trigger
WHERE NOT EXISTS (SELECT FROM members WHERE classid = 'pg_event_trigger'::regclass AND objid = pg_event_trigger.oid)
UNION ALL
SELECT 'publication', format('%%I', pubname), '', 0,
       CASE WHEN puballtables THEN 'ALL TABLES' ELSE coalesce((
           SELECT string_agg(prrelid::regclass::text, E'\n' ORDER BY prrelid::regclass::text)
           FROM pg_publication_rel WHERE prpubid = p.oid), '') END
FROM pg_publication AS p
ORDER BY 3, 4, 1, 2
