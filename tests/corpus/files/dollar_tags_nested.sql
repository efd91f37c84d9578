CREATE TABLE notes (id int, body text);
CREATE FUNCTION outer_one() RETURNS text LANGUAGE plpgsql AS $outer$
DECLARE said text;
BEGIN
    EXECUTE $inner$ SELECT $$a;b$$ || $x$;$$;$x$; $inner$ INTO said;
    RETURN said;
END $outer$;
INSERT INTO notes VALUES (1, outer_one()), (2, $größe$;$größe$), (3, $_1$$$;$_1$);
