-- Migration: Undo "Create users"
-- Origin: 20240101120000_create_users.sql

DROP TABLE users;
