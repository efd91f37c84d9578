"""The watcher beside a real worker: who is in the way, who waits behind it, what it holds, how far it is."""

import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest

from runner.core.database_url import DatabaseUrl
from runner.core.policies import WatchPolicy
from runner.core.samples import Sample
from runner.errors import Finding, Level
from runner.postgres.session import Connection, connect
from runner.postgres.watch import INTERVAL, RECENT, Watch
from tests.conftest import ON_NEWEST, Database

PATIENCE = 20.0  # seconds until a test gives up to wait
NO_LIMIT = WatchPolicy()
SLOW_FUNCTION = (
    "CREATE FUNCTION slow(a int) RETURNS int IMMUTABLE LANGUAGE plpgsql AS "
    "'BEGIN PERFORM pg_sleep(0.01); RETURN a; END'"
)


@dataclass
class Watched:
    """A worker and the watch over it."""

    worker: Connection
    watcher: Connection
    watch: Watch
    told: Sequence[str]
    warned: Sequence[Finding]
    threads: list[threading.Thread] = field(default_factory=list)
    errors: list[psycopg.Error] = field(default_factory=list)

    def in_background(self, connection: Connection, sql: str) -> threading.Thread:
        """Execute a statement that may wait; what the server says of it is in `errors`."""

        def execute() -> None:
            try:
                connection.execute(sql.encode())
            except psycopg.Error as error:
                self.errors.append(error)

        thread = threading.Thread(target=execute)
        self.threads.append(thread)
        thread.start()
        return thread

    def finish(self) -> None:
        """Wait for all of these statements."""
        for thread in self.threads:
            thread.join(PATIENCE)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, "it did not come to that"
        time.sleep(0.01)


@contextmanager
def watching(database: Database, policy: WatchPolicy = NO_LIMIT, **others: object) -> Iterator[Watched]:
    told: list[str] = []
    warned: list[Finding] = []
    with ExitStack() as stack:
        worker = stack.enter_context(connect(database.url, application_name="worker"))
        watcher = stack.enter_context(connect(database.url, application_name="watcher"))
        watch = Watch(
            watcher,
            worker=worker.info.backend_pid,
            policy=policy,
            tell=told.append,
            warn=warned.append,
            **others,  # type: ignore[arg-type]
        )
        stack.enter_context(watch)
        watched = Watched(worker, watcher, watch, told, warned)
        try:
            yield watched
        finally:
            if not worker.closed:
                worker.cancel_safe()
            watched.finish()


@pytest.fixture
def reader(database: Database) -> Iterator[Connection]:
    """A session that has read the table `t`, and is idle in its transaction."""
    database.query("CREATE TABLE t AS SELECT 1 AS a")
    with connect(database.url, application_name="reporting") as connection:
        connection.execute("BEGIN; SELECT a /* for   the\nboard */ FROM t")
        yield connection
        connection.rollback()


# Who is in the way


def test_tells_who_is_in_the_way_of_the_worker(database: Database, reader: Connection) -> None:
    began = time.monotonic()
    with watching(database) as watched:
        watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.told)
        sessions = watched.watch.in_the_way(began)
        assert watched.watch.in_the_way(time.monotonic() + 60) == ()
        reader.rollback()
        watched.finish()
    [session] = sessions
    assert (session.pid, session.application, session.role) == (reader.info.backend_pid, "reporting", "postgres")
    assert (session.state, session.query) == ("idle in transaction", "BEGIN; SELECT a FROM t")
    assert session.age is not None
    assert timedelta() < session.age < timedelta(seconds=PATIENCE)
    [line] = watched.told
    assert line.startswith("waiting for ACCESS EXCLUSIVE on t, for 1.")
    assert f"in the way: pid {session.pid}, reporting, role postgres, idle in transaction for " in line
    assert (watched.errors, watched.warned) == ([], [])


def test_a_text_goes_through_the_scrubber_before_it_is_cut(database: Database, reader: Connection) -> None:
    reader.execute(b"SELECT a AS %s, a AS s3cret FROM t" % (b"x" * 60 + b", a AS " + b"y" * 29))
    with watching(database, scrub=lambda text: text.replace("s3cret", "***")) as watched:
        watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.in_the_way(0))
        [session] = watched.watch.in_the_way(0)
        reader.rollback()
    assert len(session.query) == 120
    assert "s3" not in session.query


