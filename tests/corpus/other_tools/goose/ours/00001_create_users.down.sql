-- Migration: Undo "Create users"
-- Origin: 00001_create_users.sql

DROP TABLE users;
