-- Migration: New users
-- Origin: R__new_users.sql

CREATE OR REPLACE VIEW new_users AS SELECT id, email FROM users WHERE status = 'new';
