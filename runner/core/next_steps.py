"""What to do now: true to how the run ended, one sentence each."""

from runner.core.model import DryRun, DryRunMode, Report, StepResult
from runner.core.retry import DEADLOCK, LOCK_TIMEOUT, SERIALIZATION
from runner.core.sessions import PREPARED
from runner.errors import Outcome


def next_steps(report: Report) -> list[str]:
    """The state the database is in and how to go on. Empty when nothing is left to do."""
    if report.command != "migrate":
        return []
    outcome, pending = report.outcome, report.pending
    done = [step.migration for step in report.steps if step.completed]
    failed = next((step for step in report.steps if not step.completed), None)
    said = _after_trying(report.dry_run) if report.dry_run else []
    if failed:
        said.append(_what_remains(failed))
    if outcome is Outcome.CANCELLED and not report.steps:
        said.append("The run was cancelled before a migration was executed.")
    if outcome in {Outcome.FAILED, Outcome.CANCELLED} and done:
        versions = ", ".join(migration.version for migration in done)
        said.append(f"Applied by this run, and staying: {versions}.")
        undoable = [migration for migration in reversed(done) if migration.file.down]
        if undoable:
            files = ", ".join(f"`{migration.file.down.path}`" for migration in undoable if migration.file.down)
            said.append(f"What undoes them, in this order: {files}.")
    if failed and not failed.sure:
        return said
    if outcome is Outcome.CANCELLED and pending:
        said.append(f"Run again to go on with {pending[0]}.")
    elif failed:
        said.append(f"{_how_to_go_on(failed)}: the run goes on with {failed.migration.version}.")
    elif outcome is Outcome.DRY_RUN and pending:
        how = "with `dry-run: false`" if report.context.manual else "without `dry-run`"
        said.append(f"Run again {how} to apply these migrations.")
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


def _what_remains(failed: StepResult) -> str:
    version, done = failed.migration.version, failed.statements_done
    if failed.migration.transactional and not failed.sure:
        return (
            f"Nobody can tell yet whether migration {version} was committed. Its work and its row in the ledger are "
            "one transaction: the next run reads there what is true."
        )
    if failed.migration.transactional:
        return f"What this run did in migration {version} was rolled back by PostgreSQL: nothing of it remains."
    of = f"{done} of {failed.migration.statement_count} statements"
    if failed.sure:
        return (
            f"Migration {version} does not run in one transaction: {of} are done and stay; the next run goes on there."
        )
    return (
        f"Migration {version} does not run in one transaction: {of} are done and stay; of the one behind them nobody "
        "knows yet. The next run asks the catalog; where that cannot tell, it stops and says what to look at."
    )
