create index users_email on public.users (email)
