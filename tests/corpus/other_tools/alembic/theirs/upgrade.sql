BEGIN;

CREATE TABLE alembic_version (
    version_num VARCHAR(32) NOT NULL, 
    CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);

-- Running upgrade  -> 27c6a30d7c24

CREATE TABLE users (
    id BIGINT NOT NULL, 
    email TEXT NOT NULL, 
    PRIMARY KEY (id)
);

INSERT INTO alembic_version (version_num) VALUES ('27c6a30d7c24') RETURNING alembic_version.version_num;

-- Running upgrade 27c6a30d7c24 -> ae1027a6acf

ALTER TABLE users ADD COLUMN status TEXT;

COMMIT;

CREATE INDEX CONCURRENTLY users_email ON users (email);

BEGIN;

COMMENT ON COLUMN users.status IS 'BEGIN; COMMIT';

UPDATE alembic_version SET version_num='ae1027a6acf' WHERE alembic_version.version_num = '27c6a30d7c24';

-- Running upgrade ae1027a6acf -> b1946ac92492

COMMIT;

CREATE INDEX CONCURRENTLY users_status ON users (status);

BEGIN;

UPDATE alembic_version SET version_num='b1946ac92492' WHERE alembic_version.version_num = 'ae1027a6acf';

COMMIT;

