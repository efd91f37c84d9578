"""The schema of the target, its ledger's rows and its settings, brought into a throw-away database."""

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
from psycopg import sql

from runner.core.durations import milliseconds
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.original import Original
from runner.postgres.programs import ProgramFailed, address_of
from runner.postgres.scratch import Scratch
from runner.postgres.session import Connection, settle

# What belongs to the server or to rights, and what some builds lack, is not what migrations are tried with.
DUMP = (
    "--schema-only", "--no-owner", "--no-privileges", "--no-tablespaces", "--no-subscriptions", "--no-security-labels",
    "--no-toast-compression", "--no-sync",
)  # fmt: skip
COLUMN_OPTIONS = {"n_distinct", "n_distinct_inherited"}
SET_OPTIONS = re.compile(rb"^(ALTER (?:FOREIGN )?TABLE ONLY .+ ALTER COLUMN .+ SET \()([^()\n]+)(\);\n)", re.MULTILINE)
RESTORE = ("--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1")
UNFLUSHED = "-c synchronous_commit=off"  # the thousands of little transactions of a restore
OF_THE_SERVER = re.compile(
    r"role|session_authorization|\w+_preload_libraries|default_transaction_read_only|log_\w+|\w+_tablespaces?|search_path"
)
USUAL_PATH = '"$user", public'
OF_THE_USER = re.compile(r'"\$user"|\$user\b')
MAPPINGS = "SELECT srvname::text, CASE WHEN umuser <> 0 THEN usename::text END FROM pg_user_mappings ORDER BY 1, 2"
HERE = "SELECT current_database()::text, current_user::text"


def clone(
    connection: Connection, original: Original, scratch: Scratch, *, ledger_schema: str, lock_timeout: timedelta
) -> list[str]:
    """Bring all of it into `scratch`, which is empty. `connection` leads to the target, of which tables are locked as
    for reading them, each waited for no longer than `lock_timeout`. Returns in what the copy differs.

    Raises DatabaseUnusable with what to do.
    """
    with scratch.connect("clone") as copy, _told("the copy of the target's schema cannot be made"):
        if not original.public:
            copy.execute("DROP SCHEMA public")
        _copy_schema(connection, original, scratch, copy, lock_timeout)
        _copy_rows(connection, original, copy, ledger_schema)
        unplugged = [*_unplug(copy)]  # first of all: a view may read elsewhere when it is filled
        return [*unplugged, *_refresh(original, copy), *_set(original, copy)]


def _copy_schema(
    connection: Connection, original: Original, scratch: Scratch, copy: Connection, lock_timeout: timedelta
) -> None:
    target, there = address_of(connection, "pg_dump"), address_of(copy, "psql")
    options = f"{there.plain.get('options', '')} {UNFLUSHED}".strip()
    there = replace(there, plain={**there.plain, "options": options})
    wait = [f"--lock-wait-timeout={milliseconds(lock_timeout)}"] if lock_timeout else []
    try:
        dump = scratch.programs.run("pg_dump", [*DUMP, *wait], target)
    except ProgramFailed as error:
        raise DatabaseUnusable(_not_dumped(str(error), original)) from None
    with scratch.programs.file(understandable(dump, original.column_options)) as file:
        try:
            scratch.programs.run("psql", [*RESTORE, "--file", file], there)
        except ProgramFailed as error:
            raise DatabaseUnusable(_not_restored(str(error), original, scratch)) from None


def understandable(dump: bytes, column_options: Collection[str]) -> bytes:
    """Without the options of columns that no PostgreSQL documents. Newer minor releases keep account of their own in
    them, as 17.12 does in `pg_attver`; an older pg_dump takes them for a user's, and an older server for a mistake.

    https://www.postgresql.org/docs/current/sql-altertable.html: attribute_option
    """
    if not set(column_options) - COLUMN_OPTIONS:
        return dump

    def documented(match: re.Match[bytes]) -> bytes:
        kept = [each for each in match[2].split(b", ") if each.partition(b"=")[0].decode() in COLUMN_OPTIONS]
        return match[1] + b", ".join(kept) + match[3] if kept else b""

    return SET_OPTIONS.sub(documented, dump)


def _not_dumped(said: str, original: Original) -> Finding:
    another = f"`shadow-database: docker://postgres:{original.major}` has programs of its version"
    hint = f"{another}; `dry-run-mode: preview` needs no copy"
    if re.search(r"permission denied", said):
        hint = (
            f"GRANT pg_read_all_data TO {_quoted(original.role)}: pg_dump locks each table as a reader does; "
            "`dry-run-mode: preview` needs no copy"
        )
    elif re.search(r"due to (statement|lock) timeout|could not obtain lock", said):
        hint = "somebody holds a table locked; try again later, or with a longer `lock-timeout`"
    elif re.search(r"version mismatch|no TLS|SSL support", said):
        hint = another
    return Finding(f"the schema of the target cannot be dumped: {said}", hint=hint)


