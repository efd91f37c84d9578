"""One migration outside of a transaction: step by step, each finished one counted in the ledger."""

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from runner.core.certainty import Certainty, certainty, certainty_alone
from runner.core.course import AGAIN
from runner.core.migration import Migration, Statement
from runner.core.session_state import settings_to_repeat
from runner.core.statements import remaining
from runner.core.steps import StepResult
from runner.errors import DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.checking import check
from runner.postgres.ledger import Ledger
from runner.postgres.sending import Timeouts, limit, send
from runner.postgres.session import Connection, recover, usable
from runner.postgres.step import Steps
from runner.postgres.watcher import Mutex


def run_nontransactional(
    connection: Connection,
    ledger: Ledger,
    migration: Migration,
    *,
    mutex: Mutex,
    timeouts: Timeouts,
    done: int,
    again: bool,
    counted: Callable[[int], None],
    tell: Callable[[str], None],
    failed: bool = False,
) -> StepResult:
    """Run the steps of a migration behind the first `done`, and write its rows; `counted` is told how many are done,
    `tell` in a line what was found and mended. A failure is in the result, not yet recorded; what was finished before
    it stays. Raises Cancelled.

    `again`: an attempt at the step behind `done` may have been made before; `failed`: which is known to have ended in
    an error. After a lost connection, or a Cancelled, the ledger may have counted one more.
    """
    started, limits = time.monotonic(), timeouts.of(migration)
    waiting = list(remaining(migration.steps, done))
    open_question = again and not failed  # whether an earlier attempt did the first of them
    way = certainty(migration.statements, waiting[0][0]) if open_question and waiting else Certainty.COUNTED

    def finished(number: int) -> None:
        nonlocal done, way
        done, way = number, Certainty.COUNTED
        counted(done)

    def alone(step: Statement) -> None:
        nonlocal way
        way = certainty_alone(step)

    def count(on: Connection, number: int) -> None:
        with usable(on):
            ours = ledger.count_done(on, migration, number, mutex=mutex.key, holder=mutex.holder)
        if not ours:
            raise MigrationFailed(_not_ours(migration))

    steps = Steps(
        connection=connection,
        watcher=mutex.connection,
        migration=migration,
        schema=ledger.schema,
        lock_timeout=limits.lock,
        finished=finished,
        count=count,
        alone=alone,
        tell=tell,
    )

    def result(failure: Finding | None = None, *, sure: bool = True) -> StepResult:
        return StepResult(
            migration=migration,
            duration=timedelta(seconds=time.monotonic() - started),
            statements_done=done,
            failure=failure,
            sure=sure,
            slowest=steps.slowest.times(),
        )

    try:
        with usable(connection):
            limit(connection, limits, local=False)  # once: what the file itself sets counts from there on
        for step in settings_to_repeat(migration, done):
            send(connection, migration.source, step)
        for step, position in waiting:
            way = certainty(migration.statements, step)
            course = steps.course(step, failed=failed) if again else AGAIN
            again, open_question = False, open_question and bool(course.stop)
            steps.run(step, position, course)
        for statement in migration.checks:
            check(connection, migration, statement)
        with usable(mutex.connection):
            recorded = ledger.record_completed(mutex.connection, result(), mutex=mutex.key, holder=mutex.holder)
    except (MigrationFailed, DatabaseUnusable) as error:
        failure = error.findings[0]
        failure = failure if failure.path else replace(failure, path=migration.source.path)
        return result(failure, sure=_sure(way, open_question=open_question or connection.closed))
    finally:
        recover(connection)
    return result(None if recorded else _not_ours(migration))


def _sure(way: Certainty, *, open_question: bool) -> bool:
    """Whether it is known what a step has left when its run fails; `open_question`: it may have been done unheard."""
    match way:
        case Certainty.COUNTED | Certainty.REPEATABLE:
            return True
        case Certainty.IN_THE_CATALOG | Certainty.UNKNOWN:
            return not open_question
        case Certainty.IN_PARTS:
            return False


def _not_ours(migration: Migration) -> Finding:
    return Finding(
        "the ledger no longer has this migration as one of this run, or its mutex is lost",
        path=migration.source.path,
        hint="look at the ledger, and run again",
    )
