SET check_function_bodies = off;
BEGIN;
CREATE TABLE notes (id int);
COMMIT;
INSERT INTO notes VALUES (1);