def _not_restored(said: str, original: Original, scratch: Scratch) -> Finding:
    said = re.sub(r"psql:\S+?:\d+: ", "", said)
    hint = (
        f"`shadow-database: docker://postgres:{original.major}`, another image, or a URL may have what is missing; "
        "`dry-run-mode: preview` needs no copy"
    )
    if role := re.search(r'role "(.*?)" does not exist', said):
        hint = (
            f"CREATE ROLE {_quoted(role[1])} on the server of `shadow-database`: it is a user's, so none is made there"
        )
    elif not scratch.ours and re.search(r"permission denied|must be (superuser|owner)", said):
        hint = "let the role of `shadow-database` be a superuser there"
    return Finding(f"{scratch.server}, does not take the schema of the target: {said}", hint=hint)


def _copy_rows(connection: Connection, original: Original, copy: Connection, ledger_schema: str) -> None:
    """The rows of the ledger: what is applied, is applied in the copy."""
    with _told("the rows of the ledger cannot be copied"), connection.transaction(), copy.transaction():
        connection.execute("SET TRANSACTION READ ONLY")
        settle(connection, local=True)
        connection.execute("SET LOCAL datestyle = 'ISO'")  # which every server reads
        connection.execute("SET LOCAL row_security = off")  # a reader who is shown some of the rows only must know
        with suppress(psycopg.errors.InsufficientPrivilege), copy.transaction():
            copy.execute("SET LOCAL session_replication_role = replica")  # no trigger hears of them
        for name, columns in original.ledger.items():
            words = {
                "table": sql.Identifier(ledger_schema, name),
                "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
            }
            out = sql.SQL("COPY {table} ({columns}) TO STDOUT").format(**words)
            back = sql.SQL("COPY {table} ({columns}) FROM STDIN").format(**words)
            with connection.cursor().copy(out) as rows, copy.cursor().copy(back) as written:
                for block in rows:
                    written.write(block)


def _refresh(original: Original, copy: Connection) -> Iterator[str]:
    """Materialized views that are filled in the target can be read; in the copy they are filled with what is there."""
    for name in original.filled_views:
        try:
            copy.execute(b"REFRESH MATERIALIZED VIEW " + name.encode())
        except psycopg.Error as error:
            yield f"the materialized view {name} cannot be read: {error.diag.message_primary}"


def _unplug(copy: Connection) -> Iterator[str]:
    """What is tried in the copy must reach no other server: without the users and passwords nothing gets in there."""
    for server, user in copy.execute(MAPPINGS).fetchall():
        query = sql.SQL("DROP USER MAPPING FOR {} SERVER {}").format(
            sql.SQL("PUBLIC") if user is None else sql.Identifier(user), sql.Identifier(server)
        )
        copy.execute(query)
        yield f"foreign tables of the server {server} lead nowhere: its user mapping for {user or 'PUBLIC'} is left out"


def _set(original: Original, copy: Connection) -> Iterator[str]:
    """A session of the copy begins with the settings with which one of the target does."""
    ((database, user),) = copy.execute(HERE).fetchall()
    wanted = {name: value for name, value in original.settings.items() if not OF_THE_SERVER.fullmatch(name)}
    path = original.search_path
    if original.role != user and original.schema_of_role:
        path = OF_THE_USER.sub(lambda _: _quoted(original.role), path)
    if path != USUAL_PATH:
        wanted["search_path"] = path
    for name, value in wanted.items():
        try:
            with copy.transaction():  # from a setting that is made: PostgreSQL alone knows which of them are lists
                copy.execute("SELECT set_config(%s, %s, true)", [name, value])
                copy.execute(
                    sql.SQL("ALTER DATABASE {} SET {} FROM CURRENT").format(
                        sql.Identifier(database), sql.Identifier(*name.split("."))
                    )
                )
        except psycopg.Error as error:
            yield f"the setting {name} is not that of the target: {error.diag.message_primary}"


@contextmanager
def _told(what: str) -> Iterator[None]:
    """Turn what a server says into DatabaseUnusable."""
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        raise DatabaseUnusable(Finding(f"{what}: {said}", hint="`dry-run-mode: preview` needs no copy")) from None


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
