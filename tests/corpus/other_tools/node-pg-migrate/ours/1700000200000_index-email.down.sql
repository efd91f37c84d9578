-- Migration: Undo "Index email"
-- Origin: 1700000200000_index-email

DROP INDEX users_email;
