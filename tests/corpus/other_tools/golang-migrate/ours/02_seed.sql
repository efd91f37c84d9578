-- Migration: Seed
-- Origin: 2_seed.up.sql

INSERT INTO users VALUES (1, 'ada@example.org');
