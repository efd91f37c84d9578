"""An impact in words, the same in log and summary."""

from collections.abc import Iterator
from datetime import timedelta

from runner.core.durations import in_words
from runner.core.impact import Attention, attention, worth_telling
from runner.core.lock_modes import blocks, blocks_writes, mode_name
from runner.core.model import DryRunMode
from runner.core.plural import counted
from runner.core.sizes import count_in_words, size_in_words
from runner.core.trial import DryRun, Impact, LockTaken, TableFacts, Trace

MOST_LINES = 30  # of statements in a log; the summary has all
MOST_CHANGES = 20
WIDEST = 100  # characters of a statement in a log
ORDER = (Attention.NONE, Attention.WAITS, Attention.STOPS)
WORTH_TELLING = timedelta(milliseconds=1)
MOST_NAMED = 3  # tables in a sentence


def describe_table(table: TableFacts) -> str:
    """`12 GB, 48 M rows, 130 writes/s`, as far as the server knows."""
    if table.empty:
        return "empty"
    known = [size_in_words(table.size)]
    if table.rows is not None:
        known.append(f"{count_in_words(table.rows)} row{'' if table.rows == 1 else 's'}")
    if table.writes is not None and table.writes >= 1:
        known.append(f"{count_in_words(table.writes)} writes/s")
    return ", ".join(known)


def describe_lock_taken(lock: LockTaken, impact: Impact) -> str:
    """`ACCESS EXCLUSIVE on public.users (12 GB, 48 M rows): blocks reads and writes`."""
    table = next((table for table in impact.tables if table.name == lock.relation), None)
    size = f" ({describe_table(table)})" if table else ""
    since = ", still held" if lock.before else ""
    return f"{mode_name(lock.mode)} on {lock.relation}{size}{since}: {blocks(lock.mode)}"


def measured(trace: Trace) -> str:
    """`1.2 s, 5 k rows`, as a rehearsal took on the rows that there are; empty for what took no time worth telling."""
    took = in_words(trace.duration) if trace.duration >= WORTH_TELLING else ""
    rows = f"{count_in_words(trace.rows)} row{'' if trace.rows == 1 else 's'}" if trace.rows else ""
    return ", ".join(filter(None, (took, rows)))


def describe_work(trace: Trace) -> list[str]:
    """What it does with whole tables: `rewrites public.users`."""
    told = [("rewrites", trace.rewritten), ("empties", trace.emptied), ("rebuilds", trace.rebuilt)]
    told.append(("reads all of", tuple(name for name in trace.scanned if name not in trace.rewritten)))
    told.append(("locks rows of", trace.row_locks))
    return [f"{verb} {', '.join(names)}" for verb, names in told if names]


def dry_run_verdict(tried: DryRun) -> str:
    """The dry run in one sentence, for those who use the database."""
    if failed := tried.failed:
        return f"{failed.migration.version} failed in the dry run"
    stopping = [impact for impact in tried.impacts if attention(impact) is Attention.STOPS]
    if stopping:
        tables = list(dict.fromkeys(name for impact in stopping for name in _stopped(impact)))
        named = ", ".join(tables[:MOST_NAMED]) + (
            f" and {len(tables) - MOST_NAMED} more" if tables[MOST_NAMED:] else ""
        )
        return (
            f"{counted(len(stopping), 'statement')} {_verb(stopping)} others for as long as the work on {named} takes"
        )
    waiting = sum(attention(impact) is Attention.WAITS for impact in tried.impacts)
    if waiting:
        verb = "locks" if waiting == 1 else "lock"
        return f"{counted(waiting, 'statement')} {verb} a table for a moment, or rows until the migration ends"
    return "nobody who uses the database has to wait"


def worst(tried: DryRun) -> Attention:
    """What a dry run deserves: as much as its worst statement, or a failure."""
    seen = {attention(impact) for impact in tried.impacts}
    if tried.failed or Attention.STOPS in seen:
        return Attention.STOPS
    return max(seen, key=ORDER.index, default=Attention.NONE)


def _verb(impacts: list[Impact]) -> str:
    return "stops" if len(impacts) == 1 else "stop"


def _stopped(impact: Impact) -> list[str]:
    return [lock.index_of or lock.relation for lock in impact.locks if blocks_writes(lock.mode)]


def dry_run_where(tried: DryRun) -> str:
    """What was done, and what was not."""
    if failed := tried.failed:
        where = "on the database itself, and rolled back" if tried.mode is DryRunMode.REHEARSE else f"on {tried.where}"
        return f"Tried {where}: {failed.migration.version} failed, and nothing behind it was tried."
    backwards = any(result.migration.source is result.migration.file.down for result in tried.rehearsed)
    noun = "down file" if backwards else "migration"
    executed = counted(sum(result.executed for result in tried.rehearsed), noun)
    left_out = sum(bool(result.left_out) for result in tried.rehearsed)
    how = {
        DryRunMode.PREVIEW: "Nothing was executed.",
        DryRunMode.REHEARSE: f"{executed} executed on the database itself in one transaction, and rolled back.",
        DryRunMode.SHADOW: f"{executed} executed on a throw-away copy of the schema, without its rows ({tried.where}).",
    }[tried.mode]
    return how + (f" {counted(left_out, noun)} left out: see the warnings." if left_out else "")


def dry_run_lines(tried: DryRun) -> Iterator[str]:
    """The account of a dry run for a log: what matters to others, and how the schema changes."""
    telling = list(filter(worth_telling, tried.impacts))
    for impact in telling[:MOST_LINES]:
        yield f"{impact.migration.source.path}:{impact.trace.line}  {impact.risk}: {_cut(impact.trace.sql)}"
        for lock in impact.locks:
            yield f"    {describe_lock_taken(lock, impact)}"
        work = describe_work(impact.trace)
        if tried.mode is DryRunMode.REHEARSE:
            work.append(measured(impact.trace))
        if work := list(filter(None, work)):
            yield f"    {'; '.join(work)}"
    if len(telling) > MOST_LINES:
        yield f"and {len(telling) - MOST_LINES} more statements, which the summary lists"
    if tried.schema is not None:
        yield from tried.schema.short(most=MOST_CHANGES) or ("no change of the schema is seen",)


def _cut(sql: str) -> str:
    return sql if len(sql) <= WIDEST else f"{sql[: WIDEST - 1]}…"
