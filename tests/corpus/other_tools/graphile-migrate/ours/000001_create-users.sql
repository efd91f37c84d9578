-- Migration: Create users
-- Origin: 000001.sql

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
