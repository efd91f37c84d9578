-- Migration: Create users
-- Origin: changelog.sql::1::ada

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
