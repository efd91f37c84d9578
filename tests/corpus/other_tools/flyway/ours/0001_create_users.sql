-- Migration: Create users
-- Origin: V1__create_users.sql

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
