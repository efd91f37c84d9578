CREATE TABLE notes (id int);
ALTER TABLE ONLY migration_history
    ADD COLUMN note text;
TRUNCATE notes, migration_runs;
