CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, '-- no comment'), (2, '/* neither'), (3, '*/');
INSERT INTO notes VALUES (4, 'a' || '--' || 'b');
CREATE VIEW "-- odd /* name" AS SELECT 1 AS "--";
