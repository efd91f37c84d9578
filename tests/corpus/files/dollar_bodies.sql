CREATE TABLE notes (id int, body text);
CREATE FUNCTION stamp() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.body := NEW.body || '; stamped'; -- don't
    RETURN NEW;
END;
$$;
CREATE TRIGGER stamp BEFORE INSERT ON notes FOR EACH ROW EXECUTE FUNCTION stamp();
CREATE FUNCTION twice(int) RETURNS int LANGUAGE sql AS $body$ SELECT $1 * 2; $body$;
INSERT INTO notes VALUES (twice(21), 'a');
