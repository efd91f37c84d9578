-- Migration: Index email
-- Origin: changelog.sql::index-email::grace
-- migrate: no-transaction

CREATE INDEX CONCURRENTLY users_email ON users (email);
