-- Migration: Undo "Touch"
-- Origin: 00002_touch.sql

DROP VIEW touched;
DROP FUNCTION touch(bigint);
