"""The account of a run while it goes on: plain lines in a pipe, folds on GitHub, colour and a clock in a terminal,
events for a program.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from runner.core.durations import in_words
from runner.core.model import DryRunMode, StageResult, StageState
from runner.core.plural import counted
from runner.errors import Finding, Level
from runner.github.workflow_commands import command, neutral, stopped

if TYPE_CHECKING:
    from rich.status import Status as Spinner

    from runner.core.migration import Migration
    from runner.core.steps import Retry, SmokeResult, StepResult
    from runner.core.trial import DryRun
    from runner.core.ways_back import RollbackInstructions

MARKS = {StageState.OK: "✓", StageState.SKIPPED: "–", StageState.FAILED: "✗"}
STYLES = {StageState.OK: "green", StageState.SKIPPED: "dim", StageState.FAILED: "bold red"}
WORTH_TELLING = timedelta(milliseconds=1)
FEW = 5  # warnings that are not folded
COUNT_EVERY = 5  # seconds between two lines of a countdown that cannot be redrawn
# What a program that starts us may set: `1` for events in place of lines; the file that it wants the report in; `1`
# when the end of our standard input is its own end, which then counts as SIGTERM.
EVENTS, REPORT, LIFELINE = "DB_MIGRATE_EVENTS", "DB_MIGRATE_REPORT", "DB_MIGRATE_LIFELINE"
LONGEST_LINE = 4096  # characters of one in an event


class Console:
    """Plain lines, each flushed. Everything passes `scrub`, and nothing in it is obeyed by a runner or a terminal.
    Threads may share it.
    """

    def __init__(self, stream: TextIO, *, scrub: Callable[[str], str]) -> None:
        self._stream, self._scrub, self.verbose = stream, scrub, False
        self._turn = threading.RLock()  # of the thread that writes

    def say(self, text: str = "", style: str = "") -> None:
        """Text of any number of lines. `style` is for terminals."""
        self._write(neutral(self._scrub(text)), style)

    def command(self, line: str) -> None:
        """A workflow command, to be obeyed. Only for lines that `github.workflow_commands` built."""
        self._write(line, "")

    @contextmanager
    def fold(self, title: str) -> Iterator[None]:
        """A title, and under it what is said meanwhile. Where a log can fold, only the title shows until one asks."""
        self.say(title, "bold")
        yield

    def detail(self, text: str) -> None:
        """Something that only `verbose` shows."""
        if self.verbose:
            self.say(f"    {text}", "dim")

    def stage(self, result: StageResult) -> None:
        """A stage has ended."""
        took = f"  ({in_words(result.duration)})" if result.duration >= WORTH_TELLING else ""
        self.say(f"{MARKS[result.state]} {result.name:<14} {result.note}{took}", STYLES[result.state])

    def starting(self, migration: Migration) -> None:
        """A migration begins."""
        self.detail(f"… {migration.source.path}: {counted(migration.statement_count, 'statement')}")

    def progress(self, text: str) -> None:
        """What the server does for the migration under way, or waits for."""
        self.say(f"    … {text}", "dim")

    def retrying(self, migration: Migration, retry: Retry) -> None:
        """An attempt was rolled back, and the next one comes after a pause; who was in the way."""
        from runner.core.sessions import list_in_the_way

        self.say(
            f"  ↻ {migration.source.path}  {retry.why}; attempt {retry.attempt + 1} in {in_words(retry.pause)}",
            "yellow",
        )
        for line in list_in_the_way(retry.in_the_way):
            self.say(f"      {line}", "yellow")

    def finished(self, step: StepResult) -> None:
        """A migration has ended."""
        self._ended(step, "✓", "green")

    def smoke(self, result: SmokeResult) -> None:
        """A smoke test has ended."""
        mark, style = ("✗", "bold red") if result.failure else ("✓", "green")
        self.say(f"  {mark} {result.test.source.path}  {in_words(result.duration)}", style)

    def undone(self, step: StepResult) -> None:
        """A migration was undone, or could not be."""
        self._ended(step, "↩", "yellow", "undone" if step.completed else "not undone")

    def _ended(self, step: StepResult, mark: str, style: str, what: str = "") -> None:
        said = f"{what}: " if what else ""
        statements = counted(step.migration.statement_count, "statement")
        if step.completed:
            attempt = f", attempt {len(step.retries) + 1}" if step.retries else ""
            took = f"{in_words(step.duration)}{attempt}"
            self.say(f"  {mark} {step.migration.source.path}  {said}{statements}, {took}", style)
        else:
            after = "all rolled back" if step.migration.transactional else "they stay"
            done = f"{step.statements_done} of {statements} done, {after}"
            self.say(f"  ✗ {step.migration.source.path}  {said}{done}, {in_words(step.duration)}", "bold red")
        for statement in step.slowest:
            self.detail(f"line {statement.line}: {in_words(statement.duration)}")

    def dry_run(self, tried: DryRun) -> None:
        """What trying the plan showed, and the verdict; of a preview there is nothing to tell."""
        if tried.mode is DryRunMode.PREVIEW:
            return
        from runner.core.impact_words import dry_run_lines, dry_run_verdict

        if lines := [f"  {line}" for line in dry_run_lines(tried)]:
            with self.fold("What the plan does"):
                self.say("\n".join(lines))
        self.say(f"  {dry_run_verdict(tried)}")

    def rollback(self, back: RollbackInstructions) -> None:
        """What the run left in the database, and the ways back."""
        from runner.core.ways_back import in_short

        with self.fold("Rollback"):
            self.say(_indented("\n".join(in_short(back)), "  "))

    def countdown(self, remaining: timedelta) -> None:
        """The review window is open for so long."""
        seconds = round(remaining.total_seconds())
        if seconds % COUNT_EVERY == 0 or seconds < COUNT_EVERY:
            self.say(f"  {seconds} s left to cancel")

    def findings(self, findings: Iterable[Finding]) -> None:
        """Each with its place, what the server said besides, and the next thing to do."""
        for finding in findings:
            mark, style = ("✗", "bold red") if finding.level is Level.ERROR else ("!", "yellow")
            self.say(f"{mark} {finding}{f'  [{finding.rule}]' if finding.rule else ''}", style)
            if parts := list(filter(None, (finding.frame, finding.diff, finding.detail))):
                self.say(_indented("\n".join(parts), "    "))
            if finding.hint:
                self.say(f"    → {finding.hint}", "bold")

    def _write(self, text: str, style: str) -> None:  # noqa: ARG002 - a stream has no style
        with self._turn:
            try:
                self._stream.write(text + "\n")
                self._stream.flush()
            except BrokenPipeError:  # nobody reads any more: the run goes on without a word
                self._stream = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open until the end


class TerminalConsole(Console):
    """The same lines in colour, with a spinner while a migration runs."""

    def __init__(self, stream: TextIO, *, scrub: Callable[[str], str]) -> None:
        super().__init__(stream, scrub=scrub)
        from rich.console import Console as RichConsole

        self._rich = RichConsole(file=stream, highlight=False, soft_wrap=True)
        self._spinner: Spinner | None = None

    def stage(self, result: StageResult) -> None:
        """A stage has ended, and with it whatever spun."""
        self._spin(None)
        super().stage(result)

    def starting(self, migration: Migration) -> None:
        """A migration begins: the spinner names it until it has ended."""
        self._spin(f"{migration.source.path}  {counted(migration.statement_count, 'statement')}")

    def progress(self, text: str) -> None:
        """What the server does becomes the spinner's text; without one the migration has just ended."""
        with self._turn:
            if self._spinner is not None:
                self._spin(text)

    def retrying(self, migration: Migration, retry: Retry) -> None:
        """An attempt was rolled back; the spinner goes on with the next one."""
        super().retrying(migration, retry)
        self.progress(f"{migration.source.path}  attempt {retry.attempt + 1}")

    def finished(self, step: StepResult) -> None:
        """A migration has ended."""
        self._spin(None)
        super().finished(step)

    def undone(self, step: StepResult) -> None:
        """A migration was undone, or could not be."""
        self._spin(None)
        super().undone(step)

    def countdown(self, remaining: timedelta) -> None:
        """The review window, second by second in one line."""
        seconds = round(remaining.total_seconds())
        self._spin(f"{seconds} s left to cancel (Ctrl-C)" if seconds else None)

    def findings(self, findings: Iterable[Finding]) -> None:
        """Findings end whatever was under way."""
        self._spin(None)
        super().findings(findings)

    def _spin(self, text: str | None) -> None:
        from rich.text import Text

        with self._turn:
            if self._spinner is not None:
                self._spinner.stop()
                self._spinner = None
            if text is not None:
                self._spinner = self._rich.status(Text(neutral(self._scrub(text))))
                self._spinner.start()

    def _write(self, text: str, style: str) -> None:
        from rich.text import Text

        self._rich.print(Text(text, style=style))


