CREATE TABLE notes (id int);
CREATE TABEL other (id int);
INSERT INTO notes VALUES (1);
