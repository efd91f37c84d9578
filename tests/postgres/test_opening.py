"""A connection that is opened while another one is at work."""

import os
import signal
import threading
import time
from collections.abc import Iterator

import pytest

from runner.core.database_url import DatabaseUrl
from runner.errors import DatabaseUnusable
from runner.postgres.opening import opening
from runner.postgres.session import Connection, connect
from tests.conftest import Database


def test_it_is_opened_meanwhile(database: Database) -> None:
    with database.connect() as first, opening(database.connect) as second:
        assert first.execute("SELECT 1").fetchone() == (1,)
        assert second.result().execute("SELECT 2").fetchone() == (2,)
    assert second.result().closed


def test_it_is_closed_also_when_nobody_asked_for_it(database: Database) -> None:
    opened = []

    def open_connection() -> Connection:
        opened.append(database.connect())
        return opened[0]

    with opening(open_connection):
        pass
    assert [connection.closed for connection in opened] == [True]


def test_what_kept_it_from_being_opened_is_raised_where_it_is_asked_for(database: Database) -> None:
    url = DatabaseUrl(value=database.as_role("not_there"))
    refused = pytest.raises(DatabaseUnusable, match='role "not_there" does not exist')
    with opening(lambda: connect(url, application_name="a test")) as opened, refused:
        opened.result()
    with opening(lambda: connect(url, application_name="a test")):
        pass  # and nowhere else


def test_one_that_hangs_is_not_waited_for_but_closed_when_it_comes(database: Database) -> None:
    hangs, came = threading.Event(), threading.Event()
    opened = []

    def open_connection() -> Connection:
        hangs.wait(20)
        opened.append(database.connect())
        came.set()
        return opened[0]

    with opening(open_connection) as later:
        began = time.monotonic()
    assert time.monotonic() - began < 5
    hangs.set()
    assert came.wait(20)
    later.result()
    deadline = time.monotonic() + 5
    while not opened[0].closed:
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def interrupting() -> Iterator[None]:
    """SIGTERM raises, as in a run."""

    def stop(*_: object) -> None:
        raise KeyboardInterrupt("stopped")

    before = signal.signal(signal.SIGTERM, stop)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("interrupting")
def test_a_signal_interrupts_who_waits_for_it(database: Database) -> None:
    hangs = threading.Event()
    masks = []

    def open_connection() -> Connection:
        masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, ()))
        hangs.wait(20)
        return database.connect()

    began = time.monotonic()
    threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM)).start()
    with pytest.raises(KeyboardInterrupt, match="stopped"), opening(open_connection) as opened:
        opened.result()
    assert time.monotonic() - began < 5
    hangs.set()
    opened.result().close()
    assert {signal.SIGINT, signal.SIGTERM} <= masks[0]
    assert signal.pthread_sigmask(signal.SIG_BLOCK, ()).isdisjoint({signal.SIGINT, signal.SIGTERM})
