CREATE TABLE notes (id int);
CREATE TABLE "other (id int);
