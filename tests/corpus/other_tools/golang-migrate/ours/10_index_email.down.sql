-- Migration: Undo "Index email"
-- Origin: 10_index_email.up.sql

DROP INDEX CONCURRENTLY users_email;
