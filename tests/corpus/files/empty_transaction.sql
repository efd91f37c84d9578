BEGIN;
-- nothing
COMMIT;
