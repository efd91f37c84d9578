"""`db-migrate status`: where the database stands, and `db-migrate history`: how it came there. Both only read."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import groupby

from runner.commands.run import Run
from runner.core.json_text import json_text
from runner.core.listing import (
    History,
    bounded_history_table,
    history_document,
    history_left_out,
    history_table,
    style_of_entry,
)
from runner.core.model import LedgerRows, MigrationFile, Plan, Target
from runner.core.plan import compare, judged_changes
from runner.core.plural import counted
from runner.core.status import Standing, migrated
from runner.core.status_document import status_document
from runner.core.status_table import bounded_status_table, status_notes, status_table, style_of
from runner.core.table import Table, as_lines, as_text
from runner.errors import Drift, Finding, Level, Outcome
from runner.gates.target import check_ledger
from runner.postgres.history import read_history
from runner.postgres.ledger import survey
from runner.postgres.session import Connection
from runner.postgres.standing import read_standing
from runner.workspace import discover

ON_A_PAGE = 1000  # rows of a table in the summary, and in the report
PENDING_SHOWN = 10  # versions of a message
PENDING = 1  # exit code


def status(run: Run, *, columns: int | None, write: Callable[[str], None]) -> Outcome:
    """Show every migration that the files or the ledger know. `columns`: of the terminal; None where there is none.
    `write`: prints a document for programs, and nothing else.
    """
    config, journal = run.config, run.journal
    order, schema = config.plan.version_order, config.tracking_schema
    files, warnings = discover(run.checkout, config.migrations_path, order)
    journal.findings += warnings
    with run.open_connection("status") as connection:
        target, _ = _survey(run, connection)
        standing = read_standing(connection, schema, target)
    journal.plan = plan = compare(files, standing.rows, order)
    migrations = migrated(files, standing, order)
    database, *notes = status_notes(standing, target)
    journal.table = replace(
        bounded_status_table(migrations, ON_A_PAGE), notes=tuple(notes)
    )  # a page names the database
    if config.listing.json:
        document = status_document(
            migrations,
            standing,
            plan=plan,
            target=target,
            tracking_schema=schema,
            context=journal.context,
            now=run.now(),
        )
        write(json_text(document, run.scrub))
    else:
        _show(run, status_table(migrations), [style_of(each) for each in migrations], columns, aside="note")
        run.console.say("\n" + "\n".join(", ".join(filter(None, note)) for note in (database, *notes)))
    if config.listing.exit_code:
        _fail(run, plan, files, standing)
    return Outcome.DRY_RUN if plan.pending else Outcome.UP_TO_DATE


def history(run: Run, *, columns: int | None, write: Callable[[str], None]) -> Outcome:
    """Show the last entries of the history that were asked for, the newest first. `columns`, `write`: as above."""
    config, journal, found = run.config, run.journal, History()
    with run.open_connection("history") as connection:
        target, rows = _survey(run, connection)
        if "migration_history" in target.tables:
            found = read_history(connection, config.tracking_schema, config.listing, now=run.now())
    journal.table = bounded_history_table(found, ON_A_PAGE)
    if config.listing.json:
        document = history_document(found, target=target, environment=rows.environment, context=journal.context)
        write(json_text(document, run.scrub))
        return Outcome.UP_TO_DATE
    table = history_table(found.entries)
    if columns is not None and max(map(len, as_lines(table))) > columns:  # an address is of no use in pieces
        table = history_table(found.entries, short=True)
    _show(run, table, [style_of_entry(entry) for entry in found.entries], columns, aside="note")
    if left_out := history_left_out(found):
        run.console.say(f"\n{left_out}")
    return Outcome.UP_TO_DATE


def _survey(run: Run, connection: Connection) -> tuple[Target, LedgerRows]:
    schema = run.config.tracking_schema
    target, rows = survey(connection, run.ledger, fit=lambda target: check_ledger(target, schema))
    run.journal.target = target
    run.journal.environment = rows.environment or run.config.environment
    return target, rows


def _show(run: Run, table: Table, styles: Sequence[str], columns: int | None, *, aside: str) -> None:
    """The whole table; on a terminal no wider than that, and each row in its style."""
    if columns is None:
        run.console.say(as_text(table))
        return
    headings, rule, *lines = as_lines(_scrubbed(run, table), columns, aside=aside)
    run.console.say(f"{headings}\n{rule}")
    for style, group in groupby(zip(styles, lines, strict=True), key=lambda each: each[0]):
        run.console.say("\n".join(line for _, line in group), style)


def _scrubbed(run: Run, table: Table) -> Table:
    """Before a cell is broken over lines, as half a secret would no longer be recognised."""
    return Table(headings=table.headings, rows=tuple(tuple(map(run.scrub, row)) for row in table.rows))


def _fail(run: Run, plan: Plan, files: Sequence[MigrationFile], standing: Standing) -> None:
    """The exit code that a job can be stopped by, and why. What was modified weighs more than what is pending."""
    changes = judged_changes(files, standing.rows, {})
    modified = [change for change in changes if change.level is Level.ERROR]
    run.journal.findings += [*modified, *([_pending(plan)] if plan.pending else [])]
    if plan.pending:
        run.journal.exit_code = PENDING
    if modified:
        run.journal.exit_code = Drift.exit_code


def _pending(plan: Plan) -> Finding:
    versions = [file.version for file in plan.pending]
    more = f" and {len(versions) - PENDING_SHOWN} more" if len(versions) > PENDING_SHOWN else ""
    are = "is" if len(versions) == 1 else "are"
    return Finding(
        f"`exit-code` lets this fail: {counted(len(versions))} {are} pending: "
        f"{', '.join(versions[:PENDING_SHOWN])}{more}",
        hint="run `db-migrate` to apply what is pending, or leave `exit-code` out",
    )
