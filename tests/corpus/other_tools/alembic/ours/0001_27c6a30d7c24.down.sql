-- Migration: Undo "Revision 27c6a30d7c24"
-- Origin: 27c6a30d7c24

DROP TABLE users;
