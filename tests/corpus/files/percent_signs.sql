CREATE TABLE notes (id int, body text);
INSERT INTO notes SELECT 17 % 5, '100 %';
INSERT INTO notes SELECT 3, format('%s of %I %% %1$s', 'a', 'B');
DELETE FROM notes WHERE body LIKE '%s' OR body LIKE '%(name)s' OR body ~~ '%b';
