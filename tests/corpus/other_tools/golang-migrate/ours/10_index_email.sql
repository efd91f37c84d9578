-- Migration: Index email
-- Origin: 10_index_email.up.sql

CREATE INDEX CONCURRENTLY users_email ON users (email);
