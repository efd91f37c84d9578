"""Throw-away databases: on a server that we carry, in a container beside ours, or beside an empty one of a user's."""

from collections.abc import Callable, Collection, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import LiteralString

import psycopg
from psycopg import conninfo, sql

from runner.core.database_url import DatabaseUrl, shown
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.errors import DatabaseUnusable, Finding, RunnerError
from runner.postgres.embedded import NEWEST, embedded_server
from runner.postgres.programs import LocalPrograms, Programs, carried_programs
from runner.postgres.session import Connection, connect, usable
from runner.postgres.sibling import sibling_server
from runner.postgres.signals import deaf

APPLICATION = "db-migrate check"
OBJECTS = """
    SELECT c.oid::regclass::text FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
      AND c.relkind IN ('r', 'p', 'v', 'm', 'S', 'f')
      AND NOT EXISTS (SELECT FROM pg_depend AS d WHERE d.objid = c.oid AND d.deptype = 'e')
    LIMIT 1"""
EXTENSIONS = "SELECT name FROM pg_available_extensions WHERE name = ANY (%s)"
MISSING_ROLES = """
    SELECT name FROM unnest(%s::text[]) AS wanted (name)
    WHERE name !~ '^pg_' AND name NOT IN ('public', 'none')  -- names that no role may have
      AND NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name)"""
ENCODING = "SELECT pg_encoding_to_char(encoding) FROM pg_database WHERE datname = 'template0'"
MAKE: LiteralString = "CREATE DATABASE {name}"
EMPTY: LiteralString = " TEMPLATE template0"  # which nobody is ever connected to
ENCODED: LiteralString = " ENCODING {encoding}"
ANY_ENCODING: LiteralString = " LOCALE 'C'"  # other locales go with one encoding each
OWNED: LiteralString = " OWNER {owner}"
DROP: LiteralString = "DROP DATABASE IF EXISTS {name} WITH (FORCE)"

