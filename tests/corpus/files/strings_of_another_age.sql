SET standard_conforming_strings = off;
SET escape_string_warning TO off;
CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, 'it\'s; gone'), (2, 'a\\');
SET standard_conforming_strings = on;
INSERT INTO notes VALUES (3, 'C:\');
