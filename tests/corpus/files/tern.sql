CREATE TABLE notes (id int);
---- create above / drop below ----
DROP TABLE notes;
