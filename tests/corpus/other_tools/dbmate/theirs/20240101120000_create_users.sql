-- Who may log in.

-- migrate:up
CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL,
    note text DEFAULT 'see -- migrate:down'
);

-- migrate:down
DROP TABLE users;
