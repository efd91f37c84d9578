ALTER TABLE notes ADD COLUMN size int;
