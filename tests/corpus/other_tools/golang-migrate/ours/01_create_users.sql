-- Migration: Create users
-- Origin: 1_create_users.up.sql

BEGIN;

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);

COMMIT;
