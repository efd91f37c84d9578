-- Migration: Index email
-- Origin: 20240102120000_index_email

-- CreateIndex
CREATE UNIQUE INDEX "User_email_key" ON "User"("email");
