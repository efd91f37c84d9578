CREATE TABLE public.schema_migrations (version bigint PRIMARY KEY);
INSERT INTO public.schema_migrations VALUES (1);
