"""The schema that a run leaves, and what others have made of it since: drift."""

from contextlib import ExitStack

from runner.commands.run import Run
from runner.core.model import LedgerState, Target
from runner.core.schema import Schema
from runner.core.schema_diff import schema_difference
from runner.errors import DatabaseUnusable, Finding, Level
from runner.postgres.catalog_snapshot import catalog_snapshot
from runner.postgres.execution import Execution
from runner.postgres.ledger import LeftSchema
from runner.postgres.session import Connection, usable

UNREAD = "the schema could not be read, so that this run cannot tell how it changes it"
SHOWN = 5  # differences in a message
HINT = "put it into a migration, or take it back; what the next run leaves counts from then on"


def schema_before(run: Run, worker: Connection) -> Schema | None:
    """The schema that a run finds; None, with a warning, where it cannot be read: nobody waits for that."""
    try:
        return catalog_snapshot(worker, ledger_schema=run.config.tracking_schema)
    except DatabaseUnusable as error:
        if worker.closed:
            raise
        run.journal.findings.append(Finding(f"{UNREAD}: {error}", level=Level.WARNING))
        return None


def keep_schema(run: Run, execution: Execution, before: Schema | None) -> None:
    """Tell what the run has changed, and keep what it leaves in the ledger. What prevents that is a warning."""
    try:
        with ExitStack() as stack:
            worker = execution.worker
            if worker.closed:  # lost behind the last COMMIT
                worker = stack.enter_context(execution.reconnect())
            after = catalog_snapshot(worker, ledger_schema=run.config.tracking_schema)
            run.journal.schema = schema_difference(before, after) if before else None
            with usable(worker):
                run.ledger.keep_schema(worker, after)
    except DatabaseUnusable as error:
        message = f"the schema that this run leaves could not be kept: {error}"
        run.journal.findings.append(Finding(message, level=Level.WARNING))


def drift(run: Run, worker: Connection, target: Target) -> Finding | None:
    """What others have changed since the last run; None when nothing, or when that run did not tell what it left.
    Raises DatabaseUnusable.
    """
    left = left_schema(run, worker, target)
    if left is None:
        return None
    now = catalog_snapshot(worker, ledger_schema=run.config.tracking_schema)
    if now.fingerprint == left.fingerprint:
        return None
    since = f"since the run {left.run_id[:8]} of {left.finished_at:%Y-%m-%d %H:%M %Z}"
    kept = run.ledger.kept_schema(worker, left.run_id)
    if kept is None:
        return Finding(f"the schema was changed {since}; it is too large for the ledger to know how", hint=HINT)
    difference = schema_difference(kept, now)
    told = "; ".join(difference.short(most=SHOWN))
    return Finding(f"the schema was changed {since}: {told}", hint=HINT, diff=difference.unified())


def left_schema(run: Run, worker: Connection, target: Target) -> LeftSchema | None:
    """What the last run left, if it is known."""
    if target.ledger is not LedgerState.CURRENT:
        return None
    left = run.ledger.left_schema(worker)
    # Another major version writes the same schema in other words.
    return left if left and left.major == target.server_version // 10000 else None
