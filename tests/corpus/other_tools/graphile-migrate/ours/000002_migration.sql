-- Migration: Migration 000002
-- Origin: 000002.sql
-- migrate: no-transaction

CREATE INDEX CONCURRENTLY users_email ON users (email);
