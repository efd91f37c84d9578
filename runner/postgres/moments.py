"""Times that both PostgreSQL and Python know."""

from typing import LiteralString


def known(time: LiteralString) -> LiteralString:
    """A `timestamptz` of a query, or NULL where Python's datetime, in whatever zone the session is, has no such time.

    That is `infinity`, and what comes before the year 1 or behind the year 9999; psycopg fails on it.
    https://www.postgresql.org/docs/current/datatype-datetime.html
    """
    return f"CASE WHEN {time} BETWEEN '0001-01-02 00:00+00' AND '9999-12-30 00:00+00' THEN {time} END"
