"""What trying a plan showed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import TYPE_CHECKING

from runner.core.migration import Migration
from runner.core.model import DryRunMode
from runner.errors import Finding

if TYPE_CHECKING:
    from runner.core.schema_diff import SchemaDifference


@dataclass(frozen=True, slots=True, kw_only=True)
class LockTaken:
    """A lock of a statement on what was there before the plan."""

    relation: str  # by the name that it had then: "public.users"
    mode: str  # as in pg_locks: "AccessExclusiveLock"
    index_of: str = ""  # its table, when the relation is an index
    before: bool = False  # an earlier statement of its transaction took it, and it is still held while this one works


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """What was seen of a statement that was executed for trying, or of several plain ones in a row. Relations are those
    that were there before the plan, by the names that they had then.
    """

    line: int
    sql: str  # its beginning, on one line
    count: int = 1  # of the statements
    duration: timedelta = timedelta()
    rows: int = 0  # that it wrote or returned
    locks: tuple[LockTaken, ...] = ()
    rewritten: tuple[str, ...] = ()  # tables whose rows were all written anew
    rebuilt: tuple[str, ...] = ()  # indexes that were built anew
    emptied: tuple[str, ...] = ()  # tables that TRUNCATE emptied
    scanned: tuple[str, ...] = ()  # tables of which all rows were read
    row_locks: tuple[str, ...] = ()  # tables of which it may change rows that are there: they stay locked until COMMIT
    left_out: str = ""  # why it was not executed: it needs rows, or would reach another server


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsed:
    """What happened when a migration was executed for trying."""

    migration: Migration
    duration: timedelta = timedelta()
    traces: tuple[Trace, ...] = ()
    failure: Finding | None = None
    left_out: str = ""  # why it was not executed

    @property
    def executed(self) -> bool:
        """All of it ran."""
        return self.failure is None and not self.left_out


@dataclass(frozen=True, slots=True, kw_only=True)
class TableFacts:
    """How large and busy a table, or the table of an index, is in the target."""

    name: str
    size: int  # bytes, with its indexes
    rows: int | None = None  # as the server estimates; None when it never counted
    writes: float | None = None  # rows a second, on average; None when the server cannot tell since when
    empty: bool = False  # it has not even a page


class Risk(StrEnum):
    """What a statement means for those who use the database meanwhile (docs/dry-runs.md)."""

    INSTANT = "instant"
    SHORT = "short"
    SCALES = "scales with the table"
    REWRITES = "rewrites the table"


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    """A statement's trace, joined with what the target says of the tables that it touches."""

    migration: Migration
    trace: Trace
    risk: Risk
    locks: tuple[LockTaken, ...]  # those that matter for a reader, the strongest first, one for each relation
    tables: tuple[TableFacts, ...]  # that the risk is about, the largest first


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceMoved:
    """A sequence that a rehearsal has moved: no rollback takes that back."""

    name: str
    before: int | None  # the last number that it gave; None when it had given none
    after: int | None

    @property
    def backwards(self) -> bool:
        """It would give numbers again."""
        return self.before is not None and (self.after is None or self.after < self.before)


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What trying the plan showed."""

    mode: DryRunMode
    where: str = ""  # "PostgreSQL 18.1, embedded"; empty in a preview
    rehearsed: tuple[Rehearsed, ...] = ()
    impacts: tuple[Impact, ...] = ()
    schema: SchemaDifference | None = None  # what it would change
    moved: tuple[SequenceMoved, ...] = ()

    @property
    def failed(self) -> Rehearsed | None:
        """The migration that failed; none behind it was tried."""
        return next((result for result in self.rehearsed if result.failure), None)
