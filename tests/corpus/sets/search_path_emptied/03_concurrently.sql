SELECT pg_catalog.set_config('search_path', '', false);
CREATE INDEX CONCURRENTLY notes_body ON public.notes (body);
