"""Connections: how they are opened, and what is said when one cannot be."""

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeAlias

import psycopg
from psycopg import conninfo

from runner.core.database_url import SHAPE_HINT, DatabaseUrl, shown
from runner.errors import DatabaseUnusable, Finding, InputError

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

CONNECT_TIMEOUT_S = 10
OLDEST_WITH_IDLE_TIMEOUT = 140000  # as server_version_num

# It logs what could not be undone on a dead connection, past everything that scrubs; we report it ourselves.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg").propagate = False

HINTS = {
    r"password authentication failed|no password supplied": "check user and password of `database-url`",
    r"database \".*\" does not exist": "create the database, or correct its name in `database-url`",
    r"role \".*\" does not exist": "create the role, or correct the user in `database-url`",
    r"not permitted to log in": "ALTER ROLE … LOGIN, or correct the user in `database-url`",
    r"pg_hba.conf|SSL|sslmode": "see which users, addresses and TLS modes the server accepts; the URL sets `sslmode`",
    r"Connection refused|could not translate|Name or service|timeout|No route|No such file": (
        "is the server up, and reachable from this runner? A container action reaches a service by its label, "
        "as in postgres:5432, never by localhost"
    ),
    r"starting up|shutting down|too many": "try again when the server is ready; a service wants a --health-cmd",
}


def connect(url: DatabaseUrl, *, application_name: str) -> Connection:
    """Open a connection in autocommit. Raises DatabaseUnusable with what to look at, InputError for a wrong URL."""
    try:
        given = conninfo.conninfo_to_dict(url.value)
        timeout = given.get("connect_timeout") or CONNECT_TIMEOUT_S
        whole = conninfo.make_conninfo(
            url.value, application_name=application_name, connect_timeout=timeout, client_encoding="utf8"
        )
        return _settled(psycopg.connect(whole, autocommit=True, prepare_threshold=None))
    except (psycopg.ProgrammingError, UnicodeError) as error:
        parameter = re.match(
            r"invalid (?:URI query parameter|connection option|integer value .* for connection option):? ?\"(\w+)\"",
            str(error),
        )
        what = f"the parameter `{parameter[1]}`" if parameter else "its form"
        hint = "take it out of the URL" if parameter else SHAPE_HINT
        raise InputError(Finding(f"database-url: PostgreSQL's client does not understand {what}", hint=hint)) from None
    except psycopg.Error as error:
        message = " ".join(str(error).removeprefix("connection failed: ").split())
        hint = next((hint for pattern, hint in HINTS.items() if re.search(pattern, message)), "")
        raise DatabaseUnusable(Finding(f"cannot connect to {shown(url)}: {message}", hint=hint)) from None


def _settled(connection: Connection) -> Connection:
    """With settings that the defaults of server, database or role must not spoil for the runner's own statements."""
    if connection.info.server_version >= OLDEST_WITH_IDLE_TIMEOUT:
        connection.execute(
            "SET idle_session_timeout = 0; SET statement_timeout = '1min'; SET lock_timeout = '30s'; "
            "SET idle_in_transaction_session_timeout = '1min'; SET standard_conforming_strings = on"
        )
    return connection


def reset(connection: Connection) -> None:
    """Forget what a migration set for its session. The mutex is not touched: it lives in another session."""
    with usable(connection):
        connection.execute("DISCARD ALL")
        _settled(connection)


@contextmanager
def usable(connection: Connection) -> Iterator[None]:
    """Turn what the server says of the runner's own statements into DatabaseUnusable."""
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        if connection.closed:
            finding = Finding(f"the connection to the database was lost: {said}{code}")
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            finding = Finding(f"a right is missing: {said}{code}", hint="grant it, or run as the ledger's owner")
        else:
            finding = Finding(f"the ledger could not be read or written: {said}{code}")
        raise DatabaseUnusable(finding) from None