@ON_NEWEST
@pytest.mark.parametrize("more", ["", " " + "x" * 2000], ids=["whole", "cut-off-by-the-server"])
def test_values_of_other_peoples_queries_are_not_told(database: Database, reader: Connection, more: str) -> None:
    reader.execute(f"ALTER ROLE nobody PASSWORD 'hunter2{more}'".encode())
    with watching(database) as watched:
        watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.told)
        [session] = watched.watch.in_the_way(0)
        reader.rollback()
    assert session.query == "ALTER ROLE nobody PASSWORD '…'"
    assert "hunter2" not in watched.told[0]


@ON_NEWEST
def test_who_is_no_longer_in_the_way_is_not_named(database: Database, reader: Connection) -> None:
    database.query("CREATE TABLE u (a int)")
    began = time.monotonic()
    with watching(database) as watched, database.connect() as guilty:
        guilty.execute("BEGIN; SELECT FROM u")
        alter = watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.in_the_way(began))
        reader.rollback()
        alter.join(PATIENCE)
        watched.worker.execute("SET lock_timeout = '600ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            watched.worker.execute("ALTER TABLE u ADD COLUMN b int")
        assert [session.pid for session in watched.watch.in_the_way(began)] == [guilty.info.backend_pid]
        time.sleep(RECENT)
        assert watched.watch.in_the_way(began) == ()


def test_a_role_that_sees_little_still_learns_who_it_is(database: Database, reader: Connection) -> None:
    reader.commit()
    database.query("ALTER TABLE t OWNER TO nobody")
    reader.execute("BEGIN; SELECT FROM t")
    nobody = DatabaseUrl(value=database.as_role("nobody"))
    warned: list[Finding] = []
    with (
        connect(nobody, application_name="worker") as worker,
        connect(nobody, application_name="watcher") as watcher,
        Watch(watcher, worker=worker.info.backend_pid, policy=NO_LIMIT, tell=print, warn=warned.append) as watch,
        database.connect() as late,
    ):
        waits = [
            threading.Thread(target=worker.execute, args=["ALTER TABLE t ADD COLUMN b int"]),
            threading.Thread(target=late.execute, args=["SELECT FROM t"]),
        ]
        waits[0].start()
        until(lambda: watch.in_the_way(0))
        waits[1].start()
        until(lambda: watch.watched.largest_queue == 1)  # of another role as well
        [session] = watch.in_the_way(0)
        reader.rollback()
        for wait in waits:
            wait.join(PATIENCE)
    assert (session.pid, session.application, session.role) == (reader.info.backend_pid, "reporting", "postgres")
    assert (session.state, session.age, session.query, warned) == ("", None, "", [])


@ON_NEWEST
@pytest.mark.parametrize("by", ["at-first", "later"])
def test_a_short_lock_timeout_is_sampled_as_well(database: Database, reader: Connection, by: str) -> None:
    limit = timedelta(milliseconds=100)
    with watching(database, limit=limit if by == "at-first" else timedelta()) as watched:
        if by == "later":
            watched.watch.limit = limit
        watched.worker.execute("SET lock_timeout = '100ms'")
        for attempt in range(8):
            time.sleep(attempt / 20)
            began = time.monotonic()
            with pytest.raises(psycopg.errors.LockNotAvailable):
                watched.worker.execute("ALTER TABLE t ADD COLUMN b int")
            assert [session.pid for session in watched.watch.in_the_way(began)] == [reader.info.backend_pid]


# Who waits behind it


def test_counts_who_waits_behind_the_worker(database: Database, reader: Connection) -> None:
    with watching(database) as watched, ExitStack() as stack:
        watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.in_the_way(0))
        for _ in range(3):
            late = stack.enter_context(database.connect())
            watched.in_background(late, "SELECT FROM t")
        until(lambda: watched.watch.watched.largest_queue == 3)
        time.sleep(0.6)
        reader.rollback()
        watched.finish()
    seen = watched.watch.watched
    assert seen.largest_queue == 3
    assert timedelta(seconds=0.3) < seen.longest_wait < timedelta(seconds=PATIENCE)
    assert (watched.watch.take_reason(), watched.errors) == ("", [])


