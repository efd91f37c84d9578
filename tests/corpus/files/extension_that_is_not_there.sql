CREATE TABLE notes (id int);
    CREATE EXTENSION IF NOT EXISTS "no-such-extension";
