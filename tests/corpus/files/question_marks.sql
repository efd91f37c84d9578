CREATE TABLE notes (id int, body jsonb);
INSERT INTO notes VALUES (1, '{"a": 1}');
DELETE FROM notes WHERE NOT body ? 'a' OR body ?| ARRAY['b', 'c'] OR body ?& ARRAY['a', 'b'];
INSERT INTO notes SELECT 2, body #> '{}' FROM notes WHERE body @? '$.a';
