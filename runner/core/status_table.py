"""Where migrations stand, in words: the table, and what is said below it."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby

from runner.core.durations import in_words
from runner.core.model import Target
from runner.core.status import Change, LastRun, Migrated, Standing, State, by_whom
from runner.core.table import Table, address_of, moment

HEADINGS = ("version", "name", "state", "applied at", "by", "took", "drift", "down", "note")
ALWAYS = 6  # of the columns: the others are left out where none of their cells has a word
CHANGES: Mapping[Change, str] = {
    Change.MODIFIED: "file modified",
    Change.EDITED: "edited in comments or layout",
    Change.MISSING: "file missing",
}
BAD = (State.FAILED, State.DEAD, State.HALF_DONE, State.HALF_UNDONE, State.UNKNOWN)
STYLES: Mapping[State, str] = {
    **dict.fromkeys(BAD, "bold red"),
    State.PENDING: "cyan",
    State.OUT_OF_ORDER: "yellow",
    State.RUNNING: "bold cyan",
    State.UNDOING: "bold cyan",
}


def status_table(migrations: Sequence[Migrated]) -> Table:
    """A row for each."""
    rows = [_row(each) for each in migrations]
    return Table(headings=HEADINGS, rows=tuple(rows)) if not rows else _without_empty(rows)


def style_of(migration: Migrated) -> str:
    """Of its row on a terminal; empty for one that is as it should be."""
    if migration.change and migration.state is State.COMPLETED:
        return "bold red" if migration.change is Change.MODIFIED else "yellow"
    return STYLES.get(migration.state, "yellow" if migration.note else "")


def bounded_status_table(migrations: Sequence[Migrated], most: int) -> Table:
    """The same with `most` of the migrations, for a page: what went wrong, what is pending, and the last of those that
    are completed. A row tells of the others where they would stand.
    """
    if len(migrations) <= most:
        return status_table(migrations)
    ranked = sorted(range(len(migrations)), key=lambda number: _rank(migrations[number], number))
    kept = set(ranked[:most])
    rows: list[tuple[str, ...]] = []
    for shown, numbers in groupby(range(len(migrations)), key=kept.__contains__):
        of_them = [migrations[number] for number in numbers]
        rows += map(_row, of_them) if shown else [_left_out(of_them)]
    return _without_empty(rows)


def troubles(table: Table) -> Mapping[State | Change, int]:
    """How many migrations of such a table need a look, the worst first. Those are the last ones to be left out."""
    rows = [dict(zip(table.headings, row, strict=True)) for row in table.rows]
    states = Counter(row.get("state") for row in rows)
    modified = sum(row.get("drift") == CHANGES[Change.MODIFIED] for row in rows)
    counts: Mapping[State | Change, int] = {Change.MODIFIED: modified, **{state: states[state] for state in BAD}}
    return {word: number for word, number in counts.items() if number}


def status_notes(standing: Standing, target: Target) -> Iterator[tuple[str, str]]:
    """What is said below the table, and the address where it leads: which database, the last run, and the one that is
    under way.
    """
    yield f"database {target.database} on {target.server}{', a standby' if target.in_recovery else ''}", ""
    last, run = standing.last_run, standing.run_under_way
    yield f"last run: {last_run_in_words(standing)}", address_of(last.run_url) if last else ""
    if standing.holder:
        command = run.command if run else "a run"
        yield f"under way: {command} {by_whom(standing)}", address_of(run.run_url) if run else ""


def last_run_in_words(standing: Standing) -> str:
    """`migrate, applied, 2026-11-22 12:00:00 UTC, by ada`, and without an address the run's id."""
    run = standing.last_run
    if not standing.tells_runs:
        return "not known, as this role may not read migration_runs, or the ledger has an earlier shape"
    if run is None:
        return "none that the ledger knows of"
    return ", ".join(filter(None, _told(run, under_way=run is standing.run_under_way)))


def _told(run: LastRun, *, under_way: bool) -> Iterator[str]:
    yield run.command
    yield run.outcome or ("under way" if under_way else "interrupted")
    yield moment(run.finished_at or run.started_at)
    yield f"by {run.actor}" if run.actor else ""
    yield "" if address_of(run.run_url) else run.run_id


def _row(migration: Migrated) -> tuple[str, ...]:
    row = migration.row
    return (
        migration.version,
        migration.name,
        migration.state,
        moment(row.applied_at) if row and row.applied_at else "",
        (row.applied_by if row else None) or "",
        "" if migration.took is None else in_words(migration.took),
        CHANGES[migration.change] if migration.change else "",
        migration.down or "",
        migration.note,
    )


def _without_empty(rows: Sequence[tuple[str, ...]]) -> Table:
    wanted = [number < ALWAYS or any(column) for number, column in enumerate(zip(*rows, strict=True))]

    def those(cells: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(cell for cell, kept in zip(cells, wanted, strict=True) if kept)

    return Table(headings=those(HEADINGS), rows=tuple(map(those, rows)))


def _rank(migration: Migrated, number: int) -> tuple[int, int]:
    """The lower it is, the sooner it is shown."""
    if migration.state in BAD or migration.change is Change.MODIFIED:
        return (0, number)
    if migration.state is not State.COMPLETED:
        return (1, number)
    return (3 if migration.plain else 2, -number)


def _left_out(migrations: Sequence[Migrated]) -> tuple[str, ...]:
    counts = Counter(migration.state for migration in migrations)
    told = ", ".join(f"{counts[state]:,} {state}" for state in State if counts[state])
    return ("…", f"{told}: left out here", *[""] * (len(HEADINGS) - 2))
