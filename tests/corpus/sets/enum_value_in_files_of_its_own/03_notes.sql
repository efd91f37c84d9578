CREATE TABLE notes (id int, feeling mood DEFAULT 'calm');
INSERT INTO notes (id) VALUES (1);
