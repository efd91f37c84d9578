"""Statements with their values in them, for where nothing but text can be sent."""

from collections.abc import Mapping
from typing import Any

import psycopg

from runner.postgres.session import Connection


def bound(connection: Connection, query: bytes, given: Mapping[str, Any]) -> bytes:
    """The query with the values quoted in it, whatever the session's settings are."""
    return psycopg.ClientCursor(connection).mogrify(query, given).encode()
