"""Statements with their values: as text, where nothing else can be sent, or prepared, where one is sent often."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import psycopg

from runner.postgres.session import Connection

NAMED = re.compile(rb"%\((\w+)\)s")


def bound(connection: Connection, query: bytes, given: Mapping[str, Any]) -> bytes:
    """The query with the values quoted in it, whatever the session's settings are."""
    return psycopg.ClientCursor(connection).mogrify(query, given).encode()


@dataclass(frozen=True, slots=True)
class Call:
    """The execution of a prepared statement, with the values as text."""

    name: bytes
    values: Sequence[bytes | None] = ()


@dataclass(frozen=True, slots=True)
class Prepared:
    """A statement that the server parses and plans once. It lasts until the end of the session, whatever becomes of the
    transaction.

    https://www.postgresql.org/docs/current/sql-prepare.html
    """

    name: bytes
    sql: bytes  # with $1, $2, …
    parameters: tuple[str, ...] = ()

    def call(self, given: Mapping[str, Any]) -> Call:
        """Its execution with these values, of which it takes what it has a parameter for."""
        values = (given[parameter] for parameter in self.parameters)
        return Call(self.name, [None if value is None else str(value).encode() for value in values])


def prepared(name: bytes, query: bytes) -> Prepared:
    """The query with its %(named)s parameters numbered, each place by itself: the server infers the type of each from
    where it stands, as of a literal.
    """
    numbers = count(1)
    sql = NAMED.sub(lambda _: b"$%d" % next(numbers), query)
    return Prepared(name, sql, tuple(parameter.decode() for parameter in NAMED.findall(query)))
