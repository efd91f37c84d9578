-- Migration: No way back
-- Origin: 20240104120000_no_way_back.sql

INSERT INTO users (id, email) VALUES (1, 'ada@example.org');
