CREATE TABLE notes (id int);
DO $body$
BEGIN
    NULL;
END $Body$;
