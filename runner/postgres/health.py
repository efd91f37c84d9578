"""A look at the server's health: who is in a transaction, what is invalid, how it is reached."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from ipaddress import ip_address
from typing import Any

from psycopg import rows

from runner.core.health import (
    ConnectionLimit,
    HealthFacts,
    InvalidIndex,
    Link,
    PreparedTransaction,
    Synchronous,
    WraparoundVacuum,
)
from runner.core.samples import session_of
from runner.core.sessions import one_line, without_values
from runner.postgres.session import Connection, reading, usable
from runner.resources import PACKAGE

SSLMODE = b"sslmode"


def health_facts(connection: Connection, *, at: datetime | None = None) -> HealthFacts:
    """What there is to be seen, in one round trip that only reads. `at`: the moment by which ages are told, by default
    the server's now. A role without pg_read_all_stats sees less, which the facts say. Raises DatabaseUnusable.

    https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-VIEWS
    """
    query = (PACKAGE / "postgres" / "sql" / "health.sql").read_bytes()
    with usable(connection):
        with reading(connection):
            cursor = connection.cursor(row_factory=rows.dict_row).execute(query, {"at": at})
        (row,) = cursor.fetchall()
    return HealthFacts(
        database=row["database"],
        link=link_of(connection, gss=row["gss_encrypted"]),
        sessions=tuple(session_of(one, one_line(without_values(one["query"] or ""))) for one in row["busy"]),
        hidden=row["hidden"],
        prepared=tuple(
            PreparedTransaction(gid=one["gid"], owner=one["owner"], age=_age(one)) for one in row["prepared"]
        ),
        vacuums=tuple(WraparoundVacuum(pid=one["pid"], table=one["name"], age=_age(one)) for one in row["vacuums"]),
        oldest_transaction=row["oldest_transaction"],
        oldest_multixact=row["oldest_multixact"],
        invalid=tuple(InvalidIndex(**one) for one in row["invalid"]),
        limits=tuple(ConnectionLimit(**one) for one in row["limits"]),
        synchronous=Synchronous(
            names=row["synchronous_standby_names"],
            commit=row["synchronous_commit"],
            connected=row["synchronous_standbys"],
        ),
    )


def link_of(connection: Connection, *, gss: bool = False) -> Link:
    """How the server, or what stands before it, is reached. `gss`: Kerberos encrypts the connection.

    https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNECT-SSLMODE
    """
    tls = bool(connection.pgconn.ssl_in_use)
    modes = [option.val for option in connection.pgconn.info if option.keyword == SSLMODE and option.val]
    return Link(
        local=is_local(connection.info.host, connection.info.hostaddr),
        encrypted=tls or gss,
        sslmode=modes[0].decode() if tls and modes else "",
    )


def is_local(host: str, address: str) -> bool:
    """Whether nobody else listens on the way: a Unix socket, the loopback interface, or a container in the same network
    of Docker's, which goes by a name without a dot at a private address.
    """
    if not address or host.startswith(("/", "@")):
        return True
    ip = ip_address(address.partition("%")[0])  # without the interface of a link-local one
    label = "." not in host and ":" not in host
    return ip.is_loopback or (ip.is_private and label)


def _age(row: Mapping[str, Any]) -> timedelta:
    return timedelta(seconds=max(0.0, float(row["age"])))
