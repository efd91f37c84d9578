--migrate:up
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    -- not at the beginning of the line: -- migrate:down
    NEW.note := 'touched; twice';
    RETURN NEW;
END
$$;
CREATE TRIGGER touched BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();

--migrate:down
DROP TRIGGER touched ON users;
DROP FUNCTION touch();
