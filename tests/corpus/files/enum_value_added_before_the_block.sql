ALTER TYPE mood ADD VALUE IF NOT EXISTS 'calm';

BEGIN;
CREATE TABLE notes (id int, feeling mood DEFAULT 'calm');
INSERT INTO notes (id) VALUES (1);
COMMIT;
