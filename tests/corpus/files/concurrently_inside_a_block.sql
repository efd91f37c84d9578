BEGIN;
ALTER TABLE people ADD COLUMN mail text;
  CREATE INDEX CONCURRENTLY people_mail ON people (mail);
COMMIT;
