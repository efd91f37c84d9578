start transaction;
CREATE TABLE notes (id int);
end transaction;
