-- Migration: Undo "Create users"
-- Origin: 1_create_users.up.sql

DROP TABLE users;
