"""The verdict on a run in one line of plain text."""

from collections.abc import Iterator, Mapping

from runner.core.model import Report, StageState
from runner.core.plural import counted
from runner.core.versions import BEGINNING, version_below
from runner.errors import Drift, Level, Outcome

STOPPED: Mapping[Outcome, str] = {
    Outcome.REFUSED: "Refused",
    Outcome.FAILED: "Failed",
    Outcome.CANCELLED: "Cancelled",
}


def headline(report: Report) -> str:
    """`3 migrations applied to staging`."""
    match report.command:
        case "check":
            return _checked(report)
        case "config":
            return _shown(report)
        case "verify":
            return _verified(report)
        case "status" | "history":
            return _standing(report)
        case "repair":
            return _repaired(report)
        case "rollback":
            return _rolled_back(report)
        case "baseline" | "adopt":
            return _joined(report)
        case _:
            return _migrated(report)


def _migrated(report: Report) -> str:
    environment = report.environment
    match report.outcome:
        case Outcome.APPLIED:
            return f"{counted(len(report.applied))} applied to {environment}"
        case Outcome.UP_TO_DATE if report.plan and report.plan.later:
            left = counted(len(report.plan.later))
            return f"{environment} is up to date with the version asked for, {left} left for later"
        case Outcome.UP_TO_DATE:
            return f"{environment} is up to date"
        case Outcome.DRY_RUN:
            planned = len(report.plan.pending) if report.plan else 0
            return f"Dry run: {counted(planned)} would be applied to {environment}"
        case Outcome.ROLLED_BACK:
            return f"A smoke test failed: {counted(len(report.undone))} undone in {environment}"
        case Outcome.REFUSED:
            return f"Refused: nothing was changed in {environment}"
        case _ if report.dry_run and report.dry_run.failed:
            return f"Failed in the dry run: nothing was changed in {environment}"
    return _stopped_applying(report)


def _stopped_applying(report: Report) -> str:
    how, environment = STOPPED[report.outcome], report.environment
    stuck = next((step for step in report.steps if not step.completed), None)
    before = f"{counted(len(report.applied))} applied and " if report.applied else ""
    if stuck and stuck.half_done:
        return f"{how}, with {before}{stuck.migration.version} half done in {environment}"
    if stuck and not stuck.sure:
        return f"{how}, with {before}perhaps {stuck.migration.version} in {environment}"
    if not report.applied:
        return f"{how}: no migration was applied to {environment}"
    return f"{how}, with {counted(len(report.applied))} applied to {environment}"


def _joined(report: Report) -> str:
    environment, at = report.environment, report.current_version
    match report.outcome:
        case Outcome.APPLIED:
            pending = f", {counted(len(report.pending))} pending" if report.pending else ""
            return f"{environment} has joined at {at}: nothing was run{pending}"
        case Outcome.DRY_RUN:
            return f"Dry run: nothing was recorded in {environment}"
        case Outcome.UP_TO_DATE if at:
            return f"Nothing to record: {environment} is at {at}"
        case Outcome.UP_TO_DATE:  # of an adoption, as a baseline has something to record there
            return f"The other tool has applied none of these files: nothing was recorded in {environment}"
    return _stopped_writing(report, "record", f"recorded in {environment}")


def _repaired(report: Report) -> str:
    ledger = f"the ledger of {report.environment}"
    changes = counted(len(report.table.rows) if report.table else 0, "change")
    match report.outcome:
        case Outcome.DRY_RUN:
            return f"Dry run: {changes} would be made to {ledger}"
        case Outcome.APPLIED:
            return f"{changes} made to {ledger}"
        case Outcome.UP_TO_DATE:
            return f"Nothing to mend in {ledger}"
    return _stopped_writing(report, "repair", f"mended in {ledger}")


def _stopped_writing(report: Report, stage: str, done: str) -> str:
    """Of a run whose stage of this name writes all in one transaction, or nothing."""
    how = STOPPED[report.outcome]
    match next((each.state for each in report.stages if each.name == stage), None):
        case StageState.OK:
            return f"{how} at the end: all was {done}"
        case StageState.FAILED if report.outcome is not Outcome.REFUSED:  # the commit may be what was interrupted
            return f"{how} on the way: all was {done}, or nothing"
    return f"{how}: nothing was {done}"


def _rolled_back(report: Report) -> str:
    planned, environment = report.migrations, report.environment
    match report.outcome:
        case Outcome.ROLLED_BACK:
            return f"{counted(len(report.undone))} undone in {environment}, back at {_back_at(report)}"
        case Outcome.UP_TO_DATE:
            at = report.current_version or "the beginning"
            return f"Nothing to undo: {environment} is at {at}"
        case Outcome.DRY_RUN:
            return f"Dry run: {counted(len(planned))} would be undone in {environment}, back to {_back_at(report)}"
        case Outcome.REFUSED:
            return f"Refused: nothing was changed in {environment}"
        case _ if report.dry_run and report.dry_run.failed:
            return f"Failed in the dry run: nothing was changed in {environment}"
    stuck = report.undoing.failed if report.undoing else None
    unclear = ""
    if stuck and stuck.half_done:
        unclear = f" and {stuck.migration.version} half undone"
    elif stuck and not stuck.sure:
        unclear = f" and perhaps {stuck.migration.version}"
    undone = f"{len(report.undone)} of {counted(len(planned))}" if report.undone or unclear else "no migration"
    return f"{STOPPED[report.outcome]}, with {undone} undone{unclear} in {environment}"


def _back_at(report: Report) -> str:
    """What a rollback goes back to."""
    to = version_below(report, report.migrations[-1].version) if report.migrations else BEGINNING
    return "the beginning" if to == BEGINNING else to


def _verified(report: Report) -> str:
    if not report.exit_code:
        return f"{report.environment} is what its ledger and the files say"
    if report.exit_code == Drift.exit_code:
        return f"{report.environment} is not what its ledger and the files say: {_errors(report, 'difference')}"
    return f"{STOPPED[report.outcome]}: {report.environment} was not verified"


def _standing(report: Report) -> str:
    environment, at = report.environment, report.current_version or "the beginning"
    match report.outcome:
        case Outcome.FAILED:
            return f"Failed: {environment} could not be read"
        case Outcome.REFUSED | Outcome.CANCELLED:
            return f"{STOPPED[report.outcome]}: {environment} was not read"
    if report.plan is None:
        return f"{environment} was read, nothing was changed"
    return f"{environment} is at {at}, {', '.join(_left(report))}"  # an exit code may say that this is a failure


def _left(report: Report) -> Iterator[str]:
    """What needs a look, then what is pending: that word stands alone where nothing does."""
    from runner.core.status import Change
    from runner.core.status_table import troubles

    found = troubles(report.table) if report.table else {}
    for word, number in found.items():
        yield f"{counted(number, 'file' if word is Change.MODIFIED else 'migration')} {word}"
    if report.pending or not found:
        yield f"{counted(len(report.pending))} pending"


def _shown(report: Report) -> str:
    match report.outcome:
        case Outcome.REFUSED:
            return f"The values for {report.environment} are not sound: {_errors(report, 'problem')}"
        case Outcome.FAILED | Outcome.CANCELLED:
            return f"{STOPPED[report.outcome]}: the values for {report.environment} were not shown"
    return f"The values for {report.environment} are sound"


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


def _errors(report: Report, noun: str) -> str:
    return counted(sum(finding.level is Level.ERROR for finding in report.findings), noun)
