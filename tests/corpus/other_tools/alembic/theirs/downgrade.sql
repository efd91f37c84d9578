BEGIN;

-- Running downgrade b1946ac92492 -> ae1027a6acf

COMMIT;

DROP INDEX CONCURRENTLY users_status;

BEGIN;

UPDATE alembic_version SET version_num='ae1027a6acf' WHERE alembic_version.version_num = 'b1946ac92492';

-- Running downgrade ae1027a6acf -> 27c6a30d7c24

DROP INDEX users_email;

ALTER TABLE users DROP COLUMN status;

UPDATE alembic_version SET version_num='27c6a30d7c24' WHERE alembic_version.version_num = 'ae1027a6acf';

-- Running downgrade 27c6a30d7c24 -> 

DROP TABLE users;

DELETE FROM alembic_version WHERE alembic_version.version_num = '27c6a30d7c24';

COMMIT;

