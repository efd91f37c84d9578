-- Migration: Touch
-- Origin: 00002_touch.sql

CREATE FUNCTION touch(bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1 + 1;
END
$$
;
COMMENT ON FUNCTION touch(bigint) IS 'one more; +goose Down';
CREATE VIEW touched AS SELECT touch(id) AS id FROM users;
