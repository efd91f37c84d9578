"""Running the command line inside the test's process, as a workflow would."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.cli import run
from tests.conftest import Database


@dataclass(frozen=True)
class Ran:
    """What one command left behind."""

    exit_code: int
    log: str
    summary: str
    output_file: str


@dataclass(frozen=True)
class CommandLine:
    """The command line with one database and one checkout."""

    database: Database
    checkout: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *argv: str, **environ: str) -> Ran:
        """Run `db-migrate` with these arguments; keywords are environment variables."""
        return run_captured(
            self.capture,
            self.checkout.parent,
            argv,
            {"DATABASE_URL": self.database.url.value, "GITHUB_WORKSPACE": str(self.checkout), "GITHUB_ACTOR": "ada"}
            | environ,
        )

    def write(self, **files: str) -> None:
        """Write migrations: `_01_users="CREATE …"` becomes `01_users.sql`, `__` a dot: `_01_users__down`."""
        for name, sql in files.items():
            path = self.checkout / "migrations" / (name.removeprefix("_").replace("__", ".") + ".sql")
            path.write_text(sql)


def run_captured(
    capture: pytest.CaptureFixture[str], folder: Path, argv: tuple[str, ...], environ: Mapping[str, str]
) -> Ran:
    """Run a command and return what it printed and wrote."""
    summary, output = folder / "summary.md", folder / "output"
    summary.write_text("")
    output.write_text("")
    capture.readouterr()
    exit_code = run(argv, {"GITHUB_STEP_SUMMARY": str(summary), "GITHUB_OUTPUT": str(output)} | dict(environ))
    return Ran(exit_code, capture.readouterr().out, summary.read_text(), output.read_text())


@pytest.fixture
def db_migrate(database: Database, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> CommandLine:
    """`db-migrate` on an empty database and an empty folder of migrations."""
    checkout = tmp_path / "checkout"
    (checkout / "migrations").mkdir(parents=True)
    return CommandLine(database, checkout, capsys)
