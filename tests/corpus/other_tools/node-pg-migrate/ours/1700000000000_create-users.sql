-- Migration: Create users
-- Origin: 1700000000000_create-users

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
