"""What a run costs where distance and disk cost: round trips and flushes, counted and not timed."""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from tests.conftest import ON_NEWEST, Database, _database
from tests.faults.proxy import proxy_to
from tests.faults.runs import Checkout
from tests.faults.servers import DurableServer

MANY = 320
DELAY = 0.03  # seconds in each direction, so that what is sent in one go is still on its way when its answers begin
MOST_TURNS = 33  # of a first run, which has to look for other ledgers too
MOST_TURNS_WITHOUT_WORK = 2
LOOK_EVERY = 0.25  # seconds
RUNNERS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'db-migrate %'"
OWN_FLUSHES = 3  # of a run, whatever the number of its migrations: its row with its plan, how it ended, what it left


def small(first: int, last: int) -> dict[str, str]:
    return {
        f"{n:03}_t": f"CREATE TABLE t{n} (id int);\nCOMMENT ON TABLE t{n} IS 'small';" for n in range(first, last + 1)
    }


@ON_NEWEST
def test_many_migrations_are_few_turns(checkout: Checkout, database: Database) -> None:
    """The watcher's looks go on beside: as many as there is time for, and nobody waits for them."""
    checkout.write(small(1, MANY))
    with proxy_to(database.server.folder, delay=DELAY) as proxy:
        started = time.monotonic()
        with checkout.running(proxy.url(database.name)) as run:
            ended = run.end()
        looks = (time.monotonic() - started) / LOOK_EVERY
        assert ended.exit_code == 0, ended.log
        assert len(ended.applied) == MANY
        turns = {link.application: link.turns for link in proxy.links}
        assert proxy.connections == len(turns) == 2
        assert MANY / 64 < proxy.turns <= MOST_TURNS + looks, turns
        assert max(turns.values()) <= MOST_TURNS, turns


@ON_NEWEST
def test_nothing_to_do_is_one_connection_and_two_turns(checkout: Checkout, database: Database) -> None:
    checkout.write(small(1, MANY))
    assert checkout.run(database.url).exit_code == 0
    with proxy_to(database.server.folder, delay=DELAY) as proxy:
        with checkout.running(proxy.url(database.name)) as run:
            ended = run.end()
        assert ended.outputs["outcome"] == "up-to-date"
        assert 0 < proxy.turns <= MOST_TURNS_WITHOUT_WORK
        assert proxy.connections == 1


@pytest.fixture
def durable(durable_servers: Callable[[int], DurableServer], version: int) -> Iterator[tuple[DurableServer, Database]]:
    server = durable_servers(version)
    for database in _database(server.server, "template1"):
        yield server, database


def flushed(server: DurableServer, database: Database, checkout: Checkout) -> int:
    """How many flushes a run costs."""
    before = server.flushes()
    with checkout.running(database.url) as run:
        ended = run.end()
    assert ended.exit_code == 0, ended.log
    while database.query(RUNNERS):  # a session counts when it has ended
        time.sleep(0.01)
    return server.flushes() - before


def test_each_migration_is_one_flush(checkout: Checkout, durable: tuple[DurableServer, Database]) -> None:
    server, database = durable
    checkout.write(small(1, 1))
    flushed(server, database, checkout)  # makes the ledger
    checkout.write(small(2, 21))
    few = flushed(server, database, checkout)
    assert 20 <= few <= 20 + OWN_FLUSHES + 1  # a change of the log's segment is one more
    checkout.write(small(22, 21 + MANY))
    many = flushed(server, database, checkout)
    assert MANY <= many <= MANY + OWN_FLUSHES + 2


TRANSACTIONS = "SELECT xact_commit FROM pg_stat_database WHERE datname = %s"


def transactions(database: Database, checkout: Checkout) -> int:
    """How many a first run commits."""
    with checkout.running(database.url) as run:
        ended = run.end()
    assert ended.exit_code == 0, ended.log
    elsewhere = replace(database, name="postgres")
    while elsewhere.query("SELECT FROM pg_stat_activity WHERE datname = %s", database.name):  # it counts at its end
        time.sleep(0.01)
    return int(str(elsewhere.value(TRANSACTIONS, database.name)))


@ON_NEWEST
@pytest.mark.parametrize("size", [20_000, 80_000])
def test_files_that_fill_the_window_with_few_are_marked_by_those_before_them(
    checkout: Checkout, fresh_database: Callable[[], Database], size: int
) -> None:
    """Else each would be marked in a transaction of its own, which is a commit more."""
    many = 100
    files = small(1, many)
    checkout.write(files)
    of_small = transactions(fresh_database(), checkout)
    checkout.write({name: f"{text}\nSELECT '{'x' * size}';" for name, text in files.items()})
    assert of_small <= transactions(fresh_database(), checkout) < of_small + many / 2
