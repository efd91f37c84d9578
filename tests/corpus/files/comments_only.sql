-- Migration: nothing yet
/* CREATE TABLE notes (id int); */
-- DROP TABLE notes;
