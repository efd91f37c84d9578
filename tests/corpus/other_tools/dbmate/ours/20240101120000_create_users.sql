-- Migration: Create users
-- Origin: 20240101120000_create_users.sql

-- Who may log in.
CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL,
    note text DEFAULT 'see -- migrate:down'
);
