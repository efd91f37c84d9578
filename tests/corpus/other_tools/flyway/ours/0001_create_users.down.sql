-- Migration: Undo "Create users"
-- Origin: V1__create_users.sql

DROP TABLE users CASCADE;
