-- migrate: no-transaction
CREATE TABLE notes (id int);
COMMIT;
CREATE INDEX CONCURRENTLY notes_id ON notes (id);
