"""The mutex: held by the watcher's session, and waited for without being in anybody's way."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from runner.errors import MutexHeld
from runner.postgres.embedded import EmbeddedServer
from runner.postgres.watcher import mutex_key, release_mutex, take_mutex
from tests.conftest import Database
from tests.postgres.pgbouncer import pgbouncer

HOLDERS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
NO_WAIT = timedelta()


def test_the_holder_is_the_servers_process(database: Database) -> None:
    with database.connect() as watcher:
        mutex = take_mutex(watcher, "public", wait=NO_WAIT, tell=pytest.fail)
        assert database.query(HOLDERS) == [(mutex.holder,)]
    assert database.query(HOLDERS) == []


def test_the_holder_is_the_servers_process_behind_a_pooler_too(
    database: Database, servers: Callable[[int], EmbeddedServer], version: int
) -> None:
    with pgbouncer(servers(version), pool_mode="session", server_reset_query="") as pooler:
        with pooler.database(database).connect() as watcher:
            mutex = take_mutex(watcher, "public", wait=NO_WAIT, tell=pytest.fail)
            assert database.query(HOLDERS) == [(mutex.holder,)]
            assert mutex.holder != watcher.info.backend_pid
            assert release_mutex(mutex) is None
            assert database.query(HOLDERS) == []
            warning = release_mutex(mutex)
        assert warning is not None
        assert warning.message == "the mutex was lost while this run held it"


def test_schemas_have_mutexes_of_their_own(database: Database) -> None:
    with database.connect() as one, database.connect() as other:
        take_mutex(one, "public", wait=NO_WAIT, tell=pytest.fail)
        take_mutex(other, "db_migrate", wait=NO_WAIT, tell=pytest.fail)
        with database.connect() as third, pytest.raises(MutexHeld, match="another run migrates this database: a test"):
            take_mutex(third, "public", wait=NO_WAIT, tell=pytest.fail)


def test_who_waits_is_told_who_holds_it_and_for_how_long(database: Database) -> None:
    told: list[str] = []
    with database.connect() as holder, database.connect() as waiting:
        take_mutex(holder, "public", wait=NO_WAIT, tell=pytest.fail)
        with pytest.raises(MutexHeld) as refused:
            take_mutex(waiting, "public", wait=timedelta(seconds=0.6), tell=told.append)
        who = f"a test, role postgres, pid {holder.info.backend_pid}, connected for "
    assert [text.partition(": ")[2].startswith(who) for text in told] == [True]
    assert who in str(refused.value)


def test_who_waits_gets_it_when_the_holder_is_gone_and_keeps_nobody_from_building_an_index(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    waits = threading.Event()
    taken: list[int] = []

    def wait() -> None:
        with database.connect() as waiting:
            mutex = take_mutex(waiting, "public", wait=timedelta(seconds=30), tell=lambda _: waits.set())
            taken.append(mutex.key)

    with database.connect() as holder, database.connect() as builder:
        take_mutex(holder, "public", wait=NO_WAIT, tell=pytest.fail)
        thread = threading.Thread(target=wait)
        thread.start()
        assert waits.wait(20)
        builder.execute("SET statement_timeout = '10s'")
        for number in range(5):  # each waits for every snapshot that is older
            builder.execute(f"CREATE INDEX CONCURRENTLY i{number} ON t (a)".encode())
        assert taken == []
    thread.join(30)
    assert taken == [mutex_key("public")]
