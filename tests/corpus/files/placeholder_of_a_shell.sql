CREATE TABLE notes (id int);
GRANT SELECT ON notes
   TO ${APP_ROLE};
