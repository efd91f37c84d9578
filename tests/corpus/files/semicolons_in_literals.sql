CREATE TABLE notes (id int, body text DEFAULT ';', "semi;colon" text);
INSERT INTO notes VALUES (1, 'a;b', ';;'), (2, 'it''s; fine', '');
COMMENT ON COLUMN notes."semi;colon" IS 'one; two';
