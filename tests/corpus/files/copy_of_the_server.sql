CREATE TABLE notes (id int, body text);
COPY notes (body) FROM PROGRAM 'echo "a;b"';
