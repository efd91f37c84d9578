-- Migration: Undo "Create users"
-- Origin: 1700000000000_create-users

DROP TABLE users;
