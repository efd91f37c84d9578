CREATE EXTENSION IF NOT EXISTS plpgsql;
CREATE TABLE notes (id int);
COMMENT ON EXTENSION plpgsql IS 'the usual; one';
