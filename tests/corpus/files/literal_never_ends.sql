CREATE TABLE notes (id int, body text);
INSERT INTO notes
VALUES (1, 'it's gone');
INSERT INTO notes VALUES (2, 'b');
