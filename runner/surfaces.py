"""What GitHub shows of a run besides its log: files for the steps that follow, outputs, the summary, the comment.

What cannot be written does not change how the run ended: it is a warning.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from runner.core.model import Report
from runner.errors import Finding, Level, Outcome, RunnerError
from runner.templating.templates import Templates

if TYPE_CHECKING:
    from runner.github.publish import Comment


@dataclass(frozen=True, slots=True, kw_only=True)
class Surfaces:
    """Where a run is shown."""

    checkout: Path
    output: Path | None  # the file of GITHUB_OUTPUT
    summary: Path | None  # the file of GITHUB_STEP_SUMMARY
    comment: "Comment | None"
    templates: Templates
    scrub: Callable[[str], str]
    _written: dict[str, str] = field(default_factory=dict)  # the paths of files, by what they are for the outputs

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
        """Write files, outputs and summary; yield what could not be written, or not by the user's own templates."""
        yield from _careful("the files for the steps that follow", lambda: self._write_files(report))
        yield from _careful("the outputs", lambda: self._write_outputs(report))
        yield from _careful("the job summary", lambda: self._write_summary(report))
        yield from self.templates.problems

    def tell_pull_request(self, report: Report) -> Iterator[Finding]:
        """Bring the comment up to date, where one is wanted; yield what prevents that. This may take its time."""
        comment = self.comment
        if comment is None or report.outcome is Outcome.CANCELLED:  # which leaves no time for it
            return
        known = len(self.templates.problems)
        yield from _careful("the comment", lambda: comment(self.templates.pr_comment(report, self.scrub)))
        yield from self.templates.problems[known:]

    def _write_files(self, report: Report) -> None:
        if self.output is None:
            return
        from runner.core.report_document import report_json
        from runner.github.outputs import PLAN_FILE, REPORT_FILE, write_file

        if report.plan_document:
            self._written["plan"] = write_file(self.checkout, PLAN_FILE, report.plan_document.text)
        self._written["told"] = write_file(self.checkout, REPORT_FILE, report_json(report, self.scrub))

    def _write_outputs(self, report: Report) -> None:
        if self.output is not None:
            from runner.github.outputs import outputs_of, write_outputs

            write_outputs(self.output, outputs_of(report, **self._written))

    def _write_summary(self, report: Report) -> None:
        if self.summary is not None:
            from runner.github.outputs import write_summary

            write_summary(self.summary, lambda room: self.templates.summary(report, self.scrub, room))


def _careful(what: str, write: Callable[[], object]) -> Iterator[Finding]:
    """Write it; whatever prevents that is a warning, as the run itself is over."""
    hint = "look at its rights, and at what stands in its place; the run itself ended as the log says"
    try:
        write()
    except RunnerError as error:
        yield from (replace(finding, level=Level.WARNING) for finding in error.findings)
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        yield Finding(f"{what} could not be written: {place}{error.strerror}", level=Level.WARNING, hint=hint)
    except Exception as error:  # noqa: BLE001 - nothing may keep the rest from being told
        yield Finding(f"{what} could not be written: {type(error).__name__}: {error}", level=Level.WARNING, hint=hint)
