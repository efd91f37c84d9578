"""One migration in one transaction: its statements, its check file, its ledger row and its history, or none of it."""

import time
from datetime import timedelta

from runner.core.model import Migration, StepResult
from runner.core.naming import LEDGER_FILE
from runner.errors import Finding, MigrationFailed
from runner.postgres.ledger import Ledger
from runner.postgres.sending import Timeouts, check, failing_at, limit, send
from runner.postgres.session import Connection
from runner.postgres.watcher import Mutex


def run_transactional(
    connection: Connection, ledger: Ledger, migration: Migration, *, mutex: Mutex, timeouts: Timeouts
) -> StepResult:
    """Run one migration and write its rows: all of it stays, or none. A failure is in the result, rolled back and
    not yet recorded. Raises Cancelled, rolled back as well.
    """
    started = time.monotonic()
    done = 0

    def result(failure: Finding | None = None) -> StepResult:
        duration = timedelta(seconds=time.monotonic() - started)
        return StepResult(migration=migration, duration=duration, statements_done=done, failure=failure)

    try:
        with failing_at(migration.source), connection.transaction():
            limit(connection, timeouts.of(migration), local=True)
            for statement in migration.steps:
                send(connection, migration.source, statement)
                done += statement.count
            for statement in migration.checks:
                check(connection, migration, statement)
            connection.execute("RESET SESSION AUTHORIZATION; RESET ROLE")  # the ledger is written as who we are
            if migration.file.path.name == LEDGER_FILE:
                ledger.install(connection)
            if not ledger.record_completed(connection, result(), mutex=mutex.key, holder=mutex.holder):
                raise MigrationFailed(_mutex_lost(migration))
    except MigrationFailed as error:
        return result(error.findings[0])
    return result()


def _mutex_lost(migration: Migration) -> Finding:
    return Finding(
        "this run no longer holds the mutex; the migration was rolled back",
        path=migration.file.path,
        hint="the watcher's connection was cut or ended by the server; run again when that is mended",
    )
