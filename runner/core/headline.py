"""The verdict on a run in one line of plain text."""

from runner.core.model import Report
from runner.errors import Level, Outcome


def headline(report: Report) -> str:
    """`3 migrations applied to staging`."""
    if report.command == "check":
        return _checked(report)
    if report.command == "verify" and report.outcome is not Outcome.CANCELLED:
        return _verified(report)
    if report.command == "config" and not report.exit_code:
        return f"The values for {report.environment} are sound"
    if report.command == "repair" and not report.exit_code:
        would = "would belong" if report.outcome is Outcome.DRY_RUN else "belongs"
        return f"The database {would} to {report.environment}"
    if report.command != "migrate" and not report.exit_code:
        return _standing(report)
    return _migrated(report)


def _migrated(report: Report) -> str:
    applied = len(report.applied)
    match report.outcome:
        case Outcome.APPLIED:
            return f"{counted(applied)} applied to {report.environment}"
        case Outcome.UP_TO_DATE if report.plan and report.plan.later:
            left = counted(len(report.plan.later))
            return f"{report.environment} is up to date with the version asked for, {left} left for later"
        case Outcome.UP_TO_DATE:
            return f"{report.environment} is up to date"
        case Outcome.DRY_RUN:
            planned = len(report.plan.pending) if report.plan else 0
            return f"Dry run: {counted(planned)} would be applied to {report.environment}"
        case Outcome.REFUSED:
            return f"Refused: nothing was changed in {report.environment}"
        case Outcome.CANCELLED:
            return f"Cancelled, with {counted(applied)} applied to {report.environment}"
        case Outcome.FAILED:
            return _failed(report, applied)
        case Outcome.ROLLED_BACK:
            undone = len(report.undoing.undone) if report.undoing else 0
            return f"A smoke test failed: {counted(undone)} undone in {report.environment}"


def _verified(report: Report) -> str:
    if not report.exit_code:
        return f"{report.environment} is what its ledger and the files say"
    errors = [finding for finding in report.findings if finding.level is Level.ERROR]
    return f"{report.environment} is not what its ledger and the files say: {counted(len(errors), 'difference')}"


def _standing(report: Report) -> str:
    if report.plan is None:
        return f"{report.environment} was read, nothing was changed"
    at = report.current_version or "the beginning"
    return f"{report.environment} is at {at}, {counted(len(report.pending))} pending"


def _failed(report: Report, applied: int) -> str:
    if report.dry_run and report.dry_run.failed:
        return f"Failed in the dry run: nothing was changed in {report.environment}"
    half = [step.migration.version for step in report.steps if step.half_done]
    if not half:
        done = f", with {counted(applied)} applied" if applied else ": no migration was applied"
        return f"Failed{done} to {report.environment}"
    before = f"{counted(applied)} applied and " if applied else ""
    return f"Failed, with {before}{half[0]} half done in {report.environment}"


def _checked(report: Report) -> str:
    if report.outcome is Outcome.CANCELLED:
        return "The check was cancelled"
    errors = [finding for finding in report.findings if finding.level is Level.ERROR]
    if report.exit_code:
        in_files = [finding for finding in errors if finding.path]
        return f"The check failed: {counted(len(in_files or errors), 'problem')}"
    lint = sum(bool(finding.rule) and finding.level is not Level.NOTICE for finding in report.findings)
    proved = "run from zero" if report.rehearsed else "can be read"
    found = f", with {counted(lint, 'lint finding')}" if lint else ""
    return f"The check passed: {counted(len(report.migrations))} {proved}{found}"


def counted(number: int, noun: str = "migration") -> str:
    """`1 migration`, `2 migrations`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
