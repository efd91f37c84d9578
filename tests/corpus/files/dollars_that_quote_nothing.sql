CREATE TABLE price$list (id$ int, body text);
PREPARE fill (int, text) AS INSERT INTO price$list VALUES ($1, $2);
EXECUTE fill (1, '$');
INSERT INTO price$list VALUES (2, '$$');
INSERT INTO price$list (body, id$) VALUES ('$a$', 3);
