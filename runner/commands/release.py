"""The notes of a release: what its tag has changed in the database, as a file and on GitHub."""

from collections.abc import Sequence
from dataclasses import replace

from runner.commands.journal import Journal, Tell
from runner.commands.run import Run
from runner.core.migration import Migration
from runner.core.model import PRODUCTION, LedgerState, MigrationFile, Report, StageState
from runner.core.naming import VersionOrder
from runner.core.parse import parse
from runner.core.released import ReleasedVersion
from runner.core.restore_point import RestorePoint
from runner.errors import Cancelled, Finding, Level, Outcome, RunnerError
from runner.gates.tag import TAGS
from runner.postgres.session import Connection

FILE = "release-notes.md"
AGAIN = "run the job again: nothing is applied twice, and the notes name all that the tag has applied"


def release(run: Run, worker: Connection, files: Sequence[MigrationFile]) -> None:
    """Write the notes of the tag that has migrated production. What prevents that, whatever it is, is a warning: the
    migrations stay, and the run has gone well.
    """
    config, journal = run.config, run.journal
    if config.environment != PRODUCTION or config.dry_run:
        return
    if not journal.context.ref.startswith(TAGS):
        journal.skip("release", "none: this run is not of a tag")
        return
    with journal.stage("release") as tell:
        try:
            _release(run, worker, files, tell)
        except RunnerError as error:
            _warn(journal, *error.findings)
        except Cancelled as cancelled:
            _warn(journal, Finding(f"the release was not written: {cancelled}", hint=AGAIN))
        except Exception as error:  # noqa: BLE001 - nothing may turn migrations that went well into a failure
            _warn(journal, Finding(f"the release was not written: {type(error).__name__}: {error}", hint=AGAIN))
        else:
            return
        where = f"the notes are in {journal.release_notes}" if journal.release_notes else "no notes"
        tell(f"no release; {where}", StageState.FAILED)


def _release(run: Run, worker: Connection, files: Sequence[MigrationFile], tell: Tell) -> None:
    journal = run.journal
    tag = journal.context.ref.removeprefix(TAGS)
    recorded = run.ledger.released(worker) if _knows(journal, worker) else []
    released = _released(run, files, {each.version for each in recorded})
    if not released:
        tell(f"{tag} has migrated nothing", StageState.SKIPPED)
        return
    notes = run.templates.release_notes(_report(journal, released, recorded), tag, run.scrub)
    try:
        journal.release_notes = run.write_file(FILE, notes)
    except OSError as error:
        _warn(journal, Finding(f"the release notes could not be written into {FILE}: {error.strerror}"))
    if run.publish_release is not None:
        journal.release_url = run.publish_release(tag, notes, bool(journal.steps))
        tell(f"{tag} has its notes: {journal.release_url}")
    elif journal.release_notes:
        tell(f"the notes of {tag} are in {journal.release_notes}")
    else:
        tell("no notes", StageState.FAILED)


def _knows(journal: Journal, worker: Connection) -> bool:
    """Whether there is a ledger that can tell: what has just applied something has made it."""
    current = journal.target is not None and journal.target.ledger is LedgerState.CURRENT
    return not worker.closed and (current or bool(journal.steps))


def _released(run: Run, files: Sequence[MigrationFile], recorded: set[str]) -> list[Migration]:
    """What the tag has migrated: by this run, and by those before it, of which one may have failed half way."""
    order = run.journal.plan.order if run.journal.plan else VersionOrder.NUMERIC
    own = {migration.version: migration for migration in run.journal.migrations}
    others = {file.version: parse(file, run.config.parse) for file in files if file.version in recorded - own.keys()}
    return sorted((own | others).values(), key=lambda migration: order.key(migration.version))


def _report(journal: Journal, released: Sequence[Migration], recorded: Sequence[ReleasedVersion]) -> Report:
    """The run with all that the tag has migrated, and the restore point that lies before the first of it."""
    report = replace(journal.report(Outcome.APPLIED, 0), migrations=tuple(released), findings=())
    if not recorded or recorded[0].run_id == journal.context.run_id:
        return report
    first = recorded[0]
    point = RestorePoint(at=first.run_started_at, name=first.restore_point) if first.restore_point else None
    return replace(report, restore_point=point)


def _warn(journal: Journal, *findings: Finding) -> None:
    journal.findings += [replace(finding, level=Level.WARNING) for finding in findings]
