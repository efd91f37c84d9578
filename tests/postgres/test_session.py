"""Connections on real servers: what is sent, what is set, and how long one is tried again."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

import psycopg
import pytest

from runner.core.database_url import DatabaseUrl
from runner.errors import DatabaseUnusable
from runner.postgres.session import NotReady, connect, reconnect, reset, settle
from runner.resources import PACKAGE
from tests.conftest import SCRAM_ROLE, VERSIONS, Database
from tests.faults.servers import DurableServer, durable_server

SETTINGS = {
    "client_connection_check_interval": "2s",
    "idle_in_transaction_session_timeout": "1min",
    "idle_session_timeout": "0",
    "lock_timeout": "30s",
    "standard_conforming_strings": "on",
    "statement_timeout": "1min",
}
KEEPALIVES = {  # which a Unix socket does not have
    "tcp_keepalives_count": "3",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_user_timeout": "30000",  # milliseconds
}
SPOILT = {
    "idle_session_timeout": "'3s'",
    "lock_timeout": "'1ms'",
    "standard_conforming_strings": "off",
    "statement_timeout": "'1ms'",
}


def shown(connection: psycopg.Connection[tuple[object, ...]], *names: str) -> dict[str, object]:
    return {name: (connection.execute(f"SHOW {name}".encode()).fetchone() or [None])[0] for name in names}


def test_an_unsettled_connection_sends_nothing(database: Database) -> None:
    with connect(database.url, application_name="silent", settled=False):
        assert database.value("SELECT query FROM pg_stat_activity WHERE application_name = 'silent'") == ""


def test_an_ordinary_role_is_settled_whatever_its_defaults_are(database: Database) -> None:
    for name, value in SPOILT.items():
        database.query(f"ALTER ROLE nobody IN DATABASE {database.name} SET {name} = {value}")
    url = DatabaseUrl(value=database.as_role("nobody"))
    with connect(url, application_name="a test") as connection:
        assert shown(connection, *SETTINGS) == SETTINGS
    with connect(url, application_name="a test", settled=False) as connection:
        assert shown(connection, "lock_timeout", "standard_conforming_strings") == {
            "lock_timeout": "1ms",
            "standard_conforming_strings": "off",
        }


def test_settings_of_a_transaction_end_with_it(database: Database) -> None:
    with connect(database.url, application_name="a test", settled=False) as connection:
        before = shown(connection, *SETTINGS)
        with connection.transaction():
            settle(connection, local=True)
            assert shown(connection, *SETTINGS) == SETTINGS
        assert shown(connection, *SETTINGS) == before


def test_a_reset_forgets_the_session_and_settles_it_anew(database: Database) -> None:
    with connect(database.url, application_name="a test") as connection:
        connection.execute(
            "SET search_path = nowhere; SET lock_timeout = '7s'; SET application_name = 'other'; SET client_encoding = "
            "'LATIN1'; CREATE TEMP TABLE left_behind (); PREPARE left_behind AS SELECT 1; LISTEN left_behind"
        )
        reset(connection)
        assert shown(connection, *SETTINGS) == SETTINGS
        assert shown(connection, "search_path", "application_name", "client_encoding") == {
            "search_path": '"$user", public',
            "application_name": "a test",
            "client_encoding": "UTF8",
        }
        left = connection.execute(
            "SELECT to_regclass('left_behind'), (SELECT count(*) FROM pg_prepared_statements), "
            "(SELECT count(*) FROM pg_listening_channels())"
        )
        assert left.fetchone() == (None, 0, 0)


def test_a_reset_right_after_a_commit_needs_no_round_trip_of_its_own(database: Database) -> None:
    with connect(database.url, application_name="a test") as connection:
        with connection.pipeline():
            for statement in ("BEGIN", "SET lock_timeout = '7s'", "COMMIT"):
                connection.execute(statement.encode())
            reset(connection)
        assert shown(connection, *SETTINGS) == SETTINGS


def test_a_lost_connection_cannot_be_reset(database: Database) -> None:
    with connect(database.url, application_name="a test") as connection:
        database.query("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)
        with pytest.raises(DatabaseUnusable, match="the connection to the database was lost"):
            reset(connection)


def test_what_the_url_says_counts_more_than_our_keepalives(database: Database) -> None:
    def client_side(more: str) -> dict[str, str]:
        url = DatabaseUrl(value=database.url.value + more)
        with connect(url, application_name="a test") as connection:
            return connection.info.get_parameters()

    ours = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "tcp_user_timeout": "30000"}
    assert client_side("").items() >= {**ours, "connect_timeout": "10"}.items()
    given = client_side("&keepalives_idle=7&tcp_user_timeout=1&connect_timeout=3")
    assert given.items() >= {**ours, "keepalives_idle": "7", "tcp_user_timeout": "1", "connect_timeout": "3"}.items()


SLEEPER = """
import sys
from runner.core.database_url import DatabaseUrl
from runner.postgres.session import connect
connect(DatabaseUrl(value=sys.argv[1]), application_name="sleeper").execute("SELECT pg_sleep(60)")
"""


def test_the_server_ends_the_statement_of_a_runner_that_was_killed(database: Database) -> None:
    asleep = "SELECT pid FROM pg_stat_activity WHERE application_name = 'sleeper' AND query = 'SELECT pg_sleep(60)'"
    process = subprocess.Popen(
        [sys.executable, "-c", SLEEPER, database.url.value], env={**os.environ, "PYTHONPATH": str(PACKAGE.parent)}
    )
    try:
        wait_for(lambda: bool(database.query(asleep)), 20)
    finally:
        process.kill()
        process.wait()
    wait_for(lambda: not database.query(asleep), 10)


def wait_for(true: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


@dataclass(frozen=True)
class Listening:
    """A server that also listens on a port of 127.0.0.1."""

    durable: DurableServer
    port: int

    @property
    def socket(self) -> DatabaseUrl:
        """By its Unix socket, which has the port in its name."""
        return DatabaseUrl(value=f"{self.durable.server.url().value}&port={self.port}")


@pytest.fixture(scope="module", params=VERSIONS, ids=lambda version: f"pg{version}")
def restarting(request: pytest.FixtureRequest) -> Iterator[Listening]:
    """A server of this module's own, which also listens on an address of its own."""
    with durable_server(request.param) as server:
        access = server.server.folder / "pg_hba.conf"
        access.write_text("host all all 127.0.0.0/8 trust\n" + access.read_text())
        yield Listening(server, server.listen("127.0.0.1"))


