"""What each statement of a plan means for those who use the database meanwhile: its trace, joined with what the target
says of the tables. The rule is told in docs/dry-runs.md.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto

from runner.core.lock_modes import STRENGTH, blocks_writes
from runner.core.trial import Impact, LockTaken, Rehearsed, Risk, TableFacts, Trace

WEAKEST_SHOWN = STRENGTH["ShareUpdateExclusiveLock"]  # what is weaker, every query takes


class Attention(Enum):
    """What a statement means for those who use its tables meanwhile."""

    STOPS = auto()  # they stand still for as long as the table is large
    WAITS = auto()  # they wait for a moment, or behind it while it waits for its lock
    NONE = auto()  # they go on


def impacts_of(rehearsed: Iterable[Rehearsed], facts: Mapping[str, TableFacts]) -> tuple[Impact, ...]:
    """Of every statement that touches what was there before the plan, in order. `facts`: by the name of the table."""
    return tuple(
        impact_of(result, trace, facts)
        for result in rehearsed
        for trace in result.traces
        if touched(trace) or trace.left_out
    )


def impact_of(result: Rehearsed, trace: Trace, facts: Mapping[str, TableFacts]) -> Impact:
    """One statement's."""
    about = {facts[name].name: facts[name] for name in touched(trace) if name in facts}
    return Impact(
        migration=result.migration,
        trace=trace,
        risk=risk_of(trace, facts),
        locks=tuple(_worth_telling(trace.locks)),
        tables=tuple(sorted(about.values(), key=lambda table: (-table.size, table.name))),
    )


def risk_of(trace: Trace, facts: Mapping[str, TableFacts]) -> Risk:
    """The verdict on a statement. Work on a table that is empty in the target takes no time; of one that nobody knows,
    the worst is thought. While an earlier lock is still held, all that takes time counts.
    """
    tables = {lock.relation: lock.index_of for lock in trace.locks if lock.index_of}

    def has_rows(name: str) -> bool:
        table = tables.get(name, name)
        return table not in facts or not facts[table].empty

    if any(map(has_rows, trace.rewritten)):
        return Risk.REWRITES
    if any(map(has_rows, (*trace.scanned, *trace.rebuilt))) or any(lock.before for lock in trace.locks):
        return Risk.SCALES
    if any(blocks_writes(lock.mode) for lock in trace.locks) or any(map(has_rows, trace.row_locks)):
        return Risk.SHORT
    return Risk.INSTANT


def touched(trace: Trace) -> list[str]:
    """The relations that a statement stops others from using, or works on as a whole."""
    told = [lock.index_of or lock.relation for lock in trace.locks if STRENGTH[lock.mode] >= WEAKEST_SHOWN]
    return list(
        dict.fromkeys([*told, *trace.rewritten, *trace.rebuilt, *trace.emptied, *trace.scanned, *trace.row_locks])
    )


def attention(impact: Impact) -> Attention:
    """How much a statement deserves."""
    blocking = any(blocks_writes(lock.mode) for lock in impact.locks)
    if blocking and impact.risk in {Risk.SCALES, Risk.REWRITES}:
        return Attention.STOPS
    return Attention.WAITS if impact.risk is Risk.SHORT or impact.trace.row_locks else Attention.NONE


def worth_telling(impact: Impact) -> bool:
    """Whether a reader who uses the database wants to know of it."""
    return impact.risk is not Risk.INSTANT or bool(impact.locks or impact.trace.left_out or impact.trace.emptied)


def _worth_telling(locks: Sequence[LockTaken]) -> Iterator[LockTaken]:
    """The strongest lock of each relation; of an index only where it is stronger than that of its table."""
    strongest: dict[str, LockTaken] = {}
    for lock in sorted(locks, key=lambda lock: -STRENGTH[lock.mode]):
        if STRENGTH[lock.mode] >= WEAKEST_SHOWN:
            strongest.setdefault(lock.relation, lock)
    for lock in strongest.values():
        table = strongest.get(lock.index_of)
        if table is None or STRENGTH[table.mode] < STRENGTH[lock.mode]:
            yield lock
