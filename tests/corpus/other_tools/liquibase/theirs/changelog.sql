--liquibase formatted sql

--changeset ada:1
--comment Create users
CREATE TABLE users (
    id bigint PRIMARY KEY,
    email text NOT NULL
);
--rollback DROP TABLE users;

--changeset grace:index-email runInTransaction:false
CREATE INDEX CONCURRENTLY users_email ON users (email);
/* liquibase rollback
DROP INDEX CONCURRENTLY users_email;
*/

--changeset ada:2 splitStatements:false dbms:postgresql
CREATE FUNCTION one_more(bigint) RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
    RETURN $1 + 1;
END
$$;
--rollback DROP FUNCTION
--rollback one_more(bigint);

--changeset ada:seed
--validCheckSum: any
INSERT INTO users VALUES (1, 'ada@example.org');
--ignoreLines:start
DROP TABLE users;
--ignoreLines:end
--rollback not required

--changeset ada:oracle dbms:oracle
CREATE TABLE users (id NUMBER(10));
