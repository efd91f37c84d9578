-- migrate:up
INSERT INTO users (id, email) VALUES (1, 'ada@example.org');

-- migrate:down

