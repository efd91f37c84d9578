"""Everything that speaks SQL: the only room that imports psycopg."""
