"""While nobody else is at work on the database."""

from collections.abc import Iterator
from contextlib import closing, contextmanager

from runner.commands.run import Run
from runner.core.model import Target
from runner.postgres.orphans import end_dead_workers
from runner.postgres.pooler import refuse_transaction_pooling
from runner.postgres.session import Connection
from runner.postgres.watcher import Mutex, release_mutex, take_mutex


@contextmanager
def holding_mutex(run: Run, watcher: Connection) -> Iterator[Mutex]:
    """The mutex, held by the watcher's connection while the block runs. Raises MutexHeld."""
    with run.journal.stage("mutex") as tell:
        mutex = take_mutex(
            watcher,
            run.config.tracking_schema,
            wait=run.config.timing.lock_wait,
            tell=lambda text: run.console.say(f"  {text}", "yellow"),
        )
        tell("held: nobody else migrates this database now")
    try:
        yield mutex
    finally:
        if not watcher.closed and (lost := release_mutex(mutex)):
            run.journal.findings.append(lost)


@contextmanager
def alone(run: Run, connection: Connection, target: Target) -> Iterator[Mutex]:
    """The mutex for what only writes the ledger, on a connection of its own, with nothing left at work of a run that
    died. Raises MutexHeld and DatabaseUnusable.
    """
    with closing(run.open_connection("watcher")) as watcher:
        pid = target.backend.pid
        refuse_transaction_pooling(connection, watcher, worker_pid=pid, open_rival=lambda: run.open_connection("rival"))
        with holding_mutex(run, watcher) as mutex:
            end_dead(run, connection)
            yield mutex


def end_dead(run: Run, worker: Connection) -> None:
    """Nothing of a run that died may go on beside this one."""
    if ended := end_dead_workers(worker, run.config.tracking_schema):
        pids = ", ".join(f"pid {pid}" for pid in ended)
        run.console.say(f"  ended what the server still executed for a run that died: {pids}", "yellow")
