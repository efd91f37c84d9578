CREATE TABLE notes (id int);
DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM notes) THEN
        INSERT INTO notes VALUES (1);
    END IF;
END
$$;
DO LANGUAGE plpgsql 'BEGIN INSERT INTO notes VALUES (2); END';
DO $do$ BEGIN EXECUTE $sql$ INSERT INTO notes VALUES (3); $sql$; END; $do$
;
