-- Up Migration
CREATE TABLE notes (id int);
-- Down Migration
DROP TABLE notes;
