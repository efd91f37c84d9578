CREATE TABLE notes (id int);
GRANT ALL ON notes TO nobody;
SET ROLE nobody;
INSERT INTO notes VALUES (1);
