"""The schema that files make of an empty database: on a throw-away server of the target's version."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import LiteralString

import psycopg
from psycopg import conninfo, sql

from runner.core.database_url import DatabaseUrl, shown
from runner.core.migration import Migration
from runner.core.model import RunContext
from runner.core.needs import extensions_of, roles_of
from runner.core.schema import Schema
from runner.core.shadow_choice import Provider, ShadowChoice
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.catalog_snapshot import catalog_snapshot
from runner.postgres.original import Original, look_at
from runner.postgres.programs import carried_versions
from runner.postgres.prove import Proof, prove
from runner.postgres.scratch import Scratch, Server, throwaway_server, version_of
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, usable

WHERE = "SELECT extract(epoch FROM pg_postmaster_start_time())::text, current_database()::text"
INSTALL: LiteralString = "CREATE EXTENSION IF NOT EXISTS {} CASCADE"


@dataclass(frozen=True, slots=True, kw_only=True)
class FromZero:
    """How files are tried that a database is to be compared with."""

    choice: ShadowChoice
    name: str  # of the database that is made for it
    ledger_schema: str
    context: RunContext
    timeouts: Timeouts
    scrub: Callable[[str], str]
    tell: Callable[[str], None]  # what takes long


def schema_from_zero(connection: Connection, migrations: Sequence[Migration], trial: FromZero) -> tuple[Schema, str]:
    """Apply the files, all of them from the first, to a database that is gone afterwards; returns its schema, and where
    that was. `connection` leads to the target, and only reads: sessions there begin with the same search_path, and find
    the same extensions but for those that the files install.

    Raises MigrationFailed at the first that fails, and DatabaseUnusable when there is no server of the target's major
    version: another one writes the same schema in other words.
    """
    original = look_at(connection, ledger_schema=trial.ledger_schema)
    choice = _chosen(trial.choice, original.major)
    with throwaway_server(choice, tell=trial.tell, version=_carried(original.major)) as server:
        if server.number // 10000 != original.major:
            raise DatabaseUnusable(
                Finding(
                    f"the target is {version_of(original.number)}, and what the files make cannot be compared with it "
                    f"on {server.about}: another major version writes the same schema in other words",
                    hint=f"`shadow-database: docker://postgres:{original.major}`, or the URL of an empty database on a "
                    "server of that version; without `verify` nothing is compared",
                )
            )
        if not server.ours:
            _check_not_itself(server, original)
        with server.make(trial.name) as made:
            scratch = _furnished(made, original, migrations)
            proof = Proof(
                scratch=scratch,
                schema=trial.ledger_schema,
                context=trial.context,
                timeouts=trial.timeouts,
                scrub=trial.scrub,
            )
            for _ in prove(proof, migrations, ()):
                pass
            with scratch.connect("schema") as looking:
                return catalog_snapshot(looking, ledger_schema=trial.ledger_schema), server.about


def _chosen(choice: ShadowChoice, major: int) -> ShadowChoice:
    """What AUTO is: the server that we carry of that version, else a container."""
    if choice.provider is not Provider.AUTO:
        return choice
    if major in carried_versions():
        return ShadowChoice(provider=Provider.EMBEDDED)
    return ShadowChoice(provider=Provider.DOCKER, image=f"postgres:{major}")


def _carried(major: int) -> int:
    """The version of an embedded server."""
    versions = carried_versions()
    return major if major in versions else versions[-1]


def _check_not_itself(server: Server, original: Original) -> None:
    """Where the role may make no database, the files are executed in the one that was named."""
    with server.connect() as connection, usable(connection):
        if connection.execute(WHERE).fetchone() == (original.started, original.database):
            hint = "name an empty database that nobody needs"
            raise DatabaseUnusable(
                Finding(f"`shadow-database` names the target itself, {shown(server.url)}", hint=hint)
            )


def _furnished(scratch: Scratch, original: Original, migrations: Sequence[Migration]) -> Scratch:
    """With what the operator of the target has seen to, and the files take for granted."""
    wanted = extensions_of(migrations)
    if lacking := scratch.lacks(wanted):
        raise DatabaseUnusable(
            *(
                Finding(
                    f"{scratch.server}, does not have the extension {name}, so the files cannot be tried there",
                    path=wanted[name][0].source.path,
                    line=wanted[name][1].line,
                    hint="give `shadow-database` an image, or the URL of an empty database, that has it; without "
                    "`verify` nothing is compared",
                )
                for name in sorted(lacking)
            )
        )
    if scratch.ours:
        scratch.make_roles(roles_of(migrations))
    there = set(original.extensions) - wanted.keys()
    with scratch.connect("extensions") as connection:
        for name in sorted(there - scratch.lacks(there)):
            with suppress(psycopg.Error):  # no file may need it; one that does says so when it fails
                connection.execute(sql.SQL(INSTALL).format(sql.Identifier(name)))
    # https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-OPTIONS: blanks need a backslash
    path = original.search_path.replace("\\", "\\\\").replace(" ", "\\ ")
    before = conninfo.conninfo_to_dict(scratch.url.value).get("options") or ""
    options = f"{before} -c search_path={path}".strip()
    return replace(scratch, url=DatabaseUrl(value=conninfo.make_conninfo(scratch.url.value, options=options)))
