--! Previous: -
--! Hash: sha1:0000000000000000000000000000000000000001
--! Message: Create users

CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
