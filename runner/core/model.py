"""The values that every run hands on, in the order in which they come to be. Read this first.

What a migration is made of has `migration`, what trying a plan showed `trial`, what became of what was executed
`steps`: a run with nothing to do needs none of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from functools import cached_property
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from runner.core.naming import VersionOrder
from runner.errors import Finding, Outcome

if TYPE_CHECKING:
    from runner.core.backup import Backup
    from runner.core.migration import Migration
    from runner.core.plan_document import PlanDocument
    from runner.core.restore_point import RestorePoint
    from runner.core.schema_diff import SchemaDifference
    from runner.core.steps import SmokeResult, StepResult, Undoing, Watched
    from runner.core.table import Table
    from runner.core.trial import DryRun


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

    def same_as(self, other: Plan) -> bool:
        """Whether both would run the same files in the same order on the same ground."""
        return self.applied == other.applied and self.pending == other.pending


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a gate says, with what would let the run pass when it says no."""

    gate: str
    passed: bool
    reason: str
    way_out: str = ""


class DryRunMode(StrEnum):
    """How a plan is tried before it is applied."""

    PREVIEW = "preview"  # nothing is executed
    REHEARSE = "rehearse"  # on the target, and rolled back
    SHADOW = "shadow"  # on a throw-away copy of the target's schema


class RestorePointMode(StrEnum):
    """What is marked before the first migration runs, so that the database can be restored to there."""

    AUTO = "auto"  # a named point where the role may make one, else position and time
    REQUIRED = "required"  # a named point, or the run is refused
    OFF = "off"


class BackupMode(StrEnum):
    """What is written to a file before the first migration runs."""

    NONE = "none"
    SCHEMA = "schema"  # without the rows
    DUMP = "dump"  # the whole database


class OnSmokeFailure(StrEnum):
    """What follows when a smoke test fails."""

    FAIL = "fail"  # the run has failed, and what it applied stays
    ROLLBACK = "rollback"  # besides, what it applied is undone by the down files


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
    def has_executed(self) -> bool:
        """A migration was begun, or undoing one was."""
        return bool(self.steps or (self.undoing and self.undoing.steps))

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
