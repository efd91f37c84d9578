"""What to do now: true to how the run ended, one sentence each."""

from runner.core.model import DryRun, DryRunMode, Report, StepResult, Undoing
from runner.core.retry import DEADLOCK, LOCK_TIMEOUT, SERIALIZATION
from runner.core.sessions import PREPARED
from runner.errors import Outcome


def next_steps(report: Report) -> list[str]:
    """How to go on; `rollback_instructions` tells what state the database is in. Empty when nothing is left to do."""
    if report.command != "migrate":
        return []
    outcome, pending = report.outcome, report.pending
    failed = next((step for step in report.steps if not step.completed), None)
    said = _after_trying(report.dry_run) if report.dry_run else []
    if outcome is Outcome.CANCELLED and not report.steps:
        said.append("The run was cancelled before a migration was executed.")
    if failed and not failed.sure:
        said.append(_find_out(failed))
    elif any(result.failure for result in report.smoke):
        said.append(_after_smoke_tests(report.undoing))
    elif outcome is Outcome.CANCELLED:
        said += [f"Run again to go on with {pending[0]}."] if pending else []
    elif failed:
        said.append(f"{_how_to_go_on(failed)}: the run goes on with {(*pending, failed.migration.version)[0]}.")
    elif outcome is Outcome.DRY_RUN and pending and not report.context.of_a_pull_request:
        how = "with `dry-run: false`" if report.context.manual else "without `dry-run`"
        said.append(f"Run again {how} to apply these migrations, or approve the job that waits for this plan.")
    return said


def _after_trying(dry_run: DryRun) -> list[str]:
    if dry_run.failed is None:
        return []
    version = dry_run.failed.migration.version
    where = "on the database, and rolled back" if dry_run.mode is DryRunMode.REHEARSE else "on a shadow"
    said = [f"Migration {version} was only tried, {where}: mend its file, and run again."]
    if dry_run.mode is DryRunMode.SHADOW:
        said.append("If it fails only for want of what a copy lacks, see `dry-run-mode` and `shadow-database`.")
    return said


def _how_to_go_on(failed: StepResult) -> str:
    code = failed.failure.sqlstate if failed.failure else ""
    if code in {DEADLOCK, SERIALIZATION}:
        return "Run again when fewer others write to these tables"
    if code != LOCK_TIMEOUT:
        return "When the cause is mended, run again"
    oldest = next((session for session in failed.in_the_way if session.pid != PREPARED), None)
    if oldest is None:
        return "Run again at a quieter moment"
    return (
        "Run again at a quieter moment; or, when nobody needs the session that was in the way, end it with "
        f"`SELECT pg_terminate_backend({oldest.pid})` and run again"
    )


def _find_out(unsure: StepResult) -> str:
    version = unsure.migration.version
    if unsure.migration.transactional:
        return f"Run again: the run reads in the ledger whether {version} was committed, and goes on from there."
    return (
        f"Run again: the run asks the catalog how far {version} came; where that cannot tell, it stops and says what "
        "to look at."
    )


def _after_smoke_tests(undoing: Undoing | None) -> str:
    if undoing and undoing.failed:
        return "Undo what stays of this run, as told under Rollback, before you run again."
    if undoing and undoing.undone:
        return f"When what the smoke tests found is mended, run again: the run begins with {undoing.undone[-1]}."
    return "Mend what the smoke tests found with a new migration, or undo this run as told under Rollback."
