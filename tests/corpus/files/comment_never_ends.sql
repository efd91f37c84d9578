CREATE TABLE notes (id int);
/* the author /* nested one */ and closed that alone
INSERT INTO notes VALUES (1);
