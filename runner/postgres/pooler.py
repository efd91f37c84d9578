"""Poolers that hand a server's session to another client after each transaction: no place for a session's lock.

PgBouncer's page on what each mode keeps: https://www.pgbouncer.org/features.html
"""

import select
from collections.abc import Callable
from contextlib import closing, suppress

from psycopg.errors import error_from_result
from psycopg.generators import execute
from psycopg.pq import ExecStatus

from runner.errors import DatabaseUnusable, Finding
from runner.postgres.session import SHARED, Connection, usable

BACKEND = b"SELECT pg_catalog.pg_backend_pid()"
PATIENCE_S = 10.0
RIVAL_PATIENCE_S = 1.0
TURNS = 2
RIVALS = 3


def refuse_transaction_pooling(
    worker: Connection, watcher: Connection, *, worker_pid: int, open_rival: Callable[[], Connection]
) -> None:
    """Raises DatabaseUnusable when the sessions of `worker` and `watcher` are not their own. To be called before one of
    them sets or locks anything for its session; it sends nothing that stays.

    `worker_pid` is what pg_backend_pid() answered to the worker. Nothing is asked when it tells of a direct connection;
    else several round trips are made, and `open_rival` opens more connections.
    """
    if direct(worker, worker_pid):
        return
    # Whoever gets the session that was used last is found by the change of turns, whoever gets the one that rested
    # longest by asking twice.
    own = {worker: worker_pid, watcher: backend_pid(watcher)}
    for connection in (watcher, worker, worker, watcher) * TURNS:
        if backend_pid(connection) != own[connection]:
            raise DatabaseUnusable(SHARED)
    if own[worker] == own[watcher] or _rivals(open_rival) & set(own.values()):
        raise DatabaseUnusable(SHARED)


def refuse_statement_pooling(open_connection: Callable[[], Connection]) -> None:
    """Raises DatabaseUnusable when a pooler is in the way that refuses transactions. To be called when a connection was
    lost at its first BEGIN: it hangs up with its refusal, which a client that has sent more than that does not get.
    """
    try:
        with closing(open_connection()) as probe, usable(probe):
            probe.execute("BEGIN")
    except DatabaseUnusable as error:
        if SHARED in error.findings:
            raise


def direct(connection: Connection, pid: int) -> bool:
    """Whether no pooler is in between, `pid` being what pg_backend_pid() answered: a server tells its client the same
    number when it connects, for cancelling; a pooler makes one up.
    """
    return connection.info.backend_pid == pid


def _rivals(open_rival: Callable[[], Connection]) -> set[int]:
    """The sessions that others get now. Worker and watcher may not meet, as when the pooler is several processes."""
    pids = set()
    with suppress(DatabaseUnusable):  # all are in use, as a pool in session mode may be by then
        for _ in range(RIVALS):
            with closing(open_rival()) as rival:
                pids.add(backend_pid(rival, patience_s=RIVAL_PATIENCE_S))
    return pids


def backend_pid(connection: Connection, *, patience_s: float = PATIENCE_S) -> int:
    """The process that answers on the server. Raises DatabaseUnusable, after a while also when none does, and the
    connection is closed then: a pooler that has no session to spare lets its clients wait.
    """
    with usable(connection):
        connection.pgconn.send_query(BACKEND)
        answered, _, _ = select.select([connection.fileno()], [], [], patience_s)
        if not answered:
            connection.close()
            raise DatabaseUnusable(
                Finding(
                    "the pooler in front of the database has no connection to spare",
                    hint="a run needs two at a time: give it a larger pool, or the URL of the server itself",
                )
            )
        [result, *_] = connection.wait(execute(connection.pgconn))
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
    return int(result.get_value(0, 0) or 0)
