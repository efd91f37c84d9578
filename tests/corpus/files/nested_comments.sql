/* outer /* inner; */ still outer; ' */
CREATE TABLE notes (id int /* a /* b /* c */ ; */ ' */);
/**//*//**/*/ INSERT INTO notes VALUES (1 /* -- */ + 1);
