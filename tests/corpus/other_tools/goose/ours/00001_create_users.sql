-- Migration: Create users
-- Origin: 00001_create_users.sql

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