class GitHubConsole(Console):
    """The same lines in the log of a job. What is long is folded, commands are stopped around texts of several lines,
    and details are debug lines when the job logs for debugging.
    """

    def __init__(self, stream: TextIO, *, scrub: Callable[[str], str], debug: bool = False) -> None:
        super().__init__(stream, scrub=scrub)
        self._debug, self._folded = debug, False

    @contextmanager
    def fold(self, title: str) -> Iterator[None]:
        """A group. GitHub's do not nest: one within another is only said to begin."""
        if self._folded:
            with super().fold(title):
                yield
            return
        try:
            self._folded = True
            self.command(command("group", neutral(self._scrub(" ".join(title.split())))))
            yield
        finally:
            self.command(command("endgroup", ""))
            self._folded = False

    def detail(self, text: str) -> None:
        """Shown only when step debug logging is on, or `verbose` asks for it."""
        if self._debug:
            self.command(command("debug", neutral(self._scrub(text))))
        else:
            super().detail(text)

    def findings(self, findings: Iterable[Finding]) -> None:
        """Errors last and in the open; the others folded when they are many."""
        findings = list(findings)
        errors = [finding for finding in findings if finding.level is Level.ERROR]
        others = [finding for finding in findings if finding.level is not Level.ERROR]
        if len(others) > FEW:
            with self.fold(counted(len(others), "warning")):
                super().findings(others)
            super().findings(errors)
        else:
            super().findings(findings)

    def _write(self, text: str, style: str) -> None:
        super()._write(stopped(text) if "\n" in text.strip("\n") else text, style)


