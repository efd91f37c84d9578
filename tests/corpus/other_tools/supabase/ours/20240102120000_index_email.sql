-- Migration: Index email
-- Origin: 20240102120000_index_email.sql

create index users_email on public.users (email)
