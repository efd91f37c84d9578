-- Migration: Migration state tracking
-- Purpose: Records which migrations this database has, what happened to each, and in which run.
--
-- The ledger. Applied by the runner with search_path set to the tracking schema alone, and safe to run again: on a
-- ledger of an earlier shape it adds what is missing and takes nothing away. PostgreSQL 14 and later.

CREATE TABLE IF NOT EXISTS schema_migrations (
    version           TEXT PRIMARY KEY,
    name              TEXT NOT NULL,
    applied_at        TIMESTAMPTZ DEFAULT now(),
    checksum          TEXT NOT NULL,
    execution_time_ms INTEGER,
    status            TEXT NOT NULL,
    error_message     TEXT,
    applied_by        TEXT
);

CREATE TABLE IF NOT EXISTS migration_history (
    id                UUID PRIMARY KEY DEFAULT gen_random_uuid(),
    version           TEXT NOT NULL,
    action            TEXT NOT NULL,
    executed_at       TIMESTAMPTZ DEFAULT now(),
    execution_time_ms INTEGER,
    status            TEXT NOT NULL,
    error_message     TEXT,
    executed_by       TEXT,
    environment       TEXT
);

CREATE TABLE IF NOT EXISTS migration_runs (
    run_id           UUID PRIMARY KEY,
    command          TEXT NOT NULL,
    environment      TEXT NOT NULL,
    actor            TEXT,
    triggering_actor TEXT,
    repository       TEXT,
    ref              TEXT,
    sha              TEXT,
    run_url          TEXT,
    run_attempt      INTEGER,
    plan_digest      TEXT,
    runner_version   TEXT,
    server_version   TEXT,
    restore_point    TEXT,
    wal_start        PG_LSN,
    wal_end          PG_LSN,
    started_at       TIMESTAMPTZ NOT NULL DEFAULT now(),
    finished_at      TIMESTAMPTZ,
    outcome          TEXT
);

-- One row: the environment that this database belongs to, written by its first run.
CREATE TABLE IF NOT EXISTS migration_environment (
    only_row    BOOLEAN PRIMARY KEY DEFAULT true CHECK (only_row),
    environment TEXT NOT NULL,
    recorded_at TIMESTAMPTZ NOT NULL DEFAULT now()
);

ALTER TABLE schema_migrations
    ADD COLUMN IF NOT EXISTS sql_digest       TEXT,
    ADD COLUMN IF NOT EXISTS transactional    BOOLEAN,
    ADD COLUMN IF NOT EXISTS statements_total INTEGER,
    ADD COLUMN IF NOT EXISTS statements_done  INTEGER,
    ADD COLUMN IF NOT EXISTS body             TEXT,
    ADD COLUMN IF NOT EXISTS down_body        TEXT,
    ADD COLUMN IF NOT EXISTS run_id           UUID;

-- The down file: which one it was when the migration was applied, and how far it has come outside of a transaction.
ALTER TABLE schema_migrations
    ADD COLUMN IF NOT EXISTS down_checksum     TEXT,
    ADD COLUMN IF NOT EXISTS undoing           TEXT,
    ADD COLUMN IF NOT EXISTS statements_undone INTEGER;

ALTER TABLE migration_history
    ADD COLUMN IF NOT EXISTS run_id UUID,
    ADD COLUMN IF NOT EXISTS note   TEXT;

-- What a run left: a fingerprint of the schema, and of the last run the schema itself, for telling what drifted since.
ALTER TABLE migration_runs
    ADD COLUMN IF NOT EXISTS schema_fingerprint TEXT,
    ADD COLUMN IF NOT EXISTS schema_snapshot    TEXT;

CREATE INDEX IF NOT EXISTS migration_history_version_idx ON migration_history (version, executed_at DESC);

-- A view or a function of these names with other columns is somebody's own work and stays as it is.
DO $ledger$
BEGIN
    CREATE OR REPLACE VIEW migration_status_view AS
    SELECT m.version, m.name, m.status, m.applied_at, m.execution_time_ms, m.error_message, m.applied_by,
           h.action AS last_action, h.status AS last_action_status, h.executed_at AS last_action_at,
           h.executed_by AS last_action_by, h.environment
    FROM schema_migrations AS m
    LEFT JOIN LATERAL (
        SELECT * FROM migration_history WHERE migration_history.version = m.version ORDER BY executed_at DESC LIMIT 1
    ) AS h ON true
    ORDER BY length(ltrim(m.version, '0')), ltrim(m.version, '0');
EXCEPTION WHEN invalid_table_definition OR wrong_object_type THEN
    RAISE NOTICE 'migration_status_view is left as it was';
END
$ledger$;

DO $ledger$
BEGIN
    CREATE OR REPLACE FUNCTION get_migration_status()
    RETURNS TABLE (total BIGINT, completed BIGINT, pending BIGINT, running BIGINT, failed BIGINT,
                   last_version TEXT, last_applied_at TIMESTAMPTZ, environment TEXT)
    LANGUAGE sql STABLE
    BEGIN ATOMIC
        SELECT count(*),
               count(*) FILTER (WHERE m.status = 'completed'),
               count(*) FILTER (WHERE m.status = 'pending'),
               count(*) FILTER (WHERE m.status = 'running'),
               count(*) FILTER (WHERE m.status = 'failed'),
               (array_agg(m.version ORDER BY length(ltrim(m.version, '0')) DESC, ltrim(m.version, '0') DESC)
                    FILTER (WHERE m.status = 'completed'))[1],
               max(m.applied_at) FILTER (WHERE m.status = 'completed'),
               (SELECT e.environment FROM migration_environment AS e)
        FROM schema_migrations AS m;
    END;
EXCEPTION WHEN invalid_function_definition THEN
    RAISE NOTICE 'get_migration_status() is left as it was';
END
$ledger$;

COMMENT ON TABLE schema_migrations IS 'The migrations of this database and the state of each (db-migrate).';
COMMENT ON TABLE migration_history IS 'Everything that was ever done with each migration (db-migrate).';
COMMENT ON TABLE migration_runs IS 'Who ran what from where, and how it ended (db-migrate).';
COMMENT ON TABLE migration_environment IS 'The environment this database belongs to (db-migrate).';
