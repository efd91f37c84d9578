CREATE TABLE notes (id int);
PREPARE TRANSACTION 'notes';
