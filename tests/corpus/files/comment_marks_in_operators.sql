CREATE TABLE notes (id int);
INSERT INTO notes SELECT 2*/* a product; */3;
INSERT INTO notes SELECT 1 --2;
+ 6;
INSERT INTO notes SELECT 4- -4;
