-- Migration: Undo "Revision ae1027a6acf"
-- Origin: ae1027a6acf

DROP INDEX users_email;

ALTER TABLE users DROP COLUMN status;
