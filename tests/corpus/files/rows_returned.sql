CREATE TABLE notes (id int);
CREATE FUNCTION seed(int) RETURNS SETOF int LANGUAGE sql AS 'INSERT INTO notes SELECT generate_series(1, $1) RETURNING id';
SELECT seed(500);
SELECT pg_catalog.set_config('work_mem', '8MB', false);
VALUES (1), (2);
TABLE notes;
SHOW work_mem;
EXPLAIN SELECT * FROM notes;
INSERT INTO notes VALUES (501) RETURNING id, id::text;
