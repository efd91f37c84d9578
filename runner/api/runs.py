"""Runs: one at a time, each in a process of its own. It goes on whoever goes away, and dies with nobody's request."""

import json
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from runner.api.log import Log, read, scrubbed
from runner.console import EVENTS, LIFELINE, REPORT
from runner.errors import MigrationFailed, Outcome

MIGRATE = (sys.executable, "-P", "-m", "runner", "migrate")  # -P: whatever lies in the folder where it starts
KEPT_RUNS = 10  # the last ones
LONGEST_LINE = 64 * 1024  # characters of what a run writes: no event of its console is as long
LARGEST_REPORT = 4 * 1024 * 1024  # bytes of one that is kept
LAST_WORDS = 2  # seconds for what a run that has ended still had to say
PATIENCE = 5  # seconds that a run gets to roll back and to tell


class Busy(Exception):
    """A run is under way."""

    def __init__(self, run: "Run") -> None:
        super().__init__(run.id)
        self.run = run


class Closing(Exception):
    """The server is about to end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a run ended."""

    at: datetime
    exit_code: int  # docs/exit-codes.md
    outcome: str
    report: Mapping[str, Any] | None  # docs/report.schema.json; None when it was not written, or is too large to keep


@dataclass(slots=True, kw_only=True)
class Run:
    """One run of `db-migrate migrate`."""

    id: str
    dry_run: bool
    started_at: datetime
    process: subprocess.Popen[str]
    log: Log = field(default_factory=Log)
    ended: Ended | None = None


class Runs:
    """Starts them and remembers the last ones. Threads may share it."""

    def __init__(
        self,
        environ: Mapping[str, str],
        scrub: Callable[[str], str],
        *,
        command: Sequence[str] = MIGRATE,
    ) -> None:
        """`environ`: of the processes, with the whole configuration. `scrub` hides what they do not know as secret."""
        self._environ, self._scrub, self._command = environ, scrub, command
        self._runs: dict[str, Run] = {}
        self._closing, self._turn = False, threading.Lock()

    def start(self, *, dry_run: bool) -> Run:
        """Start one. Raises Busy while another one lasts, Closing, and OSError."""
        with self._turn:
            if self._closing:
                raise Closing
            if (last := self.last) and last.ended is None:
                raise Busy(last)
            folder = TemporaryDirectory(prefix="db-migrate-run-")
            report = Path(folder.name) / "report.json"
            try:
                process = self._process("--dry-run" if dry_run else "--no-dry-run", report)
            except OSError:
                folder.cleanup()
                raise
            run = Run(id=str(uuid.uuid4()), dry_run=dry_run, started_at=datetime.now(UTC), process=process)
            self._runs[run.id] = run
            while len(self._runs) > KEPT_RUNS:
                del self._runs[next(iter(self._runs))]
        threading.Thread(target=self._follow, args=(run, folder, report), daemon=True).start()
        return run

    def _process(self, flag: str, report: Path) -> subprocess.Popen[str]:
        """Apart from us: what a terminal or a supervisor sends to our group does not reach it; but our end, whatever
        brings it about, ends it as well, by its standard input. It tells events, and writes its report where we say:
        the checkout may be one that nobody writes to.
        """
        return subprocess.Popen(  # noqa: S603 - our own program, and no shell
            [*self._command, flag],
            env={**self._environ, EVENTS: "1", LIFELINE: "1", REPORT: str(report)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
            errors="backslashreplace",
            start_new_session=True,
        )

    def get(self, identifier: str) -> Run | None:
        """The run of this id, while it is remembered."""
        return self._runs.get(identifier)

    @property
    def last(self) -> Run | None:
        """The one under way, or else the last one."""
        return next(reversed(self._runs.values()), None)

    def close(self, patience: float = PATIENCE) -> None:
        """Cancel what is under way, as a cancelled job would: rolled back on the server, and told. Returns when it has
        ended, or was ended.
        """
        with self._turn:
            self._closing, run = True, self.last
        if run is None or run.process.poll() is not None:
            return
        run.process.terminate()
        try:
            run.process.wait(patience)
        except subprocess.TimeoutExpired:
            run.process.kill()

    def _follow(self, run: Run, folder: TemporaryDirectory[str], file: Path) -> None:
        """Until it has ended, whatever happens: else no other one could begin."""
        ended = Ended(at=run.started_at, exit_code=MigrationFailed.exit_code, outcome=Outcome.FAILED, report=None)
        try:
            reader = threading.Thread(target=self._read, args=(run,), daemon=True)
            reader.start()
            code = run.process.wait()
            if run.process.stdin:
                run.process.stdin.close()
            reader.join(LAST_WORDS)  # not for ever: what it has started may hold the pipe open
            report, size = _report(file)
            ended = Ended(
                at=datetime.now(UTC),
                exit_code=code if code >= 0 else 128 - code,  # killed by a signal
                outcome=report.get("outcome", Outcome.FAILED),
                report=scrubbed(report, self._scrub) if report and size <= LARGEST_REPORT else None,
            )
            folder.cleanup()
        finally:
            run.ended = ended

    def _read(self, run: Run) -> None:
        assert run.process.stdout is not None  # noqa: S101 - it is a pipe
        with run.process.stdout as stream:
            while line := stream.readline(LONGEST_LINE):
                kind, content = read(line.rstrip("\n"))
                run.log.add(kind, scrubbed(content, self._scrub))


def _report(file: Path) -> tuple[dict[str, Any], int]:
    """What a run has written, and its size in bytes; an empty one when it did not come to that."""
    try:
        data = file.read_bytes()
        report = json.loads(data)
    except (OSError, ValueError):
        return {}, 0
    return (report, len(data)) if isinstance(report, dict) else ({}, 0)
