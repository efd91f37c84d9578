"""The truth about what was under way when the worker's connection was lost."""

import time
from datetime import timedelta

from runner.core.model import Backend
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.ledger import Ledger
from runner.postgres.session import Connection, usable

LOOK = timedelta(milliseconds=100)
END = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND backend_start = %s AND pid <> pg_backend_pid()"""
STATUS = "SELECT pg_xact_status(%s::xid8)"


def committed(
    ledger: Ledger, fresh: Connection, *, backend: Backend, xid: str, patience: timedelta
) -> tuple[set[str], str]:
    """The versions that this run has completed, asked by a new connection once the worker's is lost, and what
    PostgreSQL says of the transaction `xid`: "committed", "aborted"; empty when its number was not known yet, or is
    forgotten.

    The worker's process, which may not have noticed yet, is ended first: what it still has to do would make the answer
    wrong a moment later. Raises DatabaseUnusable when it stays for longer than `patience`.
    """
    with usable(fresh):
        _end(fresh, backend, patience)
        row = fresh.execute(STATUS, [xid]).fetchone() if xid else None
        return ledger.completed_by_this_run(fresh), (row[0] or "") if row else ""


def _end(connection: Connection, backend: Backend, patience: timedelta) -> None:
    deadline = time.monotonic() + patience.total_seconds()
    while connection.execute(END, [backend.pid, backend.started]).fetchall():
        if time.monotonic() > deadline:
            raise DatabaseUnusable(
                Finding(f"the server's process {backend.pid} does not end, and may still be at work")
            )
        time.sleep(LOOK.total_seconds())
