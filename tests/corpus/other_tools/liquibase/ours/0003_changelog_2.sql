-- Migration: Changelog 2
-- Origin: changelog.sql::2::ada

CREATE FUNCTION one_more(bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1 + 1;
END
$$;
