-- +migrate Up
CREATE TABLE notes (id int);
-- +migrate Down
DROP TABLE notes;
