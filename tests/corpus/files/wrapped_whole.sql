-- Purpose: a transaction around all of it
BEGIN;
CREATE TABLE notes (id int);
INSERT INTO notes VALUES (1);
COMMIT;
-- nothing behind it
