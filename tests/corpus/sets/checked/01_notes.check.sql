SELECT count(*) = 1, 'a;b' FROM notes;
SELECT id > 1
FROM notes;
