-- Migration: Undo "Index email"
-- Origin: changelog.sql::index-email::grace

DROP INDEX CONCURRENTLY users_email;
