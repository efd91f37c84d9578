"""Transactional migrations of which each statement waits for its answer: those that cannot be sent ahead."""

import time
from collections.abc import Iterator
from datetime import timedelta

from runner.core.migration import Migration, Statement
from runner.core.naming import LEDGER_FILE
from runner.core.slowest import Slowest
from runner.core.statements import joined
from runner.core.steps import StepResult
from runner.errors import Cancelled, Finding, MigrationFailed
from runner.postgres.ahead import FORGET, Unit, patience
from runner.postgres.checking import check
from runner.postgres.execution import Execution
from runner.postgres.failures import deferred, mutex_lost, not_ours, of_the_ledger
from runner.postgres.sending import AS_OURSELVES, DEFERRED, failing_at, limit, send
from runner.postgres.session import recover, settle, usable
from runner.postgres.signals import audible


def run_waiting(execution: Execution, unit: Unit, *, mark: bool = True) -> Iterator[StepResult]:
    """Run migrations in one transaction and yield what happened to each: all of it stays, or none. A failure is the
    only result, rolled back and not yet recorded. Raises Cancelled behind it. `mark`: there is a
    ledger to mark them in.
    """
    worker, ledger = execution.worker, execution.ledger
    account = _Account(unit[0])
    results: list[StepResult] = []
    try:
        with audible():
            for migration in unit if mark else ():
                with usable(worker):
                    marked = ledger.mark_running(worker, migration, execution.mutex)
                if not marked:
                    raise MigrationFailed(not_ours(migration))
            with failing_at(unit[-1].source), worker.transaction():
                for migration in unit:
                    if results:
                        for command in FORGET:
                            worker.execute(command)
                        settle(worker)
                    account = _Account(migration)
                    execution.begin(migration)
                    _run(execution, account, of=unit)
                    results.append(account.result())
    except MigrationFailed as error:
        yield account.result(error.findings[0])
    except Cancelled as error:
        yield account.result(Finding(str(error), path=account.migration.file.path))
        raise
    else:
        yield from results
    finally:
        recover(worker)


def _run(execution: Execution, account: "_Account", *, of: Unit) -> None:
    """One migration inside of the transaction, with its row."""
    worker, migration = execution.worker, account.migration
    limit(worker, execution.timeouts.of(migration), local=True)
    for place, statement in enumerate(joined(migration.steps)):
        for command in patience(execution, migration, place):
            worker.execute(command)
        began = time.monotonic()
        send(worker, migration.source, statement)
        account.finished(statement, timedelta(seconds=time.monotonic() - began))
    for statement in migration.checks:
        check(worker, migration, statement)
    if migration is of[-1]:
        try:
            with failing_at(migration.source):
                worker.execute(DEFERRED)
        except MigrationFailed as error:
            raise MigrationFailed(deferred(error.findings[0], of_several=len(of) > 1)) from None
    _record(execution, account)


def _record(execution: Execution, account: "_Account") -> None:
    worker, migration, mutex = execution.worker, account.migration, execution.mutex
    try:
        with failing_at(migration.source):
            worker.execute(b"; ".join(AS_OURSELVES))
            if migration.file.path.name == LEDGER_FILE:
                execution.ledger.install(worker)
            ours = execution.ledger.record_completed(worker, account.result(), mutex=mutex.key, holder=mutex.holder)
    except MigrationFailed as error:
        raise MigrationFailed(of_the_ledger(migration, error.findings[0])) from None
    if not ours:
        raise MigrationFailed(mutex_lost(migration))


class _Account:
    """What is known of a migration under way."""

    def __init__(self, migration: Migration) -> None:
        self.migration = migration
        self._began, self._done, self._slowest = time.monotonic(), 0, Slowest()

    def finished(self, statement: Statement, took: timedelta) -> None:
        """A statement, or several together, were answered."""
        self._done += statement.count
        self._slowest.add(statement.line, took)

    def result(self, failure: Finding | None = None) -> StepResult:
        """The result as it stands."""
        return StepResult(
            migration=self.migration,
            duration=timedelta(seconds=time.monotonic() - self._began),
            statements_done=self._done,
            failure=failure,
            slowest=self._slowest.times(),
        )
