CREATE TABLE notes (id int);
DROP TABLE IF EXISTS notes, "schema_migrations" CASCADE;