def test_who_waits_for_somebody_else_does_not_count(database: Database, reader: Connection) -> None:
    database.query("CREATE TABLE u (a int)")
    with watching(database, WatchPolicy(sessions=1)) as watched, database.connect() as one, database.connect() as two:
        watched.worker.execute("BEGIN; LOCK TABLE u")
        for other in (one, two):
            watched.in_background(other, "BEGIN; LOCK TABLE t; COMMIT")
        until(lambda: database.value("SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'") == 2)
        time.sleep(0.6)
        reader.rollback()
        watched.worker.commit()
        watched.finish()
    assert watched.watch.watched.largest_queue == 0


@ON_NEWEST
def test_a_wait_counts_from_when_it_was_the_workers_doing(database: Database, reader: Connection) -> None:
    database.query("CREATE TABLE u (a int)")
    with watching(database) as watched, database.connect() as late:
        watched.worker.execute("BEGIN; LOCK TABLE u")
        watched.in_background(late, "BEGIN; LOCK TABLE t; COMMIT")
        time.sleep(3)  # for the reader, and not for the worker
        began = time.monotonic()
        watched.in_background(reader, "LOCK TABLE u")
        until(lambda: watched.watch.watched.largest_queue == 2)
        longest, most = watched.watch.watched.longest_wait, time.monotonic() - began
        watched.worker.commit()
        until(lambda: not watched.threads[-1].is_alive())
        reader.rollback()
        watched.finish()
    assert longest <= timedelta(seconds=most) + INTERVAL
    assert watched.errors == []


def test_a_vacuum_may_wait_behind_a_concurrent_index(database: Database, reader: Connection) -> None:
    reader.execute("INSERT INTO t VALUES (2)")
    limits = WatchPolicy(time=timedelta(seconds=0.5))
    with watching(database, limits) as watched, database.connect() as vacuum:
        watched.in_background(watched.worker, "CREATE INDEX CONCURRENTLY t_a ON t (a)")
        until(lambda: watched.watch.in_the_way(0))
        watched.in_background(vacuum, "VACUUM t")
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND mode = 'ShareUpdateExclusiveLock'"
        until(lambda: database.value(waiting) == 1)
        time.sleep(1)
        reader.rollback()
        watched.finish()
    assert watched.errors == []
    assert watched.watch.watched.largest_queue == 0


def test_who_reads_behind_somebody_who_waits_for_a_concurrent_index_counts(
    database: Database, reader: Connection
) -> None:
    reader.execute("INSERT INTO t VALUES (2)")
    limits = WatchPolicy(time=timedelta(seconds=0.5))
    with watching(database, limits) as watched, database.connect() as alter, database.connect() as late:
        build = watched.in_background(watched.worker, "CREATE INDEX CONCURRENTLY t_a ON t (a)")
        until(lambda: watched.watch.in_the_way(0))
        watched.in_background(alter, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.watched.largest_queue == 1 or not build.is_alive())
        watched.in_background(late, "SELECT FROM t")
        build.join(PATIENCE)
        assert not build.is_alive()
        reader.rollback()
        watched.finish()
    assert [type(error) for error in watched.errors] == [psycopg.errors.QueryCanceled]


@pytest.mark.usefixtures("reader")
def test_cancels_the_worker_when_too_many_wait(database: Database) -> None:
    with watching(database, WatchPolicy(sessions=2)) as watched, ExitStack() as stack:
        alter = watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.in_the_way(0))
        late = [stack.enter_context(database.connect()) for _ in range(3)]
        readers = [watched.in_background(connection, "SELECT FROM t") for connection in late[:2]]
        until(lambda: watched.watch.watched.largest_queue == 2)
        time.sleep(0.6)
        assert alter.is_alive()  # as many as may wait
        readers.append(watched.in_background(late[2], "SELECT FROM t"))
        for thread in (alter, *readers):
            thread.join(PATIENCE)
            assert not thread.is_alive()
        assert watched.watch.take_reason() == "3 sessions waited behind it"
        assert watched.watch.take_reason() == ""
    [error] = watched.errors
    assert isinstance(error, psycopg.errors.QueryCanceled)


