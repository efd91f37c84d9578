"""The program as a process of its own, with everything that it tells."""

import io
import json
import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from runner.cli import main, run
from runner.core.database_url import DatabaseUrl

PATIENCE = 60.0  # seconds
# Processes are forked from one that has imported what a run needs: to import it takes longer than the run itself.
# https://docs.python.org/3/library/multiprocessing.html#contexts-and-start-methods
STARTER = multiprocessing.get_context("forkserver")
STARTER.set_forkserver_preload([__name__, "runner.commands.migrate", "runner.flags", "jinja2", "postgast"])


@dataclass(frozen=True)
class Ended:
    """What a run has left behind."""

    exit_code: int
    log: str
    summary: str
    outputs: Mapping[str, str]

    @property
    def applied(self) -> list[str]:
        """The versions that it says it has applied."""
        versions: list[str] = json.loads(self.outputs["applied"])
        return versions


@dataclass(frozen=True)
class Checkout:
    """A checkout with a folder of migrations. Lint is off: it costs a process a run and is tested elsewhere."""

    folder: Path

    def write(self, files: Mapping[str, str]) -> None:
        """Write migrations, by the names of their files without `.sql`."""
        for name, sql in files.items():
            (self.folder / "migrations" / f"{name}.sql").write_text(sql)

    def environ(self, url: DatabaseUrl, told: Path) -> dict[str, str]:
        return {
            "DATABASE_URL": url.value,
            "GITHUB_ACTOR": "ada",
            "GITHUB_WORKSPACE": str(self.folder),
            "GITHUB_OUTPUT": str(told / "output"),
            "GITHUB_STEP_SUMMARY": str(told / "summary.md"),
        }

    def run(self, url: DatabaseUrl, *argv: str) -> Ended:
        """Inside of this process, which is faster."""
        told = self._told()
        with redirect_stdout(io.StringIO()) as log:
            exit_code = run(("migrate", "--lint=off", *argv), self.environ(url, told))
        (told / "log").write_text(log.getvalue())
        return _ended(told, exit_code)

    @contextmanager
    def running(self, url: DatabaseUrl, *argv: str) -> Iterator["Running"]:
        """As a process of its own, which does not outlive the block."""
        told = self._told()
        (told / "log").touch()
        environ = {**os.environ, **self.environ(url, told)}
        process = STARTER.Process(target=_main, args=(("migrate", "--lint=off", *argv), environ, told / "log"))
        process.start()
        try:
            yield Running(process, told)
        finally:
            process.kill()
            process.join()

    def _told(self) -> Path:
        told = self.folder / f"run-{len(list(self.folder.glob('run-*')))}"
        told.mkdir()
        return told


def _main(argv: Sequence[str], environ: Mapping[str, str], log: Path) -> None:
    """Be the program: in the new process."""
    os.environ.clear()
    os.environ.update(environ)
    sys.argv = ["db-migrate", *argv]
    opened = os.open(log, os.O_WRONLY)
    for output in (sys.stdout, sys.stderr):
        os.dup2(opened, output.fileno())
    sys.stdout.reconfigure(write_through=True)  # type: ignore[union-attr] # as with `python -u`
    main()


@dataclass(frozen=True)
class Running:
    """A run under way."""

    process: ForkServerProcess
    told: Path

    @property
    def log(self) -> str:
        return (self.told / "log").read_text()

    def end(self, timeout: float = PATIENCE) -> Ended:
        """Wait for its end."""
        self.process.join(timeout)
        assert self.process.exitcode is not None, f"it does not end:\n{self.log}"
        return _ended(self.told, self.process.exitcode)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process.pid is not None
        os.kill(self.process.pid, number)

    def wait_for(self, text: str) -> None:
        """Until its log has this text."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.log:
            assert self.process.is_alive(), f"it has ended, and never said {text!r}:\n{self.log}"
            assert time.monotonic() < deadline, f"it never said {text!r}:\n{self.log}"
            time.sleep(0.02)


def _ended(told: Path, exit_code: int) -> Ended:
    def read(name: str) -> str:
        path = told / name
        return path.read_text() if path.exists() else ""

    return Ended(exit_code, read("log"), read("summary.md"), _outputs(read("output")))


def _outputs(text: str) -> dict[str, str]:
    """The values of GITHUB_OUTPUT: name<<delimiter, lines, delimiter."""
    found, lines = {}, iter(text.splitlines())
    for line in lines:
        name, _, delimiter = line.partition("<<")
        value = []
        while (more := next(lines)) != delimiter:
            value.append(more)
        found[name] = "\n".join(value)
    return found
