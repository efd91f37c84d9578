-- Migration: Index email
-- Origin: 1700000200000_index-email

CREATE INDEX users_email ON users (email);
