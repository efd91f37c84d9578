"""What a run has to tell so far; at any moment it gives a report that is complete up to there."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from runner import __version__
from runner.core.model import Plan, Report, RunContext, StageResult, StageState, Target, Verdict
from runner.errors import Cancelled, Finding, Level, Outcome, RunnerError

if TYPE_CHECKING:
    from runner.core.backup import Backup
    from runner.core.migration import Migration
    from runner.core.plan_document import PlanDocument
    from runner.core.restore_point import RestorePoint
    from runner.core.schema_diff import SchemaDifference
    from runner.core.steps import SmokeResult, StepResult, Undoing, Watched
    from runner.core.table import Table
    from runner.core.trial import DryRun


class Tell(Protocol):
    """Says in a few words how a stage went."""

    def __call__(self, text: str, of_state: StageState = StageState.OK, /) -> None: ...


class Journal:
    """Collects the stages, verdicts and results of one run."""

    def __init__(self, command: str, environment: str, context: RunContext) -> None:
        self.command, self.environment, self.context = command, environment, context
        self.on_stage: Callable[[StageResult], None] = lambda _: None
        self.target: Target | None = None
        self.plan: Plan | None = None
        self.migrations: Sequence[Migration] = ()
        self.touched: frozenset[str] | None = None
        self.table: Table | None = None
        self.findings: list[Finding] = []
        self._stages: list[StageResult] = []
        self.verdicts: list[Verdict] = []
        self.steps: list[StepResult] = []
        self.rehearsed: list[StepResult] = []
        self.watched: Watched | None = None
        self.plan_document: PlanDocument | None = None
        self.dry_run: DryRun | None = None
        self.schema: SchemaDifference | None = None
        self.restore_point: RestorePoint | None = None
        self.backup: Backup | None = None
        self.smoke: Sequence[SmokeResult] = ()
        self.undoing: Undoing | None = None
        self.release_notes = self.release_url = ""
        self.tracking_schema = "public"
        self.exit_code = 0  # of a run that ends well, where that is asked for
        self._started_at, self._clock = datetime.now(UTC), time.monotonic()

    @contextmanager
    def stage(self, name: str) -> Iterator[Tell]:
        """One stage of the run; the block says in a few words what it found, and whether that is well."""
        started, note, state = time.monotonic(), "", StageState.OK

        def tell(text: str, of_state: StageState = StageState.OK) -> None:
            nonlocal note, state
            note, state = text, of_state

        try:
            yield tell
        except (RunnerError, Cancelled) as error:
            state, note = StageState.FAILED, error.outcome
            raise
        except BaseException:
            state, note = StageState.FAILED, "an error of the runner itself"
            raise
        finally:
            duration = timedelta(seconds=time.monotonic() - started)
            self._add(
                StageResult(name=name, state=state, note=note, duration=duration, started=self._elapsed() - duration)
            )

    def skip(self, name: str, reason: str) -> None:
        """A stage that this run does not need."""
        self._add(
            StageResult(name=name, state=StageState.SKIPPED, note=reason, duration=timedelta(), started=self._elapsed())
        )

    def judge(self, verdict: Verdict) -> Verdict:
        """Keep a gate's verdict."""
        self.verdicts.append(verdict)
        return verdict

    def errors_of(self, found: Sequence[Finding]) -> list[Finding]:
        """The errors among findings, for the caller to raise; the others are kept."""
        self.findings += [finding for finding in found if finding.level is not Level.ERROR]
        return [finding for finding in found if finding.level is Level.ERROR]

    def record(self, step: StepResult) -> None:
        """Keep what happened to a migration."""
        self.steps.append(self._placed(step))

    def record_undone(self, step: StepResult) -> Undoing:
        """Keep what happened to a migration that was to be undone; returns all of it."""
        from runner.core.steps import Undoing

        before = self.undoing.steps if self.undoing else ()
        self.undoing = Undoing(steps=(*before, self._placed(step)))
        return self.undoing

    def report(self, outcome: Outcome, exit_code: int) -> Report:
        """The report of the run as it stands now."""
        return Report(
            command=self.command,
            environment=self.environment,
            outcome=outcome,
            exit_code=exit_code,
            context=self.context,
            runner_version=__version__,
            started_at=self._started_at,
            duration=self._elapsed(),
            target=self.target,
            stages=tuple(self._stages),
            plan=self.plan,
            migrations=tuple(self.migrations),
            touched=self.touched,
            verdicts=tuple(self.verdicts),
            steps=tuple(self.steps),
            rehearsed=tuple(self.rehearsed),
            watched=self.watched,
            plan_document=self.plan_document,
            dry_run=self.dry_run,
            schema=self.schema,
            restore_point=self.restore_point,
            backup=self.backup,
            smoke=tuple(self.smoke),
            undoing=self.undoing,
            release_notes=self.release_notes,
            release_url=self.release_url,
            tracking_schema=self.tracking_schema,
            findings=tuple(self.findings),
            table=self.table,
        )

    def _placed(self, step: StepResult) -> StepResult:
        """With when it began; its end is now."""
        return replace(step, started=max(self._elapsed() - step.duration, timedelta()))

    def _elapsed(self) -> timedelta:
        return timedelta(seconds=time.monotonic() - self._clock)

    def _add(self, result: StageResult) -> None:
        self._stages.append(result)
        self.on_stage(result)