def test_keepalives_reach_the_server_where_there_is_a_network(restarting: Listening) -> None:
    url = DatabaseUrl(value=f"postgresql://postgres@127.0.0.1:{restarting.port}/postgres")
    with connect(url, application_name="a test") as connection:
        assert shown(connection, *KEEPALIVES) == KEEPALIVES


def test_a_restart_of_the_server_is_waited_for(restarting: Listening) -> None:
    def open_connection() -> psycopg.Connection[tuple[object, ...]]:
        return connect(restarting.socket, application_name="a test")

    restarting.durable.stop()
    with pytest.raises(NotReady):
        open_connection()
    restart = threading.Timer(0.5, restarting.durable.restart)
    restart.start()
    with reconnect(open_connection, patience=timedelta(seconds=10)) as connection:
        assert shown(connection, "lock_timeout") == {"lock_timeout": "30s"}
    restart.join()


def test_patience_with_a_server_ends(restarting: Listening) -> None:
    folder = restarting.durable.server.folder / "nothing-here"
    url = DatabaseUrl(value=f"postgresql:///postgres?host={folder}&user=postgres")
    tries = []

    def open_connection() -> psycopg.Connection[tuple[object, ...]]:
        tries.append(time.monotonic())
        return connect(url, application_name="a test")

    with pytest.raises(DatabaseUnusable, match="No such file"):
        reconnect(open_connection, patience=timedelta(seconds=1))
    assert len(tries) > 2
    assert tries[-1] - tries[0] <= 1


@pytest.mark.parametrize(
    ("role", "password", "message"),
    [(SCRAM_ROLE, "wrong", "password authentication failed"), ("not_there", "", "does not exist")],
)
def test_what_will_not_pass_is_not_tried_again(database: Database, role: str, password: str, message: str) -> None:
    tries = []

    def open_connection() -> psycopg.Connection[tuple[object, ...]]:
        tries.append(role)
        return connect(DatabaseUrl(value=database.as_role(role, password)), application_name="a test")

    with pytest.raises(DatabaseUnusable, match=message):
        reconnect(open_connection, patience=timedelta(seconds=10))
    assert tries == [role]
