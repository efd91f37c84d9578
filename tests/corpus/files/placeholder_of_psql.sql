CREATE TABLE notes (id int);
ALTER TABLE notes OWNER TO :owner;
