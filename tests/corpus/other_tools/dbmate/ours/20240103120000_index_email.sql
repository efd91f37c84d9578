-- Migration: Index email
-- Origin: 20240103120000_index_email.sql
-- migrate: no-transaction

CREATE UNIQUE INDEX CONCURRENTLY users_email ON users (email);
