"""`db-migrate status`: where the database stands, and `db-migrate history`: how it came there."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from runner.commands.journal import Journal
from runner.config import Config
from runner.console import Console
from runner.core.durations import in_words
from runner.core.model import LedgerRows, Table, Target
from runner.core.plan import compare
from runner.core.status import HEADINGS, status_rows
from runner.core.table import as_text
from runner.errors import Outcome
from runner.gates.health import check_ledger
from runner.postgres.ledger import Ledger, survey
from runner.postgres.session import Connection
from runner.workspace import discover

HISTORY_HEADINGS = ("executed at", "version", "action", "status", "took", "by", "environment", "error")
HISTORY_SHOWN = 50


def status(
    config: Config, journal: Journal, console: Console, *, checkout: Path, open_connection: Callable[[str], Connection]
) -> Outcome:
    """Show every migration that the files or the ledger know. Reads only."""
    files, warnings = discover(checkout, config.migrations_path, config.plan.version_order)
    journal.findings += warnings
    with open_connection("status") as connection:
        target, rows = _survey(config, journal, connection)
    order = config.plan.version_order
    journal.plan = plan = compare(files, rows.applied, order)
    journal.table = Table(headings=HEADINGS, rows=tuple(status_rows(files, rows.applied, order)))
    console.say(as_text(journal.table))
    console.say(f"\ndatabase {target.database} on {target.server}")
    return Outcome.DRY_RUN if plan.pending else Outcome.UP_TO_DATE


def history(
    config: Config, journal: Journal, console: Console, *, open_connection: Callable[[str], Connection]
) -> Outcome:
    """Show the last entries of the history, the newest first. Reads only."""
    with open_connection("history") as connection:
        target, _ = _survey(config, journal, connection)
        entries = (
            _ledger(config, journal).history(connection, HISTORY_SHOWN) if "migration_history" in target.tables else []
        )
    rows = [
        (
            entry.executed_at.strftime("%Y-%m-%d %H:%M:%S %Z"),
            entry.version,
            entry.action,
            entry.status,
            in_words(timedelta(milliseconds=entry.execution_time_ms or 0)),
            entry.executed_by or "",
            entry.environment or "",
            (entry.error_message or "").partition("\n")[0],
        )
        for entry in entries
    ]
    journal.table = Table(headings=HISTORY_HEADINGS, rows=tuple(rows))
    console.say(as_text(journal.table))
    return Outcome.UP_TO_DATE


def _survey(config: Config, journal: Journal, connection: Connection) -> tuple[Target, LedgerRows]:
    target, rows = survey(
        connection,
        _ledger(config, journal),
        fit=lambda target: check_ledger(target, config.tracking_schema),
        whole=True,
    )
    journal.target = target
    journal.environment = rows.environment or config.environment
    return target, rows


def _ledger(config: Config, journal: Journal) -> Ledger:
    return Ledger(schema=config.tracking_schema, context=journal.context, environment=config.environment)
