"""What can be wrong: findings, and the errors that end a run, each with its exit code (docs/exit-codes.md)."""

from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, replace
from enum import StrEnum
from pathlib import PurePosixPath
from typing import ClassVar


class Level(StrEnum):
    """How much a finding matters; the words are those of GitHub's annotations."""

    ERROR = "error"
    WARNING = "warning"
    NOTICE = "notice"


class Outcome(StrEnum):
    """How a run ended: the value of the output `outcome`."""

    APPLIED = "applied"
    UP_TO_DATE = "up-to-date"
    DRY_RUN = "dry-run"
    REFUSED = "refused"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled-back"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to tell the user: what, where, and the next thing to do."""

    message: str
    _: KW_ONLY
    level: Level = Level.ERROR
    path: PurePosixPath | None = None  # relative to the checkout
    line: int | None = None  # from 1
    column: int | None = None  # from 1, in characters
    hint: str = ""
    detail: str = ""  # what else the server said
    frame: str = ""  # the lines of the file around the place, with a caret
    diff: str = ""  # unified: what the ledger has against what the file says
    rule: str = ""  # of the linter, or of ours: "ban-drop-column"
    url: str = ""  # the page about the rule
    sqlstate: str = ""  # the server's code of the error: "55P03"

    @property
    def place(self) -> str:
        """`migrations/02_x.sql:7:3`, as far as it is known."""
        return ":".join(str(part) for part in (self.path, self.line, self.column) if part is not None)

    def scrubbed(self, scrub: Callable[[str], str]) -> "Finding":
        """The same finding with every text of it passed through `scrub`."""
        return replace(
            self,
            message=scrub(self.message),
            hint=scrub(self.hint),
            detail=scrub(self.detail),
            frame=scrub(self.frame),
            diff=scrub(self.diff),
        )

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.path else self.message


class RunnerError(Exception):
    """Ends a run. Carries everything that is wrong, not only the first thing found."""

    exit_code: ClassVar[int]
    outcome: ClassVar[Outcome]

    def __init__(self, *findings: Finding) -> None:
        super().__init__("\n".join(map(str, findings)))
        self.findings = findings


class MigrationFailed(RunnerError):
    """A migration, or its check file, failed; in a transaction what it had done was rolled back."""

    exit_code = 1
    outcome = Outcome.FAILED


class RolledBack(MigrationFailed):
    """A smoke test failed, and what the run had applied was undone by its down files."""

    outcome = Outcome.ROLLED_BACK


class InputError(RunnerError):
    """An input, a file or the ledger's table is not what it must be; nothing ran."""

    exit_code = 2
    outcome = Outcome.REFUSED


class Refused(RunnerError):
    """A gate refused the run; nothing was written."""

    exit_code = 3
    outcome = Outcome.REFUSED


class Drift(RunnerError):
    """Files and ledger contradict each other; nothing ran."""

    exit_code = 4
    outcome = Outcome.REFUSED


class MutexHeld(RunnerError):
    """Another run migrates this database."""

    exit_code = 5
    outcome = Outcome.REFUSED


class DatabaseUnusable(RunnerError):
    """The database cannot be reached, or this role cannot do what the run needs."""

    exit_code = 6
    outcome = Outcome.FAILED


class Cancelled(KeyboardInterrupt):
    """The process was told to stop. As a KeyboardInterrupt it makes psycopg cancel the statement on the server."""

    outcome = Outcome.CANCELLED

    def __init__(self, signal_name: str, signal_number: int) -> None:
        super().__init__(f"cancelled by {signal_name}")
        self.exit_code = 128 + signal_number
