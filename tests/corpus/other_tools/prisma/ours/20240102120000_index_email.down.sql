-- Migration: Undo "Index email"
-- Origin: 20240102120000_index_email

-- DropIndex
DROP INDEX "User_email_key";
