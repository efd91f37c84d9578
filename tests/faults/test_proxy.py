"""The instruments themselves: what the proxy counts, delays, cuts and swallows is what really went by."""

import threading
import time
from collections.abc import Callable

import psycopg
import pytest
from psycopg.generators import fetch
from psycopg.pq import ExecStatus

from runner.core.database_url import DatabaseUrl
from runner.postgres.session import Connection
from tests.conftest import Database
from tests.faults.messages import (
    CANCEL,
    ENCRYPT,
    START,
    Frame,
    Frames,
    Message,
    is_commit,
    is_commit_answer,
    parameters,
)
from tests.faults.proxy import Proxy, proxy_to

ENCRYPTION = bytes.fromhex("0000000804d2162f")
STARTING = b"\0\0\0\x2b\0\3\0\0user\0postgres\0application_name\0me\0\0"
QUERY = b"Q\0\0\0\rSELECT 1\0"


def opened(url: DatabaseUrl, name: str = "the client") -> Connection:
    """Without the settings that the program's own sessions get."""
    return psycopg.connect(url.value, autocommit=True, prepare_threshold=None, application_name=name)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_messages_are_found_however_the_network_cuts_them(size: int) -> None:
    stream = ENCRYPTION + STARTING + QUERY + QUERY + b"X\0\0\0\x04" + b"Q\0\0"
    frames = Frames(from_client=True)
    found: list[Frame] = []
    for start in range(0, len(stream), size):
        found += frames.feed(stream[start : start + size])
    assert [frame.kind for frame in found] == [ENCRYPT, START, "Q", "Q", "X"]
    assert b"".join(frame.data for frame in found) + frames.rest == stream
    assert parameters(found[1]) == {"user": "postgres", "application_name": "me", "": ""}


def test_a_request_to_cancel_is_no_start() -> None:
    [found] = Frames(from_client=True).feed(bytes.fromhex("0000001004d2162e0000000100000002"))
    assert found.kind == CANCEL


def test_each_answer_that_is_waited_for_is_a_turn(database: Database, proxy: Proxy) -> None:
    with opened(proxy.url(database.name)) as client:
        assert (proxy.turns, proxy.connections) == (0, 1)
        for _ in range(3):
            client.execute("SELECT 1")
        assert proxy.turns == 3
        client.execute("SELECT repeat('x', 10000000)")
        assert proxy.turns == 4
    assert proxy.turns == 4


def test_what_is_sent_ahead_is_one_turn(database: Database) -> None:
    with proxy_to(database.server.folder, delay=0.02) as proxy:
        with opened(proxy.url(database.name)) as client, client.pipeline():
            for number in range(200):
                client.execute("SELECT %s, repeat('x', 300)", [number])
        assert proxy.turns == 1
        assert proxy.messages("the client") > 1000


def test_what_is_sent_while_answers_come_in_is_the_turn_under_way(database: Database) -> None:
    """Two are always under way, so that each turn takes two on."""
    with proxy_to(database.server.folder, delay=0.1) as proxy, opened(proxy.url(database.name)) as client:
        wire = client.pgconn
        wire.enter_pipeline_mode()

        def ask() -> None:
            wire.send_query_params(b"SELECT 1", None)
            wire.pipeline_sync()

        def hear() -> None:
            while (result := client.wait(fetch(wire))) is None or result.status != ExecStatus.PIPELINE_SYNC:
                pass

        ask()
        for _ in range(9):
            ask()
            hear()
        hear()
        wire.exit_pipeline_mode()
        assert proxy.turns in {5, 6}


def test_turns_of_all_connections_are_added(database: Database, proxy: Proxy) -> None:
    url = proxy.url(database.name)
    with opened(url) as one, opened(url, "another") as other:
        one.execute("SELECT 1")
        other.execute("SELECT 1")
    assert (proxy.turns, proxy.connections) == (2, 2)
    assert [link.application for link in proxy.links] == ["the client", "another"]


def test_the_distance_is_there_in_each_direction(database: Database) -> None:
    with proxy_to(database.server.folder, delay=0.1) as proxy, opened(proxy.url(database.name)) as client:
        started = time.monotonic()
        client.execute("SELECT 1")
        assert 0.2 <= time.monotonic() - started < 1


