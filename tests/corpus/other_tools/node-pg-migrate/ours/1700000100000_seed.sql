-- Migration: Seed
-- Origin: 1700000100000_seed

INSERT INTO users VALUES (1, 'ada@example.org');
