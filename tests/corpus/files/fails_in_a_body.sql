CREATE TABLE notes (id int);
CREATE FUNCTION broken() RETURNS int LANGUAGE sql AS $$
    SELECT id
    FROM notse;
$$;
