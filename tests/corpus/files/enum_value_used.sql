CREATE TABLE notes (id int, feeling mood);
ALTER TYPE mood ADD VALUE 'calm';
INSERT INTO notes VALUES (1, 'calm');
