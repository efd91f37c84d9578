ALTER TABLE people ADD COLUMN mail text DEFAULT 'nobody';
CREATE UNIQUE INDEX CONCURRENTLY people_mail ON people (mail);
DROP TABLE people;
