"""One migration outside of a transaction: step by step, each finished one counted in the ledger.

The watcher's connection counts: it holds the mutex as long as it lives, and no SET ROLE of the file reaches it.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg

from runner.core.model import Migration, StepResult
from runner.errors import DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.ledger import Ledger
from runner.postgres.sending import Timeouts, check, limit, send
from runner.postgres.session import Connection, reset, usable
from runner.postgres.watcher import Mutex

NO_LIMIT = timedelta()


def run_nontransactional(
    connection: Connection,
    ledger: Ledger,
    migration: Migration,
    *,
    mutex: Mutex,
    timeouts: Timeouts,
    done: int,
    counted: Callable[[int], None],
) -> StepResult:
    """Run the steps of a migration behind the first `done`, and write its rows; `counted` is told how many are done. A
    failure is in the result, not yet recorded; what was finished before it stays. Raises Cancelled, and then nobody
    knows of the step under way.
    """
    started, position = time.monotonic(), 0

    def result(failure: Finding | None = None, *, sure: bool = True) -> StepResult:
        duration = timedelta(seconds=time.monotonic() - started)
        return StepResult(migration=migration, duration=duration, statements_done=done, failure=failure, sure=sure)

    limits = timeouts.of(migration)
    try:
        for step in migration.steps:
            position += step.count
            if position <= done:
                continue
            with usable(connection):
                limit(connection, replace(limits, lock=NO_LIMIT) if step.traits.concurrent else limits, local=False)
            send(connection, migration.source, step)
            done = position
            counted(done)
            with usable(mutex.connection):
                ours = ledger.count_done(mutex.connection, migration, done)
            if not ours:
                return result(_not_ours(migration))
        for statement in migration.checks:
            check(connection, migration, statement)
        with usable(mutex.connection):
            recorded = ledger.record_completed(mutex.connection, result(), mutex=mutex.key, holder=mutex.holder)
    except (MigrationFailed, DatabaseUnusable) as error:
        failure = error.findings[0]
        failure = failure if failure.path else replace(failure, path=migration.source.path)
        return result(failure, sure=not connection.closed)
    finally:
        _leave(connection)
    return result(None if recorded else _not_ours(migration))


def _leave(connection: Connection) -> None:
    """End a block that failed halfway, and forget what the file set for its session."""
    if not connection.closed:
        with suppress(psycopg.Error, DatabaseUnusable):  # what is broken shows when it is used next
            connection.rollback()
            reset(connection)


def _not_ours(migration: Migration) -> Finding:
    return Finding(
        "the ledger no longer has this migration as one of this run, or its mutex is lost",
        path=migration.source.path,
        hint="look at the ledger, and run again",
    )
