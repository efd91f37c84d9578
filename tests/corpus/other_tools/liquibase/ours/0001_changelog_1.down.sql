-- Migration: Undo "Create users"
-- Origin: changelog.sql::1::ada

DROP TABLE users;
