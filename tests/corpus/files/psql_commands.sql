\set ON_ERROR_STOP on
CREATE TABLE notes (id int);
  \connect other
INSERT INTO notes VALUES (1);
