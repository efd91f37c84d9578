"""Connections: how they are opened and settled, and what is said when one cannot be."""

import logging
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import timedelta
from typing import Any, LiteralString, TypeAlias

import psycopg
from psycopg import conninfo, sql
from psycopg.pq import TransactionStatus

from runner.core.database_url import SHAPE_HINT, DatabaseUrl, shown
from runner.errors import DatabaseUnusable, Finding, InputError
from runner.postgres.signals import audible

Connection: TypeAlias = psycopg.Connection[tuple[Any, ...]]

OLDEST_TO_SETTLE = 140000  # as server_version_num; older ones lack some of the settings, and are refused anyway
RETRY_PAUSE_S = 0.2

# A server or network that died without a word is noticed within a minute; what the URL says counts more.
# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-KEEPALIVES
CLIENT_SIDE = {
    "connect_timeout": 10,  # seconds
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,  # milliseconds
}

# What the defaults of server, database or role must not spoil for the runner's own statements, and what makes the
# server notice that the runner died. Any role may set them, also where they have no effect, as with Unix sockets; but
# servers that cannot look after their clients refuse to be told to. Behind a pooler, application_name and
# client_encoding are those of its own connection after a DISCARD ALL.
# https://www.postgresql.org/docs/current/runtime-config-connection.html
SETTLE: LiteralString = """
    SELECT pg_catalog.set_config(name, value, {local}) FROM (VALUES
        ('application_name', {name}),
        ('client_encoding', 'UTF8'),
        ('standard_conforming_strings', 'on'),
        ('statement_timeout', '1min'),
        ('lock_timeout', '30s'),
        ('idle_in_transaction_session_timeout', '1min'),
        ('idle_session_timeout', '0'),
        ('tcp_keepalives_idle', '30'),
        ('tcp_keepalives_interval', '10'),
        ('tcp_keepalives_count', '3'),
        ('tcp_user_timeout', '30s'),
        ('transaction_timeout', '0'),
        ('client_connection_check_interval', '2s')) AS setting (name, value)
    WHERE (name <> 'client_connection_check_interval' OR pg_catalog.version() LIKE '%linux%')
      AND (name <> 'transaction_timeout' OR pg_catalog.current_setting('server_version_num')::int >= 170000)"""

# It logs what could not be undone on a dead connection, past everything that scrubs; we report it ourselves.
logging.getLogger("psycopg").addHandler(logging.NullHandler())
logging.getLogger("psycopg").propagate = False

HINTS = {
    r"password authentication failed|no password supplied": "check user and password of `database-url`",
    r"database \".*\" does not exist": "create the database, or correct its name in `database-url`",
    r"role \".*\" does not exist": "create the role, or correct the user in `database-url`",
    r"not permitted to log in": "ALTER ROLE … LOGIN, or correct the user in `database-url`",
    r"permission denied for database": "GRANT CONNECT ON DATABASE … TO …, or correct the user in `database-url`",
    r"not currently accepting connections": "ALTER DATABASE … ALLOW_CONNECTIONS true, or name another one",
    r"too many connections for role": "a run needs two, at times three: end some of its sessions, or ALTER ROLE … "
    "CONNECTION LIMIT",
    r"too many connections for database": "a run needs two, at times three: end some of its sessions, or ALTER "
    "DATABASE … CONNECTION LIMIT",
    r"too many|remaining connection slots": "the server is full, and a run needs two connections, at times three: end "
    "sessions that nobody needs, or raise max_connections",
    r"pg_hba.conf|SSL|sslmode": "see which users, addresses and TLS modes the server accepts; the URL sets `sslmode`",
    r"Connection refused|could not translate|Name or service|timeout|No route|No such file": (
        "is the server up, and reachable from this runner? A container action reaches a service by its label, "
        "as in postgres:5432, never by localhost"
    ),
    r"hot standby mode is disabled": "`database-url` must name the primary",
    r"starting up|shutting down|in recovery mode|not yet accepting|not accepting connections": (
        "try again when the server is ready; a service wants a --health-cmd"
    ),
}
PASSING = re.compile(  # as while a server restarts or a network is cut
    r"starting up|shutting down|in recovery mode|not yet accepting|too many|remaining connection slots"
    r"|Connection refused|Connection reset|closed the connection|terminating connection|No such file"
    r"|timeout|No route|Network is unreachable|could not translate|Name or service|name resolution"
    r"|cannot connect to server|server login|query_wait_timeout"  # PgBouncer's words
)
SHARED = Finding(
    "the database is behind a pooler in transaction or statement mode, where the lock of a session protects nothing",
    hint="give the URL of the server itself, or of a pool in session mode",
)


class NotReady(DatabaseUnusable):
    """The server cannot be reached now, for a reason that may pass."""


def connect(url: DatabaseUrl, *, application_name: str, settled: bool = True) -> Connection:
    """Open a connection in autocommit. Unless it is to be `settled`, nothing is sent once it is there.

    Raises DatabaseUnusable with what to look at, NotReady when that may pass, InputError for a wrong URL.
    """
    try:
        with ExitStack() as stack:
            parameters = _parameters(url, application_name)
            connection = psycopg.connect(parameters, autocommit=True, prepare_threshold=None)
            stack.enter_context(closing(connection))
            if settled:
                settle(connection)
            stack.pop_all()
            return connection
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
        kind = NotReady if PASSING.search(message) else DatabaseUnusable
        raise kind(Finding(f"cannot connect to {shown(url)}: {message}", hint=hint)) from None


