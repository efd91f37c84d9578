"""What GitHub shows of a run besides its log: files for the steps that follow, outputs, the summary, the comment.

What cannot be written does not change how the run ended: it is a warning.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core.model import Report
from runner.errors import Finding, Level, Outcome, RunnerError

if TYPE_CHECKING:
    from runner.github.publish import Comment
from runner.templating.templates import Templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Where a run is shown."""

    checkout: Path
    output: Path | None  # the file of GITHUB_OUTPUT
    summary: Path | None  # the file of GITHUB_STEP_SUMMARY
    comment: "Comment | None"
    templates: Templates
    scrub: Callable[[str], str]

    @classmethod
    def of(
        cls,
        environ: Mapping[str, str],
        *,
        checkout: Path,
        templates: Templates,
        scrub: Callable[[str], str],
        comment: "Comment | None" = None,
    ) -> "Surfaces":
        """As GitHub's runner names them."""
        output, summary = environ.get("GITHUB_OUTPUT"), environ.get("GITHUB_STEP_SUMMARY")
        return cls(
            checkout=checkout,
            output=Path(output) if output else None,
            summary=Path(summary) if summary else None,
            comment=comment,
            templates=templates,
            scrub=scrub,
        )

    def show(self, report: Report) -> Iterator[Finding]:
        """Write everything; yield what could not be written, or not by the user's own templates."""
        yield from self._write_outputs(report)
        yield from self._write_summary(report)
        yield from self._write_comment(report)
        yield from self.templates.problems

    def _write_outputs(self, report: Report) -> Iterator[Finding]:
        if self.output is None:
            return
        from runner.core.report_document import report_json
        from runner.github.outputs import PLAN_FILE, REPORT_FILE, outputs_of, write_file, write_outputs

        plan = told = ""
        try:
            if report.plan_document:
                plan = write_file(self.checkout, PLAN_FILE, report.plan_document.text)
            told = write_file(self.checkout, REPORT_FILE, report_json(report, self.scrub))
        except OSError as error:
            yield _unwritten("the files for the steps that follow", error)
        try:
            write_outputs(self.output, outputs_of(report, plan=plan, told=told))
        except OSError as error:
            yield _unwritten("the outputs", error)

    def _write_summary(self, report: Report) -> Iterator[Finding]:
        if self.summary is None:
            return
        from runner.github.outputs import write_summary

        try:
            write_summary(self.summary, lambda room: self.templates.summary(report, self.scrub, room))
        except OSError as error:
            yield _unwritten("the job summary", error)

    def _write_comment(self, report: Report) -> Iterator[Finding]:
        if self.comment is None or report.outcome is Outcome.CANCELLED:  # which leaves no time for it
            return
        try:
            self.comment(self.templates.pr_comment(report, self.scrub))
        except RunnerError as error:
            yield from (replace(finding, level=Level.WARNING) for finding in error.findings)


def _unwritten(what: str, error: OSError) -> Finding:
    return Finding(f"{what} could not be written: {error.strerror}", level=Level.WARNING)
