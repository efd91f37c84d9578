CREATE TABLE notes (id int, body text);
COPY notes (id, body) FROM stdin;
1	it's; fine
2	\N
\.

INSERT INTO notes VALUES (3, 'c');
