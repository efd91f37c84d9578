"""A throw-away database with the schema of the target, on the server that suits it best of those that can be had."""

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from psycopg import conninfo, sql

from runner.core.database_url import DatabaseUrl, shown
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.clone import clone
from runner.postgres.original import Original, look_at
from runner.postgres.programs import carried_versions
from runner.postgres.scratch import MISSING_ROLES, Scratch, Server, throwaway_server, version_of
from runner.postgres.session import Connection, connect, usable

TEMPLATES = {"template0", "template1"}  # databases whose place none of ours can take
WHERE = "SELECT extract(epoch FROM pg_postmaster_start_time())::text, current_database()::text"
LACKING = """
    SELECT ARRAY(SELECT name FROM unnest(%(extensions)s::text[]) AS wanted (name)
                 WHERE NOT EXISTS (SELECT FROM pg_available_extensions AS e WHERE e.name = wanted.name)),
           ARRAY(SELECT name FROM unnest(%(collations)s::text[]) AS wanted (name)
                 WHERE NOT EXISTS (SELECT FROM pg_collation WHERE collname = name
                                   AND collnamespace = 'pg_catalog'::regnamespace))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow(Scratch):
    """A copy of the target without its rows, in which anything may be done."""

    provider: Provider  # what AUTO came to
    target: str  # "PostgreSQL 17.2"
    took: timedelta
    notes: tuple[str, ...]  # in what it differs from the target, but for the rows


class Unsuited(DatabaseUnusable):
    """A server cannot hold the schema of the target."""


@contextmanager
def shadow_of(
    target: DatabaseUrl,
    choice: ShadowChoice,
    *,
    connection: Connection,
    ledger_schema: str,
    extensions: Collection[str],
    roles: Collection[str],
    name: str,
    lock_timeout: timedelta,
    tell: Callable[[str], None],
) -> Iterator[Shadow]:
    """A copy of `target` while the block runs, gone afterwards. `connection` leads to the target, is not in a
    transaction, and only reads; tables are locked as for reading, each waited for no longer than `lock_timeout`.
    `extensions`: which the files install; `roles`: which they name and do not make. `name`: of the copy on a user's
    server; on one of ours the copy has the target's, and is reached as the target's role. `tell`: what takes long, and
    in what the copy differs.

    Raises DatabaseUnusable when it cannot be had as it was chosen.
    """
    began = time.monotonic()
    original = look_at(connection, ledger_schema=ledger_schema)
    with _server(target, choice, original, {*original.extensions, *extensions}, tell) as (provider, server):
        if server.ours:
            _make_roles(server, original, roles)
            name = original.database if original.database not in TEMPLATES else name
        owner = original.role if server.ours else None
        with server.make_like(name, encoding=original.encoding, owner=owner) as scratch:
            notes = clone(connection, original, scratch, ledger_schema=ledger_schema, lock_timeout=lock_timeout)
            url, refused = _with_options(scratch, original.options)
            notes += refused
            for note in notes:
                tell(note)
            yield Shadow(
                url=url,
                server=scratch.server,
                ours=scratch.ours,
                programs=scratch.programs,
                provider=provider,
                target=version_of(original.number),
                took=timedelta(seconds=time.monotonic() - began),
                notes=tuple(notes),
            )


@contextmanager
def _server(
    target: DatabaseUrl,
    choice: ShadowChoice,
    original: Original,
    extensions: Collection[str],
    tell: Callable[[str], None],
) -> Iterator[tuple[Provider, Server]]:
    """The server that was chosen, or the first that suits. Raises DatabaseUnusable with why none does."""
    reasons: list[str] = []
    for candidate, version in _candidates(choice, original):
        with ExitStack() as stack:
            try:
                _check_way(target, candidate, original)
                server = stack.enter_context(throwaway_server(candidate, tell=tell, version=version))
                _check(server, original, extensions)
            except DatabaseUnusable as error:
                if choice.provider is not Provider.AUTO:
                    raise
                reasons.append(str(error))
                tell(f"not for a shadow: {error}")
                continue
            yield candidate.provider, server
            return
    raise DatabaseUnusable(
        Finding(
            f"no throw-away server suits the target, {version_of(original.number)}: {'; '.join(reasons)}",
            hint=_another(original),
        )
    )


def _candidates(choice: ShadowChoice, original: Original) -> Iterator[tuple[ShadowChoice, int]]:
    """What is tried one after the other, with the version of an embedded server: one of the target's version, else a
    newer one.
    """
    major, newest = original.major, carried_versions()[-1]
    same = major if major in carried_versions() else None
    embedded = ShadowChoice(provider=Provider.EMBEDDED)
    match choice.provider:
        case Provider.AUTO:
            if same:
                yield embedded, same
            yield ShadowChoice(provider=Provider.DOCKER, image=f"postgres:{major}"), newest
            if same != newest:
                yield embedded, newest
        case _:
            yield choice, same or newest


def _check_way(target: DatabaseUrl, choice: ShadowChoice, original: Original) -> None:
    """Refuse a database that is the target, and a container that cannot reach it."""
    if choice.provider is Provider.DOCKER and original.local:
        raise Unsuited(
            Finding(
                f"from a container of {choice.image} the target cannot be reached: it is on a Unix socket",
                hint="let `database-url` name a host, such as localhost; or `shadow-database: embedded`, or a URL",
            )
        )
    if choice.provider is Provider.URL and choice.url is not None:
        with connect(choice.url, application_name="db-migrate shadow") as connection, usable(connection):
            there = connection.execute(WHERE).fetchone()
        if there == (original.started, original.database):
            raise DatabaseUnusable(
                Finding(
                    f"`shadow-database` names the target itself, {shown(target)}",
                    hint="name an empty database that nobody needs",
                )
            )


def _check(server: Server, original: Original, extensions: Collection[str]) -> None:
    """Refuse a server that is older than the target, or lacks what its schema, or the files, take for granted."""
    if server.number // 10000 < original.major:
        raise Unsuited(
            Finding(
                f"{server.about}, is older than the target, which is {version_of(original.number)}",
                hint=_another(original),
            )
        )
    wanted = {"extensions": list(extensions), "collations": list(original.collations)}
    with server.connect() as connection, usable(connection):
        row = connection.execute(LACKING, wanted).fetchone()
    assert row is not None  # noqa: S101 - the query has no FROM that could be empty
    for what, names in zip(wanted, row, strict=True):
        if names:
            lacking = f"{what[:-1] if len(names) == 1 else what} {', '.join(sorted(names))}"
            raise Unsuited(Finding(f"{server.about}, does not have the {lacking}", hint=_another(original)))


def _another(original: Original) -> str:
    return (
        f"`shadow-database: docker://postgres:{original.major}`, or an image of that version that has what is missing, "
        "or the URL of an empty database on a server that has it; `dry-run-mode: preview` needs none"
    )


def _make_roles(server: Server, original: Original, roles: Collection[str]) -> None:
    """Make the roles of the target, as superusers: what each may do there is not copied, so it may do all."""
    with server.connect() as connection, usable(connection):
        names = sorted({*original.roles, *roles})
        missing = [name for (name,) in connection.execute(MISSING_ROLES, [names]).fetchall()]
        made = [sql.SQL("CREATE ROLE {} SUPERUSER").format(sql.Identifier(name)) for name in missing]
        password = sql.SQL(" PASSWORD {}").format(server.password) if server.password else sql.SQL("")
        made.append(sql.SQL("ALTER ROLE {} LOGIN").format(sql.Identifier(original.role)) + password)
        connection.execute(sql.SQL("; ").join(made))


def _with_options(scratch: Scratch, options: str) -> tuple[DatabaseUrl, list[str]]:
    """The URL with the options of the target's, as far as the server takes them; a pooler's own it does not."""
    if not options:
        return scratch.url, []
    before = conninfo.conninfo_to_dict(scratch.url.value).get("options") or ""
    url = DatabaseUrl(value=conninfo.make_conninfo(scratch.url.value, options=f"{before} {options}".strip()))
    try:
        with replace(scratch, url=url).connect("options"):
            return url, []
    except DatabaseUnusable:
        return scratch.url, ["the copy does not take the `options` of the target's URL"]
