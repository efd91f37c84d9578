CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, '
-- +goose Down
-- migrate:down
');
