"""What the user decided, as values: the configuration makes them, and what they are for obeys them."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from runner.core.naming import VersionOrder
from runner.core.phrases import OF_A_MIGRATION, OF_A_ROLLBACK
from runner.core.tools import Tool

MOST_RETRIES = 100  # then the pauses alone take 48 minutes at most; those of 10 retries take 2.5


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanPolicy:
    """What the user asked of the plan."""

    version: str | None = None  # the last version to run; None runs all
    version_order: VersionOrder = VersionOrder.AUTO
    allow_out_of_order: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsePolicy:
    """What the user decided about files in general."""

    tracking_schema: str = "public"
    own_transactions: bool = False  # files may begin and commit on their own


class LintMode(StrEnum):
    """What a finding does to the run."""

    OFF = "off"
    WARN = "warn"
    ERROR = "error"


@dataclass(frozen=True, slots=True, kw_only=True)
class LintPolicy:
    """How the files that are about to run are looked at."""

    mode: LintMode
    exclude: frozenset[str] = frozenset()  # rules, squawk's or ours, that are not asked


class HealthMode(StrEnum):
    """What a finding about the server does to the run."""

    WARN = "warn"
    ERROR = "error"  # refuses it
    OFF = "off"  # nobody looks


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfirmationPolicy:
    """What was said, and how the run was started."""

    environment: str
    confirmation: str  # exactly as given
    variable: str  # the value of CONFIRM_PRODUCTION_MIGRATION
    manual: bool  # started with GitHub's form, where only the typed phrase counts
    rollback: bool = False  # which has a phrase of its own

    @property
    def phrase(self) -> str:
        """What must be said."""
        return OF_A_ROLLBACK if self.rollback else OF_A_MIGRATION


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often a migration is tried again: 0 is never, MOST_RETRIES the most. The time in all is bounded by that: each
    attempt waits for each of its locks for no longer than the lock timeout, each pause is no longer than LONGEST_PAUSE.
    """

    retries: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """What others may suffer before the worker is cancelled; zero is without limit."""

    sessions: int = 0  # that wait behind it at once
    time: timedelta = timedelta()  # that one of them waits


@dataclass(frozen=True, slots=True, kw_only=True)
class BackPolicy:
    """How far to go back: one of the two is given."""

    to: str | None = None  # the version that stays the last; BEGINNING for none
    steps: int | None = None  # how many migrations, the last ones


@dataclass(frozen=True, slots=True, kw_only=True)
class JoinPolicy:
    """How a database joins that others have migrated."""

    verify: bool = False  # compare it first with what the files make of an empty one
    tool: Tool | None = None  # that has migrated it; None for a baseline
    table: str = ""  # of that tool, where it is not in its usual place: "ops.flyway_schema_history"


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairPolicy:
    """What the user asked to be mended; nothing of it means all that is found."""

    environment: str | None = None  # that the database is to belong to
    settle: tuple[str, int | None] | None = None  # a version and how many of its statements are done; None: undone
    forget: str | None = None  # a version
    yes: bool = False  # nobody is asked

    @property
    def asks_for_something(self) -> bool:
        """One thing is to be done, and nothing else."""
        return any((self.environment, self.settle, self.forget))


@dataclass(frozen=True, slots=True, kw_only=True)
class ListingPolicy:
    """What the user asked to see."""

    json: bool = False  # for a program
    exit_code: bool = False  # something pending is a failure
    limit: int = 50  # entries, the last ones
    version: str | None = None
    action: str | None = None
    result: str | None = None
    since: datetime | timedelta | None = None  # a moment, with its zone, or how long ago

    def begin(self, now: datetime) -> datetime | None:
        """The moment from which entries are shown; None for the beginning."""
        return now - self.since if isinstance(self.since, timedelta) else self.since
