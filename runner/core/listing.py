"""The history as people and programs read it: which entries are shown, and how."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from runner.core.durations import in_words
from runner.core.json_text import schema_url
from runner.core.model import RunContext, Target
from runner.core.status import first_line
from runner.core.table import Table, address_of, moment

HEADINGS = ("executed at", "version", "action", "result", "took", "by", "environment", "run", "note")
SCHEMA_FILE, VERSION = "history.schema.json", 1
SHORT_ID = 8  # characters of a run's id that tell it from others


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A row of `migration_history`, with its run's address. None is what nobody wrote, or this role may not read."""

    version: str
    action: str
    status: str  # success or failed
    executed_at: datetime | None = None
    execution_time_ms: int | None = None
    executed_by: str | None = None
    environment: str | None = None
    error_message: str | None = None
    note: str | None = None  # what else is known of it: what a repair changed, where a baseline came from
    run_id: str | None = None
    run_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Entries, the newest first, and how many older ones were asked for beyond the limit."""

    entries: tuple[HistoryEntry, ...] = ()
    left_out: int = 0


def history_table(entries: Sequence[HistoryEntry], *, short: bool = False) -> Table:
    """For people. A run is told by its address, where `short` by the beginning of its id, and as that without one."""
    return Table(headings=HEADINGS, rows=tuple(_row(entry, short=short) for entry in entries))


def style_of_entry(entry: HistoryEntry) -> str:
    """Of its row on a terminal; empty for one that went well."""
    return "" if entry.status == "success" else "bold red"


def bounded_history_table(history: History, most: int) -> Table:
    """The same of `most` entries, for a page; a last row tells of the older ones."""
    table = history_table(history.entries[:most], short=True)
    runs = {entry.run_id[:SHORT_ID]: address_of(entry.run_url) for entry in history.entries if entry.run_id}
    table = replace(table, links={run: address for run, address in runs.items() if address})
    older = len(history.entries) - len(table.rows) + history.left_out
    if not older:
        return table
    row = (f"… {older:,} older, left out here", *[""] * (len(HEADINGS) - 1))
    return replace(table, rows=(*table.rows, row))


def history_left_out(history: History) -> str:
    """`1,184 older entries are not shown: give a larger --limit`; empty when all are."""
    if not history.left_out:
        return ""
    entries = "1 older entry is" if history.left_out == 1 else f"{history.left_out:,} older entries are"
    return f"{entries} not shown: give a larger --limit"


def history_document(
    history: History, *, target: Target, environment: str | None, context: RunContext
) -> Mapping[str, Any]:
    """For programs: docs/history.schema.json."""
    return {
        "$schema": schema_url(context, SCHEMA_FILE),
        "version": VERSION,
        "database": target.database,
        "environment": environment,
        "entries": [_entry(entry) for entry in history.entries],
        "entries_left_out": history.left_out,
    }


def _row(entry: HistoryEntry, *, short: bool) -> tuple[str, ...]:
    ms, run = entry.execution_time_ms, (entry.run_id or "")[:SHORT_ID]
    return (
        moment(entry.executed_at) if entry.executed_at else "",
        entry.version,
        entry.action,
        entry.status,
        "" if ms is None else in_words(timedelta(milliseconds=ms)),
        entry.executed_by or "",
        entry.environment or "",
        run if short else entry.run_url or run,
        first_line(entry.error_message or entry.note or ""),
    )


def _entry(entry: HistoryEntry) -> Mapping[str, Any]:
    return {
        "executed_at": entry.executed_at,
        "version": entry.version,
        "action": entry.action,
        "result": entry.status,
        "duration_ms": entry.execution_time_ms,
        "executed_by": entry.executed_by,
        "environment": entry.environment,
        "run_id": entry.run_id,
        "run_url": entry.run_url,
        "error": entry.error_message,
        "note": entry.note,
    }
