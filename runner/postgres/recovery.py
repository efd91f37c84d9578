"""After something broke: a session fit for use again, and the truth about what was under way."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta

import psycopg

from runner.errors import DatabaseUnusable, Finding
from runner.postgres.ledger import Ledger
from runner.postgres.session import Connection, reconnect, reset, usable
from runner.postgres.signals import audible

PATIENCE = timedelta(seconds=10)  # for a server that restarts, or a process that is slow to end
LOOK = timedelta(milliseconds=100)
# Of this process, unless its number has gone to somebody else since.
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND pid <> pg_backend_pid() AND application_name = current_setting('application_name')"""
STATUS = "SELECT pg_xact_status(%s::xid8)"


def recover(connection: Connection) -> None:
    """End what is open, and forget what a migration set for its session."""
    if not connection.closed:
        with audible(), suppress(psycopg.Error, DatabaseUnusable):  # what is broken shows when it is used next
            connection.rollback()
            reset(connection)


def committed(
    ledger: Ledger, open_connection: Callable[[], Connection], *, backend: int, xid: str, patience: timedelta
) -> tuple[set[str], str]:
    """The versions that this run has completed, once the connection of its worker is lost, and what PostgreSQL says of
    the transaction `xid`: "committed", "aborted"; empty when its number was not known yet, or is forgotten.

    The worker's process, which may not have noticed yet, is ended first: what it still has to do would make the answer
    wrong a moment later. Raises DatabaseUnusable when nobody can tell.
    """
    with reconnect(open_connection, patience=patience) as fresh, usable(fresh):
        _end(fresh, backend, patience)
        row = fresh.execute(STATUS, [xid]).fetchone() if xid else None
        return ledger.completed_by_this_run(fresh), (row[0] or "") if row else ""


def _end(connection: Connection, backend: int, patience: timedelta) -> None:
    deadline = time.monotonic() + patience.total_seconds()
    while connection.execute(END, [backend]).fetchall():
        if time.monotonic() > deadline:
            raise DatabaseUnusable(Finding(f"the server's process {backend} does not end, and may still be at work"))
        time.sleep(LOOK.total_seconds())
