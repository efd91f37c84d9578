CREATE TABLE notes (id int);
SELECT pg_sleep(0.2);
