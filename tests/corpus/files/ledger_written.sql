INSERT INTO public.schema_migrations (version, name, checksum, status) VALUES ('99', 'x', 'x', 'completed');
