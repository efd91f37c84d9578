-- +goose up
-- +goose statementbegin
CREATE FUNCTION touch(bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1 + 1;
END
$$
-- +goose statementend
-- +goose StatementBegin
COMMENT ON FUNCTION touch(bigint) IS 'one more; +goose Down';
-- +goose StatementEnd
CREATE VIEW touched AS SELECT touch(id) AS id FROM users;

-- +goose down
DROP VIEW touched;
DROP FUNCTION touch(bigint);
