"""The notes of a release: what its tag has changed in the database."""

from dataclasses import replace

from runner.commands.run import Run
from runner.core.model import PRODUCTION, StageState
from runner.errors import Finding, Level, Outcome
from runner.gates.tag import TAGS
from runner.render import release_notes

FILE = "release-notes.md"


def release(run: Run) -> None:
    """Write the notes of the tag that has migrated production. What prevents that is a warning."""
    journal = run.journal
    if run.config.environment != PRODUCTION:
        return
    if not journal.context.ref.startswith(TAGS):
        journal.skip("release", "none: this run is not of a tag")
        return
    with journal.stage("release") as tell:
        tag = journal.context.ref.removeprefix(TAGS)
        report = replace(journal.report(Outcome.APPLIED, 0), findings=())
        try:
            journal.release_notes = run.write_file(FILE, release_notes(report, tag, run.scrub))
        except OSError as error:
            message = f"the release notes could not be written: {error.strerror}"
            journal.findings.append(Finding(message, level=Level.WARNING))
            tell("no notes", StageState.FAILED)
            return
        tell(f"the notes of {tag} are in {journal.release_notes}")
