"""One migration undone by its down file."""

import time
from datetime import timedelta

from runner.core.model import Migration, StepResult
from runner.errors import Finding, MigrationFailed
from runner.postgres.ledger import Ledger
from runner.postgres.sending import AS_OURSELVES, DEFERRED, Timeouts, failing_at, limit, send
from runner.postgres.session import Connection, reset, usable


def undo(connection: Connection, ledger: Ledger, migration: Migration, *, timeouts: Timeouts) -> StepResult:
    """Run a down file and take the migration out of the ledger, in one transaction where the file allows it. A failure
    is in the result.
    """
    started, done = time.monotonic(), 0

    def result(failure: Finding | None = None) -> StepResult:
        duration = timedelta(seconds=time.monotonic() - started)
        return StepResult(migration=migration, duration=duration, statements_done=done, failure=failure)

    try:
        if migration.transactional:
            with failing_at(migration.source), connection.transaction():
                limit(connection, timeouts.of(migration), local=True)
                for step in migration.steps:
                    send(connection, migration.source, step)
                    done += step.count
                connection.execute(b"; ".join((DEFERRED, *AS_OURSELVES)))
                ledger.record_undone(connection, result())
        else:
            with usable(connection):
                limit(connection, timeouts.of(migration), local=False)
            for step in migration.steps:
                send(connection, migration.source, step)
                done += step.count
        reset(connection)
        if not migration.transactional:
            with usable(connection), connection.transaction():
                ledger.record_undone(connection, result())
    except MigrationFailed as error:
        return result(error.findings[0])
    return result()
