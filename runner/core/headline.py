"""The verdict on a run in one line of plain text."""

from runner.core.model import Report
from runner.errors import Outcome


def headline(report: Report) -> str:
    """`3 migrations applied to staging`."""
    applied, pending = len(report.applied), len(report.pending)
    if report.command != "migrate":
        return f"{report.environment} is at {report.current_version or 'the beginning'}, {counted(pending)} pending"
    match report.outcome:
        case Outcome.APPLIED:
            return f"{counted(applied)} applied to {report.environment}"
        case Outcome.UP_TO_DATE:
            return f"{report.environment} is up to date"
        case Outcome.DRY_RUN:
            return f"Dry run: {counted(pending)} would be applied to {report.environment}"
        case Outcome.REFUSED:
            return f"Refused: nothing was changed in {report.environment}"
        case Outcome.CANCELLED:
            return f"Cancelled, with {counted(applied)} applied to {report.environment}"
        case Outcome.FAILED if applied:
            return f"Failed, with {counted(applied)} applied to {report.environment}"
        case Outcome.FAILED:
            return f"Failed: no migration was applied to {report.environment}"


def counted(number: int, noun: str = "migration") -> str:
    """`1 migration`, `2 migrations`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"
