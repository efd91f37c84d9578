BEGIN;
ALTER TYPE mood ADD VALUE 'calm';
CREATE TABLE notes (id int, feeling mood DEFAULT 'calm');
COMMIT;