def test_the_distance_does_not_narrow_the_line(database: Database) -> None:
    """20 MB are hundreds of chunks: each waiting for the one before would take a minute."""
    with proxy_to(database.server.folder, delay=0.1) as proxy, opened(proxy.url(database.name)) as client:
        started = time.monotonic()
        [size] = client.execute("SELECT repeat('x', 20000000)").fetchall()
        assert len(size[0]) == 20_000_000
        client.execute("SELECT length(%s)", [size[0]])
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("reset", [True, False])
def test_a_cut_ends_every_connection_and_new_ones_are_welcome(database: Database, proxy: Proxy, *, reset: bool) -> None:
    url = proxy.url(database.name)
    with opened(url) as one, opened(url) as other:
        proxy.cut(reset=reset)
        for client in (one, other):
            with pytest.raises(psycopg.OperationalError):
                client.execute("SELECT 1")
    with opened(url) as client:
        client.execute("SELECT 1")


def test_nobody_is_there_while_it_is_away(database: Database, proxy: Proxy) -> None:
    proxy.away = True
    with pytest.raises(psycopg.OperationalError):
        opened(proxy.url(database.name))
    proxy.away = False
    opened(proxy.url(database.name)).close()


def commit(client: Connection) -> None:
    with client.transaction():
        client.execute("CREATE TABLE t ()")


def commit_ahead(client: Connection) -> None:
    with client.pipeline(), client.transaction():
        client.execute("CREATE TABLE t ()")


def commit_prepared(client: Connection) -> None:
    client.execute("BEGIN")
    client.execute("CREATE TABLE t ()")
    client.execute("COMMIT", prepare=True)


@pytest.mark.parametrize("way", [commit, commit_ahead, commit_prepared])
@pytest.mark.parametrize(("place", "stays"), [(is_commit, False), (is_commit_answer, True)])
def test_a_lost_commit_was_committed_or_not(
    database: Database,
    proxy: Proxy,
    way: Callable[[Connection], None],
    place: Callable[[Message], bool],
    *,
    stays: bool,
) -> None:
    trap = proxy.trap(place, proxy.cut, swallow=True)
    client = opened(proxy.url(database.name))
    with pytest.raises(psycopg.OperationalError):
        way(client)
    client.close()
    assert trap.sprung.is_set()
    others = "SELECT pid FROM pg_stat_activity WHERE application_name = 'the client'"
    while database.query(others):
        time.sleep(0.01)
    assert (database.tables() == {"t"}) is stays


def test_a_trap_springs_once_at_its_message_with_everything_before_it_sent(database: Database, proxy: Proxy) -> None:
    database.query("CREATE TABLE t (id int)")
    seen: list[object] = []

    def spring() -> None:
        time.sleep(0.2)
        seen.append(database.value("SELECT count(*) FROM t"))

    trap = proxy.trap(lambda message: message.text.startswith("INSERT INTO t VALUES (2)"), spring)
    with opened(proxy.url(database.name)) as client:
        for number in (1, 2, 2, 3):
            client.execute(f"INSERT INTO t VALUES ({number})".encode())
    assert trap.sprung.is_set()
    assert seen == [1]
    assert database.query("SELECT id FROM t") == [(1,), (2,), (2,), (3,)]


def test_messages_are_numbered_for_each_application(database: Database, proxy: Proxy) -> None:
    numbers: dict[str, list[int]] = {"one": [], "two": []}

    def note(message: Message) -> bool:
        numbers[message.application].append(message.number)
        return False

    proxy.trap(note, lambda: None)
    with opened(proxy.url(database.name), "one") as one, opened(proxy.url(database.name), "two") as two:
        for client in (one, two, one):
            client.execute("SELECT 1")
    assert numbers["one"] == list(range(1, len(numbers["one"]) + 1))
    assert len(numbers["one"]) > len(numbers["two"]) > 4
    assert proxy.messages("one") == len(numbers["one"])


def test_a_cancellation_goes_through(database: Database, proxy: Proxy) -> None:
    with opened(proxy.url(database.name)) as client:
        client.execute("SET statement_timeout = '20s'")
        threading.Timer(0.3, client.cancel_safe).start()
        with pytest.raises(psycopg.errors.QueryCanceled, match="user request"):
            client.execute("SELECT pg_sleep(30)")
    assert proxy.connections == 1


def test_what_goes_wrong_in_a_trap_is_told(database: Database) -> None:
    def fail() -> None:
        raise RuntimeError("the trap is broken")

    def use() -> None:
        with proxy_to(database.server.folder) as proxy:
            proxy.trap(lambda _: True, fail)
            with pytest.raises(psycopg.OperationalError), opened(proxy.url(database.name)) as client:
                client.execute("SELECT 1")

    with pytest.raises(RuntimeError, match="the trap is broken"):
        use()
