CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, E'it\'s; fine'), (2, e'\\'), (3, E'a\nb''c\\''; ');
INSERT INTO notes VALUES (4, E'one\''
    '\'two;');
INSERT INTO notes (body, id) VALUES ('E', 5), (E'\u00e9\x41\101;', 6);
