-- Migration: Index email
-- Origin: 00003_index_email.sql
-- migrate: no-transaction

CREATE INDEX CONCURRENTLY users_email ON users (email);
