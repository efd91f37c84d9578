-- migrate: no-transaction
CREATE TABLE notes (id int);
DO $$
BEGIN
    INSERT INTO notes VALUES (1);
    COMMIT;
END $$;
