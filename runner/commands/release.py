"""The notes of a release: what its tag has changed in the database, as a file and on GitHub."""

from collections.abc import Sequence
from dataclasses import replace

from runner.commands.journal import Journal
from runner.commands.run import Run
from runner.core.model import PRODUCTION, LedgerState, Migration, MigrationFile, StageState
from runner.core.naming import VersionOrder
from runner.core.parse import parse
from runner.errors import Finding, Level, Outcome, RunnerError
from runner.gates.tag import TAGS
from runner.postgres.session import Connection

FILE = "release-notes.md"


def release(run: Run, worker: Connection, files: Sequence[MigrationFile]) -> None:
    """Write the notes of the tag that has migrated production. What prevents that is a warning: the migrations stay."""
    config, journal = run.config, run.journal
    if config.environment != PRODUCTION or config.dry_run:
        return
    if not journal.context.ref.startswith(TAGS):
        journal.skip("release", "none: this run is not of a tag")
        return
    tag = journal.context.ref.removeprefix(TAGS)
    with journal.stage("release") as tell:
        try:
            released = _released(run, worker, files)
            if not released:
                tell(f"{tag} has migrated nothing", StageState.SKIPPED)
                return
            tell(_publish(run, tag, released))
        except OSError as error:
            _warn(journal, Finding(f"the release notes could not be written: {error.strerror}"))
            tell("no notes", StageState.FAILED)
        except RunnerError as error:
            _warn(journal, *error.findings)
            where = f"the notes are in {journal.release_notes}" if journal.release_notes else "no notes"
            tell(f"no release; {where}", StageState.FAILED)


def _released(run: Run, worker: Connection, files: Sequence[MigrationFile]) -> list[Migration]:
    """What the tag has migrated: by this run, and by those before it, of which one may have failed half way."""
    order = run.journal.plan.order if run.journal.plan else VersionOrder.NUMERIC
    own = {migration.version: migration for migration in run.journal.migrations}
    before = run.ledger.completed_of_ref(worker) if _asks(run, worker) else set()
    others = {file.version: parse(file, run.config.parse) for file in files if file.version in before - own.keys()}
    return sorted((own | others).values(), key=lambda migration: order.key(migration.version))


def _asks(run: Run, worker: Connection) -> bool:
    """Whether there is a ledger that can tell: what has just applied something has made it."""
    target = run.journal.target
    return not worker.closed and (
        bool(run.journal.steps) or (target is not None and target.ledger is LedgerState.CURRENT)
    )


def _publish(run: Run, tag: str, released: Sequence[Migration]) -> str:
    """The notes into their file, and into the release where that is wanted. Returns what to tell of it."""
    journal = run.journal
    report = replace(journal.report(Outcome.APPLIED, 0), migrations=tuple(released), findings=())
    notes = run.templates.release_notes(report, tag, run.scrub)
    journal.release_notes = run.write_file(FILE, notes)
    if run.publish_release is None:
        return f"the notes of {tag} are in {journal.release_notes}"
    journal.release_url = run.publish_release(tag, notes, bool(journal.steps))
    return f"{tag} has its notes: {journal.release_url}"


def _warn(journal: Journal, *findings: Finding) -> None:
    journal.findings += [replace(finding, level=Level.WARNING) for finding in findings]
