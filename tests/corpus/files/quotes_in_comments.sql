-- Don't let the apostrophe begin a literal; nor "this, nor $$ that
CREATE TABLE notes (id int, body text); -- it's the author's
/* "half a name, half a $tag$ and 'half a literal */
INSERT INTO notes VALUES (1, 'a'); -- $$
-- $body$ isn't one
INSERT INTO notes VALUES (2, 'b');
