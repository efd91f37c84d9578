-- Migration: Seed
-- Origin: changelog.sql::seed::ada

INSERT INTO users VALUES (1, 'ada@example.org');
