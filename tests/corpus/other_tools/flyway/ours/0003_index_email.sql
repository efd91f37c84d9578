-- Migration: Index email
-- Origin: V1_2__index_email.sql
-- migrate: no-transaction

CREATE INDEX CONCURRENTLY users_email ON users (email);
