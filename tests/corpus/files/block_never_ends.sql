-- migrate: no-transaction
CREATE TABLE notes (id int);
BEGIN;
INSERT INTO notes VALUES (1);
