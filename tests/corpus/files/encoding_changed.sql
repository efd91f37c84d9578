CREATE TABLE notes (id int, body text);
SET client_encoding = 'LATIN1';
INSERT INTO notes VALUES (1, 'größer');
