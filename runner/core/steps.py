"""What became of what was executed: migrations, those that were undone, smoke tests."""

from dataclasses import dataclass
from datetime import timedelta

from runner.core.migration import Migration, Statement
from runner.core.model import SourceFile
from runner.errors import Finding


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """Another session of the server, as far as our role may see it."""

    pid: int
    application: str = ""
    role: str = ""
    state: str = ""  # as in pg_stat_activity: "idle in transaction"
    age: timedelta | None = None  # of its transaction
    query: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """An attempt at a migration that was rolled back and made again."""

    attempt: int  # the one that failed, from 1
    why: str  # "waited 5.0 s for a lock"
    pause: timedelta  # before the next one
    in_the_way: tuple[Session, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StatementTime:
    """How long a statement took, until its answer was there."""

    line: int
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class StepResult:
    """What happened to one migration."""

    migration: Migration
    duration: timedelta
    statements_done: int = 0
    failure: Finding | None = None
    sure: bool = True  # False: the connection broke, and nobody knows of the step under way
    slowest: tuple[StatementTime, ...] = ()  # of its statements, the longest first
    retries: tuple[Retry, ...] = ()
    in_the_way: tuple[Session, ...] = ()  # of the attempt that failed for good
    started: timedelta = timedelta()  # after the run's start
    xid: str = ""  # of its transaction, once the server has told it

    @property
    def completed(self) -> bool:
        return self.failure is None

    @property
    def half_done(self) -> bool:
        """Some of it stays, or may."""
        return not self.completed and not self.migration.transactional and (self.statements_done > 0 or not self.sure)


@dataclass(frozen=True, slots=True, kw_only=True)
class LockHeld:
    """A lock that blocks others, and how long the worker held it, as the watcher saw it."""

    relation: str
    mode: str  # as in pg_locks: "AccessExclusiveLock"
    duration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """What the watcher saw while the migrations ran."""

    locks: tuple[LockHeld, ...] = ()  # the longest of each relation and mode, the longest first
    largest_queue: int = 0  # sessions that waited behind the worker at once
    longest_wait: timedelta = timedelta()  # of one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeTest:
    """A file of queries that must be true after the migrations."""

    source: SourceFile
    statements: tuple[Statement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SmokeResult:
    """How a smoke test went."""

    test: SmokeTest
    duration: timedelta
    failure: Finding | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoing:
    """What became of undoing a run's own migrations."""

    why_not: str = ""  # why nothing was undone
    steps: tuple[StepResult, ...] = ()  # in the order in which they were undone; the last one may have failed

    @property
    def undone(self) -> tuple[str, ...]:
        """The versions that are not applied any more."""
        return tuple(step.migration.version for step in self.steps if step.completed)

    @property
    def failed(self) -> StepResult | None:
        """The one that could not be undone."""
        return next((step for step in self.steps if not step.completed), None)
