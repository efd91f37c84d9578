"""One migration outside of a transaction: step by step, each finished one counted in the ledger.

The watcher's connection counts: it holds the mutex as long as it lives, and no SET ROLE of the file reaches it.
"""

import re
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta

import psycopg
from psycopg import sql

from runner.core.durations import milliseconds
from runner.core.frame import code_frame
from runner.core.model import Migration, Statement, StepResult
from runner.core.session_state import settings_to_repeat
from runner.errors import DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.indexes import invalid_indexes, made_invalid
from runner.postgres.ledger import Ledger
from runner.postgres.sending import Timeouts, check, limit, send
from runner.postgres.session import Connection, reset, usable
from runner.postgres.watcher import Mutex

LOCK_TIMEOUT = "SELECT setting::int FROM pg_settings WHERE name = 'lock_timeout'"  # in milliseconds
CONTROLS = re.compile(rb"\b(?:COMMIT|ROLLBACK|CALL|EXECUTE)\b", re.IGNORECASE)


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
    sure = True
    try:
        with usable(connection):
            limit(connection, limits, local=False)  # once: what the file itself sets counts from there on
        for step in settings_to_repeat(migration, done):
            send(connection, migration.source, step)
        for step in migration.steps:
            position += step.count
            if position <= done:
                continue
            sure = not _may_commit(step)
            if step.traits.concurrent:
                _send_concurrent(connection, migration, step, ours=limits.lock)
            else:
                send(connection, migration.source, step)
            done, sure = position, True
            counted(done)
            with usable(mutex.connection):
                ours = ledger.count_done(mutex.connection, migration, done, mutex=mutex.key, holder=mutex.holder)
            if not ours:
                return result(_not_ours(migration))
        for statement in migration.checks:
            check(connection, migration, statement)
        with usable(mutex.connection):
            recorded = ledger.record_completed(mutex.connection, result(), mutex=mutex.key, holder=mutex.holder)
    except (MigrationFailed, DatabaseUnusable) as error:
        failure = error.findings[0]
        failure = failure if failure.path else replace(failure, path=migration.source.path)
        return result(failure, sure=sure and not connection.closed)
    finally:
        _leave(connection)
    return result(None if recorded else _not_ours(migration))


def _may_commit(step: Statement) -> bool:
    """Whether a part of it may stay when it fails: a procedure and a DO block may commit on the way."""
    match step.traits.kind:
        case "do_stmt":
            return CONTROLS.search(step.sql) is not None
        case kind:
            return kind in {"call_stmt", ""}


def _send_concurrent(connection: Connection, migration: Migration, step: Statement, *, ours: timedelta) -> None:
    """Without a lock timeout, unless the file has set one: it waits for old transactions by design. An index that it
    leaves invalid is a failure, with IF NOT EXISTS as well.
    """
    before = invalid_indexes(connection)
    with usable(connection):
        [now] = connection.execute(LOCK_TIMEOUT).fetchone() or [None]
        lifted = now == milliseconds(ours)
        if lifted:
            connection.execute("SET lock_timeout = 0")
    send(connection, migration.source, step)
    if step.traits.kind in {"index_stmt", "reindex_stmt"} and (
        invalid := made_invalid(connection, before, step.traits.creates)
    ):
        raise MigrationFailed(_invalid(migration, step, invalid))
    if lifted:
        with usable(connection):
            connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(now)))


def _invalid(migration: Migration, step: Statement, names: list[str]) -> Finding:
    return Finding(
        f"this statement leaves {', '.join(names)} as an invalid index, which no query uses",
        path=migration.source.path,
        line=step.line,
        column=step.column,
        hint=f"mend what kept it from being built, then DROP INDEX CONCURRENTLY {names[0]}; and run again",
        frame=code_frame(migration.source.data, step.line, step.column),
    )


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
