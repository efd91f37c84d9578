"""The values that a run hands on, in the order in which they come to be. Read this first."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import takewhile
from pathlib import PurePosixPath
from typing import Any

from runner.core.naming import VersionOrder
from runner.core.schema_diff import SchemaDifference
from runner.errors import Finding, Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """A file as the migrator sees it: no byte order mark, line ends as LF."""

    path: PurePosixPath  # relative to the checkout, ready for annotations
    data: bytes = field(repr=False)  # UTF-8, as large files are not worth decoding whole

    @property
    def text(self) -> str:
        return self.data.decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class MigrationFile:
    """One migration as found in the folder, not yet parsed: enough to tell whether it is pending."""

    version: str  # the digits of the file name, as written: "01"
    name: str  # what follows them: "add_status"
    up: SourceFile
    checksum: str  # SHA-256, hex, of the up file's text
    down: SourceFile | None = None
    check: SourceFile | None = None

    @property
    def path(self) -> PurePosixPath:
        return self.up.path


class Control(StrEnum):
    """Statements that begin or end a transaction."""

    BEGIN = "BEGIN"
    BEGIN_WITH_OPTIONS = "BEGIN with options"
    COMMIT = "COMMIT"
    ROLLBACK = "ROLLBACK"
    PREPARE = "PREPARE TRANSACTION"
    CHAIN = "COMMIT or ROLLBACK AND CHAIN"
    PREPARED = "COMMIT or ROLLBACK PREPARED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Traits:
    """What a statement does that decides how it may run, or that a reader should know. Names of objects are as in the
    statement, unquoted and folded as PostgreSQL does: "users", "app.users".
    """

    kind: str = ""  # libpg_query's name of the statement: "create_stmt"; empty when it was not parsed
    control: Control | None = None
    no_transaction: str = ""  # its name, when PostgreSQL forbids it inside a transaction block
    only_in_transaction: str = ""  # its name, when it fails, or does nothing, outside of a transaction block
    concurrent: bool = False  # waits for other transactions by design, so that a lock timeout must not end it
    client_copy: bool = False  # COPY from or to the program that sends it
    cluster_wide: str = ""  # its name, when it reaches beyond this database
    ledger: tuple[str, ...] = ()  # objects with a name of the ledger's, and schemas, that it drops, alters or writes
    locks: tuple[str, ...] = ()  # relations on which it takes an ACCESS EXCLUSIVE lock
    creates: tuple[str, ...] = ()  # relations and types that it makes
    takes_time: bool = False  # works on rows: the more there are, the longer it takes
    hides_invalid_index: bool = False  # CREATE INDEX CONCURRENTLY IF NOT EXISTS
    enum_values: tuple[tuple[str, str], ...] = ()  # type and value of ALTER TYPE … ADD VALUE
    password: bool = False  # a role's password stands in it
    roles: tuple[str, ...] = ()  # roles that must exist for it to run
    extension: str = ""  # that it installs


@dataclass(frozen=True, slots=True, kw_only=True)
class Statement:
    """One SQL statement and where in its file it stands; in a large file, a run of plain ones that are sent together.

    Holds no copy of the text: `source` is the whole file.
    """

    source: bytes = field(repr=False)
    start: int  # in bytes
    end: int
    line: int  # of its first token, from 1
    column: int = 1  # of its first token, from 1, in characters
    count: int = 1  # of the statements in it
    traits: Traits = Traits()

    @property
    def sql(self) -> bytes:
        return self.source[self.start : self.end]


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """What a file says about itself in its leading comments."""

    title: str = ""
    purpose: str = ""
    breaking: str = ""
    origin: str = ""  # the other tool's name of this migration: its file, or its id
    no_transaction: bool = False
    lock_timeout: timedelta | None = None
    statement_timeout: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """One migration, parsed and ready to run; or, with `source` its down file, to be undone."""

    file: MigrationFile
    source: SourceFile  # what the statements are from
    headers: Headers
    statements: tuple[Statement, ...]
    steps: tuple[Statement, ...]  # what is sent and counted: a transaction block of the file's own is one step
    sql_digest: str | None = None  # SHA-256, hex, of the tokens; None where PostgreSQL's scanner cannot read the text
    transactional: bool = True
    why: str = ""  # when it is not: what keeps it from being one
    checks: tuple[Statement, ...] = ()
    findings: tuple[Finding, ...] = ()

    @property
    def version(self) -> str:
        return self.file.version

    @property
    def title(self) -> str:
        return self.headers.title or self.file.name.replace("_", " ")

    @property
    def statement_count(self) -> int:
        return sum(step.count for step in self.steps)

    @property
    def patient_steps(self) -> int:
        """How many of the first steps wait for their lock by design, with nobody waiting behind them: VALIDATE
        CONSTRAINT, as long as the transaction holds no other lock. 0 when the file sets a lock timeout.
        """
        if self.headers.lock_timeout is not None:
            return 0
        return sum(1 for _ in takewhile(lambda step: step.traits.concurrent, self.steps))


PRODUCTION = "production"  # the environment that the gates guard
DOCS_URL = "https://github.com/org/db-migrate-action/blob/v1/docs"


PULL_REQUESTS = frozenset({"pull_request", "pull_request_target"})  # GitHub's events


class Status(StrEnum):
    """A migration's state in the ledger."""

    PENDING = "pending"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """A row of `schema_migrations`."""

    version: str
    name: str
    checksum: str
    status: str
    sql_digest: str | None = None
    transactional: bool | None = None
    statements_done: int | None = None
    undoing: str | None = None  # of a down file begun outside of a transaction: RUNNING, or FAILED behind what is done
    statements_undone: int | None = None  # of the down file's statements, those that are finished
    applied_at: datetime | None = None
    applied_by: str | None = None
    execution_time_ms: int | None = None
    error_message: str | None = None

    @property
    def completed(self) -> bool:
        return self.status == Status.COMPLETED

    @property
    def half_undone(self) -> bool:
        """A part of it is undone, or may be; unless a rollback is under way, it stopped there."""
        return self.completed and (self.undoing == Status.RUNNING or bool(self.undoing and self.statements_undone))


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedVersion:
    """A migration that runs of one tag have completed."""

    version: str
    run_id: str
    run_started_at: datetime
    restore_point: str  # of the run; empty when there was none