def test_cancels_the_worker_when_one_waits_for_too_long(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with watching(database, WatchPolicy(time=timedelta(seconds=0.5))) as watched, database.connect() as late:
        watched.worker.execute("BEGIN; ALTER TABLE t ADD COLUMN b int")
        work = watched.in_background(watched.worker, "SELECT pg_sleep(60)")
        select = watched.in_background(late, "SELECT FROM t")
        for thread in (work, select):
            thread.join(PATIENCE)
            assert not thread.is_alive()
        reason = watched.watch.take_reason()
        watched.worker.rollback()
    assert reason.startswith("a session waited ")
    assert reason.endswith(" ms behind it")
    assert [type(error) for error in watched.errors] == [psycopg.errors.QueryCanceled]


@ON_NEWEST
def test_a_cancel_between_two_statements_is_made_again(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with watching(database, WatchPolicy(time=timedelta(seconds=0.3))) as watched, database.connect() as late:
        watched.worker.execute("BEGIN; ALTER TABLE t ADD COLUMN b int")
        watched.in_background(late, "SELECT FROM t")
        until(lambda: watched.watch.watched.longest_wait > timedelta(seconds=0.6))
        with pytest.raises(psycopg.errors.QueryCanceled):  # the first cancel met no statement
            watched.worker.execute("SELECT pg_sleep(10)")
        watched.worker.rollback()
        assert watched.watch.take_reason().endswith("behind it")


@ON_NEWEST
def test_a_cancel_of_long_ago_is_no_reason(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with watching(database, WatchPolicy(time=timedelta(seconds=0.3))) as watched, database.connect() as late:
        watched.worker.execute("BEGIN; ALTER TABLE t ADD COLUMN b int")
        select = watched.in_background(late, "SELECT FROM t")
        until(lambda: watched.watch._reason[1])  # the cancel met no statement
        late.cancel_safe()
        select.join(PATIENCE)
        watched.worker.execute("SET LOCAL statement_timeout = '2500ms'")
        with pytest.raises(psycopg.errors.QueryCanceled):
            watched.worker.execute("SELECT pg_sleep(10)")
        assert watched.watch.take_reason() == ""
        watched.worker.rollback()


def test_a_cancel_that_comes_too_late_does_not_hit_the_next_transaction(database: Database) -> None:
    with watching(database) as watched:
        watched.worker.execute("BEGIN")
        [(begun,)] = watched.worker.execute("SELECT now()").fetchall()
        watched.worker.commit()
        sleep = watched.in_background(watched.worker, "SELECT pg_sleep(0.5)")
        watched.watch._cancel(Sample(transaction=begun), "3 sessions waited behind it", time.monotonic())
        sleep.join(PATIENCE)
        assert watched.watch.take_reason() == ""
    assert watched.errors == []


def test_without_a_limit_nobody_is_cancelled(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with watching(database) as watched, database.connect() as late:
        watched.worker.execute("BEGIN; ALTER TABLE t ADD COLUMN b int")
        watched.in_background(late, "SELECT FROM t")
        watched.worker.execute("SELECT pg_sleep(1)")
        watched.worker.commit()
    assert watched.errors == []
    assert watched.watch.watched.longest_wait > timedelta(seconds=0.3)


# What it holds


@ON_NEWEST
def test_measures_how_long_strong_locks_were_held(database: Database) -> None:
    database.query("CREATE TABLE t (a int); CREATE TABLE u (a int); CREATE TABLE v (a int); CREATE VIEW w AS SELECT")
    with watching(database) as watched:
        watched.worker.execute("CREATE TEMPORARY TABLE passing (a int)")
        watched.worker.execute("BEGIN; LOCK TABLE t; LOCK TABLE w; LOCK TABLE passing; INSERT INTO v VALUES (1)")
        watched.worker.execute("CREATE TABLE mine (a int)")
        watched.worker.execute("SELECT pg_sleep(1)")
        watched.worker.execute("LOCK TABLE u IN SHARE MODE; SELECT pg_sleep(0.5)")
        watched.worker.commit()
        watched.worker.execute("SELECT pg_sleep(0.5)")
        watched.worker.execute("BEGIN; LOCK TABLE t; SELECT pg_sleep(0.3)")
        watched.worker.commit()
    locks = watched.watch.watched.locks
    assert [(lock.relation, lock.mode) for lock in locks] == [
        ("public.t", "AccessExclusiveLock"),
        ("public.u", "ShareLock"),
    ]
    assert timedelta(seconds=1.0) < locks[0].duration < timedelta(seconds=PATIENCE)
    assert timedelta() < locks[1].duration < locks[0].duration


# How far it is


def test_tells_the_progress_of_an_index(database: Database) -> None:
    database.query("CREATE TABLE t AS SELECT 1 AS a, repeat('x', 4000) FROM generate_series(1, 400)")
    database.query("ALTER TABLE t ALTER repeat SET STORAGE plain")
    with watching(database) as watched:
        watched.worker.execute(SLOW_FUNCTION)
        watched.worker.execute("CREATE INDEX t_slow ON t (slow(a))")
    assert len(watched.told) == 1
    assert watched.told[0].startswith("building an index on t: building index: scanning table")
    assert [(lock.relation, lock.mode) for lock in watched.watch.watched.locks] == [("public.t", "ShareLock")]


def test_tells_for_whom_a_concurrent_index_waits(database: Database, reader: Connection) -> None:
    reader.execute("INSERT INTO t VALUES (2)")
    with watching(database) as watched:
        watched.in_background(watched.worker, "CREATE INDEX CONCURRENTLY t_a ON t (a)")
        until(lambda: watched.told)
        reader.rollback()
        watched.finish()
    assert watched.errors == []
    assert watched.told[0].startswith("building t_a: waiting for writers before build, 0 of 1 done; in the way: pid ")
    assert f"pid {reader.info.backend_pid}, reporting" in watched.told[0]


def test_no_snapshot_of_the_watcher_delays_a_concurrent_index(database: Database) -> None:
    database.query("CREATE TABLE t (a int)")
    with watching(database, interval=timedelta(milliseconds=1)) as watched:
        watched.worker.execute("SET statement_timeout = '10s'")
        watched.worker.execute("CREATE INDEX CONCURRENTLY t_a ON t (a)")
    assert watched.warned == []


@pytest.mark.parametrize(
    ("prepare", "sql", "text"),
    [
        pytest.param("", "VACUUM t", r"vacuuming t: scanning heap, \d+ %", id="vacuum"),
        pytest.param("", "ANALYZE t", r"analyzing t: acquiring sample rows, \d+ %", id="analyze"),
        pytest.param("CREATE INDEX ON t (slow(a))", "VACUUM FULL t", "rewriting t: rebuilding index", id="cluster"),
        pytest.param(
            "ALTER TABLE t ADD CHECK (slow(a) > 0) NOT VALID; COPY t TO '{file}'",
            "COPY t FROM '{file}'",
            r"copying t: \d+ rows, \d+ %",
            id="copy",
        ),
    ],
)
def test_reads_the_other_progress_views(database: Database, prepare: str, sql: str, text: str) -> None:
    file = f"{database.value('SHOW data_directory')}/rows"
    database.query(SLOW_FUNCTION)
    database.query("CREATE TABLE t (a int, b text) WITH (fillfactor = 10)")  # few rows on many pages
    database.query("INSERT INTO t SELECT number, repeat('x', 200) FROM generate_series(1, 300) AS number")
    database.query(prepare.format(file=file))
    with watching(database) as watched:
        watched.worker.execute("SET vacuum_cost_delay = '100ms'; SET vacuum_cost_limit = 1")
        watched.in_background(watched.worker, sql.format(file=file))
        until(lambda: any(re.match(text, line) for line in watched.told))
    assert watched.warned == []


# At the edge


def test_the_report_is_there_after_the_end(database: Database) -> None:
    with watching(database) as watched:
        pass
    assert watched.watch.watched.locks == ()
    assert watched.watch.in_the_way(0) == ()


def test_others_may_execute_on_the_watchers_connection_meanwhile(database: Database) -> None:
    with watching(database, interval=timedelta(milliseconds=1)) as watched:
        watcher = watched.watcher
        answers = [watcher.execute("SELECT %s::int", [number]).fetchone() for number in range(500)]
    assert answers == [(number,) for number in range(500)]
    assert watched.warned == []


def test_a_lost_connection_is_one_warning_and_no_more(database: Database) -> None:
    with watching(database) as watched:
        watched.worker.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'watcher' AND datname = current_database()"
        )
        until(lambda: watched.told)
        watched.worker.execute("SELECT pg_sleep(0.6)")
        assert watched.warned == []
    [line], [warning] = watched.told, watched.warned
    assert line.startswith("the watcher's connection is lost, and with it the mutex: ")
    assert warning.level is Level.WARNING
    assert warning.message.startswith("the watcher saw nothing from then on: ")


def test_a_lost_connection_is_no_warning_beside_a_failure(database: Database) -> None:
    warned: list[Finding] = []

    def fail() -> None:
        with watching(database) as watched:
            watched.watch._warn = warned.append
            watched.worker.execute("SELECT pg_terminate_backend(%s)", [watched.watcher.info.backend_pid])
            until(lambda: watched.told)
            watched.worker.execute("SELECT 1 / 0")

    with pytest.raises(psycopg.errors.DivisionByZero):
        fail()
    assert warned == []


def test_a_connection_that_the_run_itself_has_closed_is_no_news(database: Database) -> None:
    with watching(database) as watched:
        watched.watcher.close()
        until(lambda: not watched.watch._thread.is_alive())
    assert (watched.told, watched.warned) == ([], [])


@ON_NEWEST
def test_goes_on_behind_an_error_and_tells_it_once(database: Database, reader: Connection) -> None:
    with watching(database) as watched:
        watched.watcher.execute("SET lock_timeout = '50ms'")
        watched.worker.execute("BEGIN; LOCK TABLE pg_class")  # which the watcher reads
        until(lambda: watched.told)
        watched.worker.execute("SELECT pg_sleep(1)")
        watched.worker.rollback()
        watched.in_background(watched.worker, "ALTER TABLE t ADD COLUMN b int")
        until(lambda: watched.watch.in_the_way(0))
        assert len(watched.told) == 1
        reader.rollback()
        watched.finish()
    [warning] = watched.warned
    assert watched.told[0].startswith("the watcher could not look, and tries again: canceling statement due to lock")
    assert warning.message.startswith("the watcher did not see all of the run: canceling statement due to lock timeout")


@ON_NEWEST
def test_ends_soon_when_its_query_hangs(database: Database) -> None:
    with watching(database) as watched:
        watched.worker.execute("BEGIN; LOCK TABLE pg_class")  # which the watcher reads
        until(
            lambda: (
                watched.worker.execute(
                    "SELECT FROM pg_stat_activity WHERE application_name = 'watcher' AND wait_event_type = 'Lock' "
                    "AND datname = current_database()"
                ).rowcount
            )
        )
        began = time.monotonic()
        watched.watch.__exit__(None, None, None)
        assert time.monotonic() - began < 5
        assert "watch" not in {thread.name for thread in threading.enumerate()}
        watched.worker.rollback()
    assert watched.warned == []


def test_a_signal_goes_to_the_main_thread(database: Database) -> None:
    with watching(database):
        [thread] = [thread for thread in threading.enumerate() if thread.name == "watch"]
        status = Path(f"/proc/self/task/{thread.native_id}/status").read_text()
    blocked = next(int(line.split()[1], 16) for line in status.split("\n") if line.startswith("SigBlk"))
    assert all(blocked >> number - 1 & 1 for number in (signal.SIGINT, signal.SIGTERM))
    assert not signal.pthread_sigmask(signal.SIG_BLOCK, ()) & {signal.SIGINT, signal.SIGTERM}
