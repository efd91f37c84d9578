"""The instruments themselves: a durable server counts its flushes and keeps what it committed."""

from collections.abc import Callable

import psycopg
import pytest

from runner.postgres.session import connect
from tests.faults.servers import DurableServer

OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'the client'"


@pytest.fixture
def durable(durable_servers: Callable[[int], DurableServer], version: int) -> DurableServer:
    return durable_servers(version)


def committed(durable: DurableServer, times: int, setting: str) -> int:
    """How many flushes so many commits cost."""
    url = durable.server.url()
    with connect(url, application_name="a test") as observer:
        before = durable.flushes()
        with connect(url, application_name="the client") as client:
            client.execute(f"SET synchronous_commit = {setting}".encode())
            for _ in range(times):
                client.execute("COMMENT ON DATABASE postgres IS 'x'")
        while observer.execute(OTHERS).fetchone() != (0,):
            pass
    return durable.flushes() - before


def test_each_commit_that_waits_is_one_flush_and_others_are_none(durable: DurableServer) -> None:
    assert committed(durable, 50, "on") == 50
    assert committed(durable, 50, "off") <= 1


def test_a_restart_ends_sessions_and_keeps_what_was_committed(durable: DurableServer) -> None:
    url = durable.server.url()
    with connect(url, application_name="a test") as client:
        client.execute("CREATE TABLE kept ()")
        durable.restart()
        with pytest.raises(psycopg.OperationalError):
            client.execute("SELECT 1")
    with connect(url, application_name="a test") as client:
        client.execute("DROP TABLE kept")
