CREATE TABLE people (id int);
ALTER TABLE peopel ADD COLUMN name text;
