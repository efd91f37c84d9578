-- migrate: no-transactions
CREATE TABLE notes (id int);