class LedgerState(StrEnum):
    """What stands in the place of the ledger."""

    ABSENT = "absent"
    OUTDATED = "outdated"  # ours, without some of the columns that came later
    CURRENT = "current"
    FOREIGN = "foreign"  # another tool's table of the same name


@dataclass(frozen=True, slots=True)
class Backend:
    """A process of the server; its number alone may be another one's by now."""

    pid: int
    started: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What the server says of itself and of the role that runs the migrations."""

    database: str
    backend: Backend  # that serves the worker
    tells_wal: bool  # the role may ask where the write-ahead log stands
    role: str
    server_version: int  # as PostgreSQL's server_version_num: 170002
    in_recovery: bool
    read_only: bool
    may_create_schema: bool
    schema_exists: bool
    may_create_tables: bool
    may_use_schema: bool
    foreign_table: str  # the table that stands where one of the ledger should and is not ours; empty when none does
    foreign_columns: tuple[str, ...]  # of that table
    tables: tuple[str, ...]  # the ledger's tables that are there
    unwritable: tuple[str, ...]  # the ledger's tables that this role may not write
    ledger: LedgerState

    @property
    def server(self) -> str:
        """`PostgreSQL 17.2`."""
        return f"PostgreSQL {self.server_version // 10000}.{self.server_version % 10000}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Where statements land, whatever the address says."""

    system: str = ""  # the number of the cluster; empty where the role may not read it
    search_path: str = ""  # the schemas in which the session looks for names, as they resolve


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerRows:
    """What the ledger holds: a row a migration, and the environment this database belongs to."""

    applied: tuple[Applied, ...] = ()
    environment: str | None = None
    last_outcome: str | None = None  # of the last run that had something to apply; None when nobody knows


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is left to run, in order, and what the comparison with the ledger showed."""

    pending: tuple[MigrationFile, ...]
    applied: tuple[str, ...] = ()  # versions the ledger has as completed, in order
    order: VersionOrder = VersionOrder.AUTO
    later: tuple[str, ...] = ()  # pending versions behind the `version` asked for
    findings: tuple[Finding, ...] = ()

    @property
    def current_version(self) -> str:
        return self.applied[-1] if self.applied else ""

    def same_as(self, other: "Plan") -> bool:
        """Whether both would run the same files in the same order on the same ground."""
        return self.applied == other.applied and self.pending == other.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDocument:
    """A plan in the form that is approved, made by `plan_document`."""

    content: Mapping[str, Any]

    @property
    def text(self) -> str:
        """The canonical JSON."""
        return json.dumps(self.content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

    @property
    def digest(self) -> str:
        """SHA-256, hex."""
        return hashlib.sha256(self.text.encode()).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says, with what would let the run pass when it says no."""

    gate: str
    passed: bool
    reason: str
    way_out: str = ""


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


