-- Migration: Revision ae1027a6acf
-- Origin: ae1027a6acf
-- migrate: no-transaction

ALTER TABLE users ADD COLUMN status TEXT;

CREATE INDEX CONCURRENTLY users_email ON users (email);

COMMENT ON COLUMN users.status IS 'BEGIN; COMMIT';
