CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, 'C:\'), (2, '\''; '), (3, '\\server\share');
INSERT INTO notes VALUES (4, 'a\nb'), (5, U&'d\0061t\+000061');
