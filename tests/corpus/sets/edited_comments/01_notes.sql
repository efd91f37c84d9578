-- Copyright of whoever asked for this line
CREATE TABLE notes (
    id int -- the number
);
