"""The second connection of a run. It holds the mutex: a session-level advisory lock that dies with the session."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta

from psycopg import sql

from runner.core.durations import in_words
from runner.errors import DatabaseUnusable, Finding, Level, MutexHeld
from runner.postgres.pooler import backend_pid, direct
from runner.postgres.session import SHARED, Connection, usable

POLL = timedelta(milliseconds=250)
REMIND = timedelta(seconds=10)
TRIES_TO_UNLOCK = 10

TRY = "SELECT pg_try_advisory_lock(%s), pg_backend_pid()"
UNLOCK = "SELECT pg_advisory_unlock(%s), pg_backend_pid()"
# The key of a row of pg_locks that is an advisory lock held in this database, as pg_try_advisory_lock(bigint) takes it:
# https://www.postgresql.org/docs/current/view-pg-locks.html
HELD_KEY = sql.SQL("""
    locktype = 'advisory' AND granted AND objsubid = 1
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    AND (classid::bigint << 32) | objid::bigint""")
HOLDER = sql.SQL("""
    SELECT pid, application_name, usename, client_addr::text, now() - backend_start
    FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {held_key} = %s""").format(held_key=HELD_KEY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutex:
    """The lock that a run holds, and the server process that holds it for us."""

    key: int
    holder: int
    connection: Connection = field(repr=False)  # the watcher's, of which the mutex is a part


def mutex_key(schema: str) -> int:
    """The advisory lock of a ledger: one a tracking schema (the server keeps them apart by database)."""
    return int.from_bytes(hashlib.sha256(f"db-migrate:{schema}".encode()).digest()[:8], signed=True)


def take_mutex(connection: Connection, schema: str, *, wait: timedelta, tell: Callable[[str], None]) -> Mutex:
    """Take the mutex; it is held until the connection ends. Polls, as a waiting lock request would hold a snapshot
    and block CREATE INDEX CONCURRENTLY. Raises MutexHeld after `wait`, naming the holder, and DatabaseUnusable when the
    connection turns out to have no session of its own.
    """
    key = mutex_key(schema)
    started = time.monotonic()
    told_at = None
    taken, backend = _ask(connection, TRY, key)
    while not taken:
        waited = timedelta(seconds=time.monotonic() - started)
        if waited >= wait:
            raise MutexHeld(
                Finding(
                    f"another run migrates this database: {_holder(connection, key)}",
                    hint=f"waited {in_words(waited)}; try again when it has ended, or wait longer with `lock-wait`",
                )
            )
        if told_at is None or waited - told_at >= REMIND:
            told_at = waited
            tell(f"waiting for another run: {_holder(connection, key)}")
        time.sleep(min(POLL, wait - waited) / timedelta(seconds=1))
        taken, backend = _ask(connection, TRY, key)
    mutex = Mutex(key=key, holder=backend, connection=connection)
    if not direct(connection, backend) and backend_pid(connection) != backend:
        raise DatabaseUnusable(_undone(mutex))
    return mutex


def _undone(mutex: Mutex) -> Finding:
    """What to say of a connection whose session changed, once the lock is found again and given back."""
    for _ in range(TRIES_TO_UNLOCK):
        unlocked, _ = _ask(mutex.connection, UNLOCK, mutex.key)
        if unlocked:
            return SHARED
    return replace(SHARED, detail=f"the server's process {mutex.holder} may still hold the lock: end it")


def release_mutex(mutex: Mutex) -> Finding | None:
    """Give the mutex back before its connection is closed. Needed only behind a pooler, which keeps the server's
    session for others and may not clean it; elsewhere nothing is sent. Returns a warning when it was no longer held.
    """
    if direct(mutex.connection, mutex.holder) or _ask(mutex.connection, UNLOCK, mutex.key) == (True, mutex.holder):
        return None
    return Finding(
        "the mutex was lost while this run held it",
        level=Level.WARNING,
        hint="something between runner and server changed the session: give the URL of the server itself",
    )


def _ask(connection: Connection, query: str, key: int) -> tuple[bool, int]:
    """Whether it was taken or given back, and the server's process that says so."""
    with usable(connection):
        row = connection.execute(query.encode(), [key]).fetchone()
    return row or (False, 0)


def _holder(connection: Connection, key: int) -> str:
    with usable(connection):
        row = connection.execute(HOLDER, [key], binary=True).fetchone()
    if row is None:
        return "it has just ended"
    pid, application, user, address, age = row
    where = f" from {address}" if address else ""
    since = f", connected for {in_words(age)}" if age is not None else ""  # other roles' sessions may be hidden
    return f"{application or 'a session'}, role {user}{where}, pid {pid}{since}"