class EventConsole(Console):
    """The same lines for a program: each is a JSON object, and `event` says of what kind. How a stage or a migration
    has ended is told once more as such, behind its lines.
    """

    def stage(self, result: StageResult) -> None:
        """A stage has ended."""
        super().stage(result)
        self._event("stage", name=result.name, state=result.state, note=result.note, duration_ms=result.duration)

    def finished(self, step: StepResult) -> None:
        """A migration has ended."""
        super().finished(step)
        self._step(step, "completed")

    def undone(self, step: StepResult) -> None:
        """A migration was undone, or could not be."""
        super().undone(step)
        self._step(step, "undone")

    def _step(self, step: StepResult, completed: str) -> None:
        self._event(
            "step",
            version=step.migration.file.version,
            path=step.migration.source.path,
            state=completed if step.completed else "failed",
            duration_ms=step.duration,
            statements=step.migration.statement_count,
            statements_done=step.statements_done,
        )

    def _event(self, kind: str, **content: object) -> None:
        from runner.core.json_text import json_object

        super()._write(json.dumps({"event": kind, **json_object(content, self._scrub)}), "")

    def _write(self, text: str, style: str) -> None:
        lines = (line if len(line) <= LONGEST_LINE else f"{line[:LONGEST_LINE]}…" for line in text.split("\n"))
        super()._write("\n".join(json.dumps({"event": "log", "line": line}) for line in lines), style)


def open_console(
    stream: TextIO | None = None,
    *,
    scrub: Callable[[str], str],
    github: bool = False,
    debug: bool = False,
    events: bool = False,
) -> Console:
    """The console that suits a stream, standard output if no other is given; in a job on `github`, perhaps one with
    step `debug` logging, its log; elsewhere `events`, where a program wants them.
    """
    stream = stream or sys.stdout
    if events and not github:
        return EventConsole(stream, scrub=scrub)
    if stream.isatty():
        return TerminalConsole(stream, scrub=scrub)
    return GitHubConsole(stream, scrub=scrub, debug=debug) if github else Console(stream, scrub=scrub)


def _indented(text: str, margin: str) -> str:
    return "\n".join(f"{margin}{line}" for line in text.split("\n"))