def _parameters(url: DatabaseUrl, application_name: str) -> str:
    """The URL with what it leaves to us. All of it passes a pooler, which refuses parameters that it cannot track."""
    given = conninfo.conninfo_to_dict(url.value)
    ours = {name: value for name, value in CLIENT_SIDE.items() if not given.get(name)}
    return conninfo.make_conninfo(url.value, application_name=application_name, client_encoding="utf8", **ours)


def reconnect(open_connection: Callable[[], Connection], *, patience: timedelta) -> Connection:
    """Open a connection anew, as after a restart of the server: tries again for as long as `patience` while the server
    is not ready. Raises the last DatabaseUnusable, and at once one that will not pass.
    """
    deadline = time.monotonic() + patience.total_seconds()
    while True:
        try:
            return open_connection()
        except NotReady:
            if time.monotonic() + RETRY_PAUSE_S > deadline:
                raise
            time.sleep(RETRY_PAUSE_S)


def settle(connection: Connection, *, local: bool = False) -> None:
    """Make the settings of the runner's own statements, as `settling` says. In a pipeline it only joins the queue.
    Raises psycopg.Error.
    """
    unlimited = f"SET {'LOCAL' if local else 'SESSION'} statement_timeout = 0"  # a default may end the next one as well
    if connection.pgconn.pipeline_status:
        connection.execute(unlimited.encode())
        connection.execute(settling(connection, local=local))
    else:
        connection.execute(unlimited.encode() + b"; " + settling(connection, local=local))


def settling(connection: Connection, *, local: bool = False) -> bytes:
    """One statement that makes the settings of the runner's own statements: for the session, or with `local` for the
    transaction only, which leaves nothing behind at a pooler.

    In a pipeline a BEGIN behind it takes it into its transaction, unless a COMMIT or a sync is in between: the settings
    would be rolled back with that, and a SET TRANSACTION come too late.
    """
    if connection.info.server_version < OLDEST_TO_SETTLE:
        return b"SELECT"
    name = connection.info.get_parameters().get("application_name", "")
    return sql.SQL(SETTLE).format(name=sql.Literal(name), local=sql.Literal(local)).as_bytes(connection)


def reset(connection: Connection) -> None:
    """Forget what a migration set for its session, in one round trip. The mutex is not touched: it lives in another
    session. Raises DatabaseUnusable.
    """
    with usable(connection), together(connection):
        connection.execute("DISCARD ALL")
        settle(connection)


def recover(connection: Connection) -> None:
    """End what is open, and forget what a migration set for its session. A connection that is not fit for use behind
    that is closed. Raises Cancelled, with the connection closed.
    """
    if connection.closed:
        return
    try:
        with audible():
            connection.rollback()
            reset(connection)
    except (psycopg.Error, DatabaseUnusable):
        if connection.info.transaction_status != TransactionStatus.IDLE:  # as when a wait was interrupted
            connection.close()
    except BaseException:
        connection.close()
        raise


@contextmanager
def together(connection: Connection) -> Iterator[None]:
    """What is executed in the block is sent without waiting; the answers are there behind it. An interruption closes
    the connection, as nobody can tell any more what the next answer there would be to.
    """
    try:
        with connection.pipeline():
            yield
    except psycopg.Error as error:
        if connection.pgconn.pipeline_status:  # it came to no end: interrupted, or left by a pooler
            connection.close()
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise
    except KeyboardInterrupt:
        connection.close()
        raise


@contextmanager
def reading(connection: Connection) -> Iterator[None]:
    """A read-only transaction, which the server enforces, whose statements are sent without waiting; the answers are
    there behind the block. No policy may hide rows: a reader without all of them is told.
    """
    try:
        with together(connection):  # psycopg's transaction() would wait for its BEGIN and COMMIT
            if connection.info.transaction_status == TransactionStatus.INERROR:
                connection.execute("ROLLBACK")
            connection.execute("BEGIN READ ONLY")
            settle(connection, local=True)
            connection.execute("SET LOCAL row_security = off")
            yield
            connection.execute("COMMIT")
    except psycopg.Error:
        if not connection.closed:
            connection.rollback()
        raise


@contextmanager
def usable(connection: Connection) -> Iterator[None]:
    """Turn what the server says of the runner's own statements into DatabaseUnusable."""
    try:
        yield
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        code = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
        if "statement pooling mode" in said:  # PgBouncer's word on BEGIN
            finding = SHARED
        elif connection.closed:
            finding = Finding(f"the connection to the database was lost: {said}{code}")
        elif isinstance(error, psycopg.errors.InsufficientPrivilege):
            finding = Finding(f"a right is missing: {said}{code}", hint="grant it, or run as the ledger's owner")
        else:
            finding = Finding(f"the ledger could not be read or written: {said}{code}", sqlstate=error.sqlstate or "")
        raise DatabaseUnusable(finding) from None
