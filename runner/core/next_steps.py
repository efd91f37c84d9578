"""What to do now: true to how the run ended, one sentence each."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from runner.core.model import PRODUCTION, DryRunMode, Plan, Report
from runner.core.phrases import OF_A_ROLLBACK
from runner.core.plan import comes_late
from runner.core.sqlstates import DEADLOCK, LOCK_TIMEOUT, RETRYABLE, SERIALIZATION
from runner.core.versions import version_below
from runner.errors import Outcome

if TYPE_CHECKING:
    from runner.core.steps import StepResult, Undoing
    from runner.core.trial import DryRun


JOINING = frozenset({"baseline", "adopt"})


def next_steps(report: Report) -> list[str]:
    """How to go on; `rollback_instructions` tells what state the database is in. Empty when nothing is left to do."""
    if report.command == "rollback":
        return list(_after_a_rollback(report))
    if report.command in JOINING and report.outcome is Outcome.APPLIED and report.plan and report.plan.pending:
        return [_after_joining(report.plan)]
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


def _after_joining(plan: Plan) -> str:
    head = plan.current_version
    late = next((file.version for file in plan.pending if comes_late(file, head, plan.order)), None)
    if late is None:
        return f"Run `db-migrate`: it begins with {plan.pending[0].version}."
    return (
        f"A run refuses {late}, as the database already has {head}: give it a number behind the last one, or run "
        "`db-migrate` with `out-of-order: allow`."
    )


def _after_a_rollback(report: Report) -> Iterator[str]:
    """How to go on, and the trap behind it: the checkout may still have what was undone."""
    if not report.migrations:
        return
    stuck, tried = report.undoing.failed if report.undoing else None, report.dry_run
    if tried and tried.failed:
        yield _after_trying_to_undo(tried)
    elif report.outcome is Outcome.DRY_RUN:
        how = "with `dry-run: false`" if report.context.manual else "without `dry-run`"
        phrase = f" and with `confirmation: {OF_A_ROLLBACK}`" if report.environment == PRODUCTION else ""
        yield f"Run again {how}{phrase} to undo these migrations, or approve the job that waits for this plan."
    elif stuck:
        yield _how_to_go_on_undoing(report, stuck)
    elif report.outcome is Outcome.CANCELLED:
        yield f"Run again with {_to(report)} to go on." if report.undone else "Nothing was undone yet."
    elif any(result.failure for result in report.smoke):
        yield "Look at what the smoke tests found: they may ask for what was undone. Else mend it with a new migration."
    if not set(report.pending).isdisjoint(report.undone):
        yield (
            "What was undone is pending again: before the next run applies it as it is, mend its files, or deploy a "
            "version without them."
        )


def _to(report: Report) -> str:
    """Where a rollback goes on to. With `steps` a second run would undo as many again."""
    return f'`to: "{version_below(report, report.migrations[-1].version)}"`'


def _how_to_go_on_undoing(report: Report, stuck: StepResult) -> str:
    version = stuck.migration.version
    from runner.core.ways_back import goes_on, settle_undone

    settle = f"`{settle_undone(report, version)}`"
    if not goes_on(stuck):
        rest = "" if version == report.migrations[-1].version else f" Then run again with {_to(report)}."
        return f"Do by hand what is left of the down file of {version}, and tell the ledger: {settle}.{rest}"
    if not stuck.sure and stuck.migration.transactional:
        return f"Run again with {_to(report)}: the ledger tells the run whether {version} was undone."
    if not stuck.sure:
        return (
            f"Run again with {_to(report)}: the run asks the catalog how far undoing {version} came; where that cannot "
            "tell, it stops and says what to look at."
        )
    if report.outcome is Outcome.CANCELLED:
        return f"Run again with {_to(report)} to go on with {version}."
    said = f"{_how_to_go_on(stuck)} with {_to(report)}: the run goes on with {version}."
    if stuck.failure and stuck.failure.sqlstate in RETRYABLE:  # others were at work, and the file is sound
        return said
    by_hand = f"undo {version} by hand: docs/rollback.md#undoing-by-hand"
    if stuck.half_done:
        by_hand = f"do by hand what is left of it, and tell the ledger: {settle}"
    return f"{said} It runs the down file that the ledger kept; if that itself is wrong, {by_hand}."


def _after_trying_to_undo(tried: DryRun) -> str:
    version = tried.failed.migration.version if tried.failed else ""
    where = "on the database, and rolled back" if tried.mode is DryRunMode.REHEARSE else "on a shadow"
    return (
        f"Undoing {version} was only tried, {where}: take away what is in its way and run again, or go forward with a "
        "new migration."
    )


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
    from runner.core.sessions import PREPARED

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
