CREATE TABLE notes (id int);
GRANT SELECT ON notes TO
    no_such_role;
