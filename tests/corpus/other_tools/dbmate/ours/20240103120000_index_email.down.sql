-- Migration: Undo "Index email"
-- Origin: 20240103120000_index_email.sql
-- migrate: no-transaction

DROP INDEX CONCURRENTLY users_email;
