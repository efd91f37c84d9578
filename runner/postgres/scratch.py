"""A database for trying things in, gone afterwards: on the server that we carry, or beside an empty one of a user's."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psycopg
from psycopg import conninfo, sql

from runner.core.database_url import DatabaseUrl, shown
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.embedded import embedded_server
from runner.postgres.session import Connection, connect, usable

APPLICATION = "db-migrate check"
OBJECTS = """
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
    LIMIT 1"""
EXTENSIONS = "SELECT name FROM pg_available_extensions WHERE name = ANY (%s)"
MISSING_ROLES = """
    SELECT name FROM unnest(%s::text[]) AS wanted (name) WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A database in which anything may be done."""

    url: DatabaseUrl = field(repr=False)
    server: str  # "PostgreSQL 18.1, embedded"
    ours: bool  # the whole server is a throw-away one
    programs: Path | None  # where its pg_dump is

    def connect(self, part: str) -> Connection:
        """Open a connection to it."""
        return connect(self.url, application_name=f"{APPLICATION} {part}")

    def lacks(self, extensions: Collection[str]) -> set[str]:
        """The extensions that its server cannot install."""
        with self.connect("scratch") as connection, usable(connection):
            there = connection.execute(EXTENSIONS, [list(extensions)]).fetchall()
        return set(extensions) - {name for (name,) in there}

    def make_roles(self, names: Collection[str]) -> list[str]:
        """Make the roles that are not there; on a server of ours only."""
        with self.connect("scratch") as connection, usable(connection):
            missing = [name for (name,) in connection.execute(MISSING_ROLES, [sorted(names)]).fetchall()]
            for name in missing:
                connection.execute(sql.SQL("CREATE ROLE {}").format(sql.Identifier(name)))
        return missing


@contextmanager
def scratch_server(url: DatabaseUrl) -> Iterator[Callable[[str], AbstractContextManager[Scratch]]]:
    """A server while the block runs; gives what makes a database of a name on it, gone with its own block.

    Raises DatabaseUnusable when the URL names a database that somebody uses.
    """
    if url.embedded:
        with embedded_server() as server:

            @contextmanager
            def embedded(name: str) -> Iterator[Scratch]:
                database = server.create_database(name)
                yield Scratch(
                    url=database, server=f"{_version(database)}, embedded", ours=True, programs=server.programs
                )

            yield embedded
    else:
        with connect(url, application_name=APPLICATION) as connection, usable(connection):
            used = connection.execute(OBJECTS).fetchone()
        if used:
            raise DatabaseUnusable(
                Finding(
                    f"{shown(url)} is in use: it has {used[0]}",
                    hint="the files are executed there: name an empty one that nobody needs, or none at all",
                )
            )
        yield lambda name: _beside(url, name)


@contextmanager
def _beside(url: DatabaseUrl, name: str) -> Iterator[Scratch]:
    """A database of ours on the same server; the one that the URL names where the role may make none."""
    with connect(url, application_name=APPLICATION) as connection:
        try:
            connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        except psycopg.errors.InsufficientPrivilege:
            yield Scratch(url=url, server=_version(url), ours=False, programs=None)
            return
        except psycopg.Error as error:
            said = error.diag.message_primary or "the connection was lost"
            raise DatabaseUnusable(Finding(f"no database for the proof can be made there: {said}")) from None
        own = DatabaseUrl(value=_renamed(url.value, name))
        try:
            yield Scratch(url=own, server=_version(own), ours=False, programs=None)
        finally:
            with suppress(psycopg.Error):  # the server may have gone meanwhile; what failed inside is what must be told
                connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def _renamed(url: str, database: str) -> str:
    """The same connection to another database."""
    return conninfo.make_conninfo(url, dbname=database)


def _version(url: DatabaseUrl) -> str:
    with connect(url, application_name=APPLICATION) as connection:
        number = connection.info.server_version
    return f"PostgreSQL {number // 10000}.{number % 10000}"
