-- Migration: Undo "Index email"
-- Origin: 00003_index_email.sql
-- migrate: no-transaction

DROP INDEX CONCURRENTLY users_email;
