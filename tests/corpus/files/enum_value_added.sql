CREATE TABLE notes (id int);
ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm' AFTER 'glad';
ALTER TABLE notes ADD COLUMN feeling mood;
COMMENT ON TYPE mood IS 'has ''calm'' now';
INSERT INTO notes VALUES (1, 'glad');