class DryRunMode(StrEnum):
    """How a plan is tried before it is applied."""

    PREVIEW = "preview"  # nothing is executed
    REHEARSE = "rehearse"  # on the target, and rolled back
    SHADOW = "shadow"  # on a throw-away copy of the target's schema


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


class RestorePointMode(StrEnum):
    """What is marked before the first migration runs, so that the database can be restored to there."""

    AUTO = "auto"  # a named point where the role may make one, else position and time
    REQUIRED = "required"  # a named point, or the run is refused
    OFF = "off"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestorePoint:
    """Where the database can be restored to, as far as its write-ahead log is kept."""

    at: datetime  # by the server's clock
    name: str = ""  # of the point in the write-ahead log; empty when none was made
    lsn: str = ""  # its position there: "0/16B3748"; empty when the role may not ask
    archived: bool | None = None  # the server archives its log; None when it does not tell

    @property
    def text(self) -> str:
        """`db_migrate_1a2b3c4d`, or `0/16B3748 at 2026-11-22 12:00:00 UTC`."""
        time = f"{self.at:%Y-%m-%d %H:%M:%S %Z}"
        return self.name or (f"{self.lsn} at {time}" if self.lsn else time)


class BackupMode(StrEnum):
    """What is written to a file before the first migration runs."""

    NONE = "none"
    SCHEMA = "schema"  # without the rows
    DUMP = "dump"  # the whole database


@dataclass(frozen=True, slots=True, kw_only=True)
class Backup:
    """A dump of the database in pg_dump's custom format, which pg_restore could read."""

    path: PurePosixPath  # relative to the workspace
    mode: BackupMode
    size: int  # bytes
    entries: int  # in its table of contents


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


class OnSmokeFailure(StrEnum):
    """What follows when a smoke test fails."""

    FAIL = "fail"  # the run has failed, and what it applied stays
    ROLLBACK = "rollback"  # besides, what it applied is undone by the down files


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


class StageState(StrEnum):
    """How a stage of the run went."""

    OK = "ok"
    SKIPPED = "skipped"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class StageResult:
    """One row of the run's account."""

    name: str
    state: StageState
    note: str
    duration: timedelta
    started: timedelta = timedelta()  # after the run's start


