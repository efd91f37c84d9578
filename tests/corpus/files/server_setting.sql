ALTER SYSTEM SET log_min_duration_statement = '1h';
SELECT pg_reload_conf();
