CREATE TABLE notes (id int);
CREATE TABLE old_notes (id int);
CREATE RULE keep AS ON DELETE TO notes DO ALSO (
    INSERT INTO old_notes VALUES (OLD.id);
    UPDATE old_notes SET id = CASE WHEN id > 9 THEN 9 ELSE id END;
);
INSERT INTO notes VALUES (10);
DELETE FROM notes;
