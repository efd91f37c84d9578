\restrict abc
CREATE TABLE public.notes (id int);
\unrestrict abc
