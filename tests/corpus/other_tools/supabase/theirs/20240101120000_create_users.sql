create table public.users (
    id bigint primary key,
    email text not null
);
alter table public.users enable row level security;
create policy own on public.users using (email = current_user);
