"""Statements that are transactions of their own: what the table says of them, real servers hold.

Each is made to wait in its middle by a transaction that it waits for by design, and looked at from outside: at what it
holds, and what it asks for.
"""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import psycopg
import pytest

from runner.core.documented_locks import documented_locks
from runner.core.migration import Statement
from runner.postgres.session import Connection
from tests.builders import a_migration
from tests.conftest import Database

SCHEMA = """
    CREATE TABLE users (id int PRIMARY KEY, email text);
    CREATE INDEX users_email_idx ON users (email);
    CREATE TABLE events (at date NOT NULL) PARTITION BY RANGE (at);
    CREATE TABLE events_25 PARTITION OF events FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
    INSERT INTO users VALUES (1, 'a');
    """
LOCKED = """
    SELECT DISTINCT relation::regclass::text, mode FROM pg_locks
    WHERE pid = %s AND locktype = 'relation' AND mode NOT IN ('AccessShareLock', 'RowExclusiveLock')
      AND relation::regclass::text = ANY (%s)"""
WAITS = "SELECT FROM pg_locks WHERE pid = %s AND NOT granted"


@dataclass(frozen=True)
class Case:
    sql: str
    brake: str  # what an open transaction has done that makes the statement wait
    locks: set[tuple[str, str]]  # that it holds, or waits for, then


OLD_SNAPSHOT = "SELECT 1 FROM pg_class LIMIT 1"
CASES = [
    Case(
        "CREATE INDEX CONCURRENTLY i ON users (email)", OLD_SNAPSHOT, {("users", "ShareUpdateExclusiveLock")}
    ),
    Case(
        "REINDEX TABLE CONCURRENTLY users", OLD_SNAPSHOT, {("users", "ShareUpdateExclusiveLock")}
    ),
    Case(
        "REINDEX INDEX CONCURRENTLY users_email_idx",
        OLD_SNAPSHOT,
        {("users_email_idx", "ShareUpdateExclusiveLock")},
    ),
    Case(
        "DROP INDEX CONCURRENTLY users_email_idx",
        "SELECT FROM users",
        {("users_email_idx", "ShareUpdateExclusiveLock")},
    ),
    Case(
        "ALTER TABLE events DETACH PARTITION events_25 CONCURRENTLY",
        "SELECT FROM events_25",
        {("events", "ShareUpdateExclusiveLock"), ("events_25", "AccessExclusiveLock")},
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.sql)
def test_a_statement_holds_the_locks_that_the_table_has(database: Database, case: Case) -> None:
    database.query(SCHEMA)
    [statement] = a_migration(sql=case.sql).statements
    assert documented(statement) == case.locks
    with database.connect() as brake, database.connect() as worker, database.connect() as eye:
        brake.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        brake.execute(case.brake.encode())
        with running(worker, case.sql):
            pid = worker.info.backend_pid
            until(eye, WAITS, pid)
            names = [name for name, _ in case.locks]
            assert set(eye.execute(LOCKED, [pid, names]).fetchall()) >= case.locks
            brake.execute("ROLLBACK")


@pytest.mark.parametrize(
    ("sql", "locks"),
    [
        ("VACUUM users", {("users", "ShareUpdateExclusiveLock")}),
        ("VACUUM (FULL) users, events", {("users", "AccessExclusiveLock"), ("events", "AccessExclusiveLock")}),
        ("VACUUM", set()),
        ("CREATE DATABASE x", set()),
        ("CREATE INDEX i ON users (email)", set()),
        ('CREATE INDEX CONCURRENTLY ON "App"."Users" (email)', {("App.Users", "ShareUpdateExclusiveLock")}),
    ],
)
def test_what_needs_no_brake(sql: str, locks: set[tuple[str, str]]) -> None:
    [statement] = a_migration(sql=sql).statements
    assert documented(statement) == locks


def documented(statement: Statement) -> set[tuple[str, str]]:
    return {(lock.name.replace('"', ""), lock.mode) for lock in documented_locks(statement)}


@contextmanager
def running(connection: Connection, sql: str) -> Iterator[None]:
    """The statement, in a thread of its own; it must have ended well behind the block."""
    failures: list[psycopg.Error] = []

    def work() -> None:
        try:
            connection.execute(sql.encode())
        except psycopg.Error as error:
            failures.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    yield
    thread.join(20)
    assert not thread.is_alive()
    assert not failures


def until(connection: Connection, query: str, pid: int) -> None:
    deadline = time.monotonic() + 20
    while not connection.execute(query.encode(), [pid]).fetchall():
        assert time.monotonic() < deadline, "it does not wait"
        time.sleep(0.02)
