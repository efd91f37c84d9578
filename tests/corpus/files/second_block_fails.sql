-- migrate: no-transaction
BEGIN;
CREATE TABLE notes (id int);
COMMIT;
BEGIN;
INSERT INTO notes VALUES (1);
INSERT INTO nots VALUES (2);
COMMIT;
