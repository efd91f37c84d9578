-- Migration: Undo "Touch"
-- Origin: 20240102120000_touch.sql

DROP TRIGGER touched ON users;
DROP FUNCTION touch();
