CREATE TABLE notes (id int);
SELECT true AS wanted \gset
\if :wanted
DROP TABLE notes;
\endif
SELECT 'DROP TABLE notes' \gexec
