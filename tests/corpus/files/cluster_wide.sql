CREATE ROLE corpus_reader NOLOGIN;
ALTER ROLE corpus_reader SET search_path TO app, public;
COMMENT ON ROLE corpus_reader IS 'reads; nothing else';
CREATE TABLE notes (id int);
GRANT SELECT ON notes TO corpus_reader;
DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''8MB''', current_database()); END $$;
