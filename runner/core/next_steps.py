"""What to do now: true to how the run ended, one sentence each."""

from runner.core.model import Report, StepResult
from runner.errors import Outcome


def next_steps(report: Report) -> list[str]:
    """The state the database is in and how to go on. Empty when nothing is left to do."""
    if report.command != "migrate":
        return []
    outcome, pending = report.outcome, report.pending
    done = [step.migration for step in report.steps if step.completed]
    failed = next((step for step in report.steps if not step.completed), None)
    said = []
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
        said.append(f"When the cause is mended, run again: the run goes on with {failed.migration.version}.")
    elif outcome is Outcome.DRY_RUN and pending:
        how = "with `dry-run: false`" if report.context.manual else "without `dry-run`"
        said.append(f"Run again {how} to apply these migrations.")
    return said


def _what_remains(failed: StepResult) -> str:
    version, done = failed.migration.version, failed.statements_done
    if failed.migration.transactional:
        return f"What this run did in migration {version} was rolled back by PostgreSQL: nothing of it remains."
    of = f"{done} of {failed.migration.statement_count} statements"
    if failed.sure:
        return (
            f"Migration {version} does not run in one transaction: {of} are done and stay; the next run goes on there."
        )
    return (
        f"Migration {version} does not run in one transaction: {of} are done and stay; of the one behind them nobody "
        "knows. The next run stops and says what to look at."
    )