Make = Callable[[str], AbstractContextManager["Scratch"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scratch:
    """A database in which anything may be done."""

    url: DatabaseUrl = field(repr=False)
    server: str  # "PostgreSQL 18.1, embedded"
    ours: bool  # the whole server is a throw-away one
    programs: Programs

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server on which throw-away databases are made."""

    url: DatabaseUrl = field(repr=False)  # of a database that stays as it is; on a server of ours, as the superuser
    about: str  # "PostgreSQL 18.1, embedded"
    number: int  # 180001
    ours: bool
    programs: Programs
    password: str = field(default="", repr=False)  # that a role needs, to be let in

    def connect(self) -> Connection:
        """Open a connection to the database that stays as it is."""
        return connect(self.url, application_name=APPLICATION)

    def scratch(self, **connection: str) -> Scratch:
        """One of its databases, reached as `connection` says: by another name, as another user."""
        url = DatabaseUrl(value=conninfo.make_conninfo(self.url.value, **connection))
        return Scratch(url=url, server=self.about, ours=self.ours, programs=self.programs)

    @contextmanager
    def make(self, name: str) -> Iterator[Scratch]:
        """A database of this name; the one that the URL names where the role may make none."""
        try:
            self._create(name, EMPTY if self.ours else "")
        except psycopg.errors.InsufficientPrivilege:
            yield self.scratch()
            return
        with self._dropping(name):
            yield self.scratch(dbname=name)

    @contextmanager
    def make_like(self, name: str, *, encoding: str, owner: str | None = None) -> Iterator[Scratch]:
        """A database of this name and encoding, whatever the server's default is. On a server of ours it is `owner`'s,
        who is also whom it is reached as. Raises DatabaseUnusable.
        """
        with self.connect() as connection, usable(connection):
            row = connection.execute(ENCODING).fetchone()
        locale = "" if row and row[0] == encoding else ANY_ENCODING
        options = EMPTY + ENCODED + locale + (OWNED if owner else "")
        try:
            self._create(name, options, encoding=sql.Literal(encoding), owner=sql.Identifier(owner or ""))
        except psycopg.errors.InsufficientPrivilege:
            raise DatabaseUnusable(
                Finding(
                    f"the role of `shadow-database` may not make a database on {shown(self.url)}",
                    hint="ALTER ROLE … CREATEDB: the copy of the schema is a database of its own, gone afterwards",
                )
            ) from None
        with self._dropping(name):
            yield self.scratch(dbname=name, **({"user": owner} if owner else {}))

    def _create(self, name: str, options: LiteralString, **values: sql.Composable) -> None:
        """Make it; on a server of ours in place of one that has the name, as `postgres`."""
        with self.connect() as connection:
            try:
                if self.ours:
                    connection.execute(sql.SQL(DROP).format(name=sql.Identifier(name)))
                connection.execute(sql.SQL(MAKE + options).format(name=sql.Identifier(name), **values))
            except psycopg.errors.InsufficientPrivilege:
                raise
            except psycopg.Error as error:
                said = error.diag.message_primary or "the connection was lost"
                raise DatabaseUnusable(Finding(f"no throw-away database can be made there: {said}")) from None

    @contextmanager
    def _dropping(self, name: str) -> Iterator[None]:
        """Drop it afterwards, unless its whole server goes anyway."""
        try:
            yield
        finally:
            if not self.ours:
                # The server may have gone meanwhile; what failed inside is what must be told.
                with deaf(), suppress(psycopg.Error, RunnerError), self.connect() as connection:
                    connection.execute(sql.SQL(DROP).format(name=sql.Identifier(name)))


@contextmanager
def scratch_server(choice: ShadowChoice, *, tell: Callable[[str], None] = lambda _: None) -> Iterator[Make]:
    """A server while the block runs; gives what makes a database of a name on it, gone with its own block. `tell`: what
    takes long.

    Raises DatabaseUnusable when there is no such server, or when the URL names a database that somebody uses.
    """
    with throwaway_server(choice, tell=tell) as server:
        yield server.make


@contextmanager
def throwaway_server(choice: ShadowChoice, *, tell: Callable[[str], None], version: int = NEWEST) -> Iterator[Server]:
    """The server of scratch_server. `version`: of an embedded one, which AUTO is here."""
    if choice.provider is Provider.DOCKER:
        with sibling_server(choice.image, tell) as sibling:
            number = _number(sibling.url)
            yield Server(
                url=sibling.url,
                about=f"{version_of(number)} in a container of {choice.image}",
                number=number,
                ours=True,
                programs=sibling.programs,
                password=sibling.password,
            )
    elif choice.provider is Provider.URL:
        assert choice.url is not None  # noqa: S101 - one of a URL has it
        yield _users(choice.url)
    else:
        with embedded_server(version) as embedded:
            url = embedded.url("template1")
            number = _number(url)
            yield Server(
                url=url,
                about=f"{version_of(number)}, embedded",
                number=number,
                ours=True,
                programs=LocalPrograms(embedded.programs),
            )


def _users(url: DatabaseUrl) -> Server:
    """The server of a database that nobody uses. Raises DatabaseUnusable when somebody does."""
    with connect(url, application_name=APPLICATION) as connection, usable(connection):
        used = connection.execute(OBJECTS).fetchone()
        number = connection.info.server_version
    if used:
        raise DatabaseUnusable(
            Finding(
                f"{shown(url)} is in use: it has {used[0]}",
                hint="the files are executed there: name an empty one that nobody needs, or none at all",
            )
        )
    return Server(
        url=url,
        about=f"{version_of(number)} at {shown(url).rpartition('/')[0] or 'a Unix socket'}",
        number=number,
        ours=False,
        programs=carried_programs(number // 10000),
    )


def _number(url: DatabaseUrl) -> int:
    with connect(url, application_name=APPLICATION) as connection:
        return connection.info.server_version


def version_of(number: int) -> str:
    """180001 → "PostgreSQL 18.1"."""
    return f"PostgreSQL {number // 10000}.{number % 10000}"
