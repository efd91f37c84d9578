-- +goose NO TRANSACTION
-- +goose Up
CREATE INDEX CONCURRENTLY people_name ON people (name);
