CREATE TABLE notes (id int, body text);
INSERT INTO notes VALUES (1, 'first;

  -- third
/* fourth'), (2, 'a'
    'b;'
  'c');
INSERT INTO notes VALUES (3, 'd');
