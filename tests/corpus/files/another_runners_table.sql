CREATE TABLE flyway_schema_history (version text);
DROP TABLE IF EXISTS flyway_schema_history;
