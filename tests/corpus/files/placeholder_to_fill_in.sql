CREATE TABLE notes (id int);
CREATE TABLE {{ schema }}.other (id int);
