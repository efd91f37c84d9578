"""The workers of runs that died: the server may go on with their statement, which nobody waits for any more."""

import time
from datetime import timedelta

from psycopg import errors, sql

from runner.errors import DatabaseUnusable, Finding
from runner.postgres.session import Connection, usable

PATIENCE = timedelta(seconds=10)
LOOK = timedelta(milliseconds=50)

# By what all roles see of a session: its number and its name.
DEAD_WORKERS = """
    SELECT pid, application_name FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name IN (
        SELECT 'db-migrate worker ' || left(run_id::text, 8) FROM {schema}.migration_runs WHERE outcome IS NULL)"""
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND (pid, application_name) IN (SELECT * FROM unnest(%s::int[], %s::text[]))"""


def end_dead_workers(connection: Connection, schema: str, *, patience: timedelta = PATIENCE) -> list[int]:
    """End the sessions in this database of runs that never said how they ended, and wait until they are gone; returns
    their process numbers. To be called by the holder of the mutex, which no such run can hold any more, before its own
    run is begun. One round trip when there are none, and none are where there is no ledger yet.

    Raises DatabaseUnusable, with the number, when one may not be ended or stays.
    """
    dead = _dead_workers(connection, schema)
    pids = [pid for pid, _ in dead]
    deadline = time.monotonic() + patience.total_seconds()
    while dead and _told_to_end(connection, dead):
        if time.monotonic() > deadline:
            raise DatabaseUnusable(_stays(pids, "it does not end"))
        time.sleep(LOOK.total_seconds())
    return pids


def _dead_workers(connection: Connection, schema: str) -> list[tuple[int, str]]:
    query = sql.SQL(DEAD_WORKERS).format(schema=sql.Identifier(schema))
    with usable(connection):
        try:
            return connection.execute(query).fetchall()
        except (errors.UndefinedTable, errors.UndefinedColumn):
            return []


def _told_to_end(connection: Connection, dead: list[tuple[int, str]]) -> bool:
    """Tell them to end; False when they are gone."""
    pids, names = [pid for pid, _ in dead], [name for _, name in dead]
    with usable(connection):
        try:
            return bool(connection.execute(END, [pids, names]).fetchall())
        except errors.InsufficientPrivilege as error:
            raise DatabaseUnusable(_stays(pids, str(error.diag.message_primary))) from None


def _stays(pids: list[int], why: str) -> Finding:
    return Finding(
        "a run that died left a statement behind that the server still executes: process "
        f"{', '.join(map(str, pids))}, {why}",
        hint="end it as its own role, a superuser or a member of pg_signal_backend, with "
        f"SELECT pg_terminate_backend({pids[0]}); and run again",
    )