@dataclass(frozen=True, slots=True, kw_only=True)
class RunContext:
    """Who runs this, from where, for what: what the audit trail keeps of a run."""

    run_id: str
    actor: str
    triggering_actor: str = ""
    repository: str = ""
    ref: str = ""
    sha: str = ""  # that was checked out: of a pull request the one that would merge it
    head_sha: str = ""  # of the pull request itself
    run_url: str = ""
    source_url: str = ""  # of the checkout's files at this commit
    commits_url: str = ""  # before the commit's own
    docs_url: str = DOCS_URL  # of our own pages, those of the action's version
    run_attempt: int | None = None
    event: str = ""  # GitHub's name of the event; empty outside of GitHub
    activity: str = ""  # what happened to a release, for its event: "published"

    @property
    def of_a_pull_request(self) -> bool:
        """Started by one, which applies nothing."""
        return self.event in PULL_REQUESTS

    @property
    def commit(self) -> str:
        """The one that people know."""
        return self.head_sha or self.sha

    @property
    def manual(self) -> bool:
        """Started by hand with GitHub's form."""
        return self.event == "workflow_dispatch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a command lists, for people."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: Mapping[str, str] = field(default_factory=dict)  # where a cell leads, by its text
    notes: tuple[tuple[str, str], ...] = ()  # below it: each with the address where it leads; empty for none


@dataclass(frozen=True, kw_only=True)
class Report:
    """The one value that every output is rendered from. Complete up to the point where the run ended."""

    command: str
    environment: str
    outcome: Outcome
    exit_code: int
    context: RunContext
    runner_version: str
    started_at: datetime
    duration: timedelta
    target: Target | None = None
    stages: Sequence[StageResult] = ()
    plan: Plan | None = None
    migrations: Sequence[Migration] = ()  # of the plan, parsed
    touched: frozenset[str] | None = None  # versions that the pull request changes; None when it is of none
    verdicts: Sequence[Verdict] = ()
    steps: Sequence[StepResult] = ()
    rehearsed: Sequence[StepResult] = ()  # what was executed on a throw-away database
    watched: Watched | None = None
    plan_document: PlanDocument | None = None  # what is approved
    dry_run: DryRun | None = None
    schema: SchemaDifference | None = None  # what this run has changed
    tracking_schema: str = "public"  # of the ledger
    restore_point: RestorePoint | None = None
    backup: Backup | None = None
    smoke: Sequence[SmokeResult] = ()
    undoing: Undoing | None = None  # when a smoke test failed and what was applied was to be undone
    release_notes: str = ""  # path of the file with them, relative to the workspace
    release_url: str = ""  # of the GitHub release that has them
    findings: Sequence[Finding] = ()
    table: Table | None = None  # what `status` and `history` show
    next_steps: Sequence[str] = ()  # what to do now, one sentence each

    def step_of(self, version: str) -> StepResult | None:
        """What happened to a migration; None when it was not reached."""
        return self._steps_by_version.get(version)

    @cached_property
    def _steps_by_version(self) -> Mapping[str, StepResult]:
        return {step.migration.version: step for step in (*self.rehearsed[::-1], *self.steps[::-1])}

    @property
    def in_question(self) -> tuple[Migration, ...]:
        """The migrations that a pull request touches, and those that failed; all of them where there is none."""
        if self.touched is None:
            return tuple(self.migrations)
        failed = {version for version, step in self._steps_by_version.items() if not step.completed}
        return tuple(each for each in self.migrations if each.version in self.touched | failed)

    @property
    def applied(self) -> tuple[str, ...]:
        """The versions that this run applied, and that stay."""
        undone = set(self.undone)
        return tuple(
            step.migration.version for step in self.steps if step.completed and step.migration.version not in undone
        )

    @property
    def undone(self) -> tuple[str, ...]:
        """The versions that this run took back, the last one first."""
        return self.undoing.undone if self.undoing else ()

    @property
    def pending(self) -> tuple[str, ...]:
        """The versions still to run once this run has ended, those behind the `version` asked for included."""
        if self.plan is None:
            return ()
        done = set(self.applied)
        return tuple(f.version for f in self.plan.pending if f.version not in done) + self.plan.later

    @property
    def current_version(self) -> str:
        """The highest version that the database has; empty when it has none or was not reached."""
        if self.plan is None:
            return ""
        return max((*self.plan.applied, *self.applied), key=self.plan.order.key, default="")
