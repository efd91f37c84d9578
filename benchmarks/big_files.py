"""How long large data migrations take, and how much memory: `.venv/bin/python -m benchmarks.big_files`.

Each stage is a process of its own. Its memory is the highest resident size beyond that of the interpreter with the
program loaded, so that it can be held against the size of the file. The server's memory is not counted.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from runner.core.model import MigrationFile
from runner.core.naming import VersionOrder
from runner.core.parse import parse
from runner.core.sql_digest import sql_digest
from runner.postgres.embedded import embedded_server
from runner.workspace import discover

MB = 1_000_000
TABLE = b"CREATE TABLE items (id bigint PRIMARY KEY, title text, body text);\n"
FILES = {"20 MB, 300,000 statements": (20 * MB, 0), "200 MB, 550,000 statements": (200 * MB, 300)}


@dataclass(frozen=True)
class Measured:
    """What one stage took."""

    seconds: float
    peak: int  # bytes beyond the interpreter's own
    statements: int


def write_inserts(path: Path, size: int, *, padding: int, failing: int = 0) -> int:
    """Write a data migration of about this size, a statement a line; returns how many. The line `failing` has a
    statement that repeats a key.
    """
    body, written, line = b"x" * padding, len(TABLE), 1
    with path.open("wb") as file:
        file.write(TABLE)
        while written < size:
            line += 1
            key = 2 if line == failing else line
            written += file.write(
                b"INSERT INTO items VALUES (%d, 'it''s; caf\xc3\xa9 %d', '%s');\n" % (key, line, body)
            )
    return line


def measured(stage: str, checkout: Path, database_url: str = "") -> Measured:
    """Run a stage on the one migration of a checkout, in a process of its own."""
    done = subprocess.run(  # noqa: S603 - a list of arguments, no shell
        [sys.executable, "-m", "benchmarks.big_files", stage, str(checkout), database_url],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


# In the process that is measured


def read(checkout: Path, database_url: str) -> int:  # noqa: ARG001 - every stage takes both
    """The file into memory, its checksum with it."""
    _file(checkout)
    return 0


def digest(checkout: Path, database_url: str) -> int:  # noqa: ARG001
    """And the digest of its tokens."""
    assert sql_digest(_file(checkout).up.data)  # noqa: S101
    return 0


def take_apart(checkout: Path, database_url: str) -> int:  # noqa: ARG001
    """Everything that is known before a run begins: statements, traits, both digests."""
    return parse(_file(checkout)).statement_count


def migrate(checkout: Path, database_url: str) -> int:
    """The whole run."""
    from runner.cli import run

    environ = {"DATABASE_URL": database_url, "GITHUB_WORKSPACE": str(checkout)}
    exit_code = run(["--review-delay=0"], environ)
    if exit_code:
        sys.exit(exit_code)
    return 0


STAGES: dict[str, Callable[[Path, str], int]] = {
    "read": read,
    "digest": digest,
    "parse": take_apart,
    "migrate": migrate,
}


def _file(checkout: Path) -> MigrationFile:
    files, _ = discover(checkout, PurePosixPath("migrations"), VersionOrder.AUTO)
    return files[0]


def _peak() -> int:
    """The highest resident size so far, in bytes. `ru_maxrss` would begin with that of the parent."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024


def _warm_up() -> None:
    """Load what the stages load when they are first used."""
    assert sql_digest(b"SELECT 1")  # noqa: S101


def measure(stage: str, checkout: Path, database_url: str) -> Measured:
    """Run a stage in this process."""
    _warm_up()
    before, started = _peak(), time.perf_counter()
    statements = STAGES[stage](checkout, database_url)
    return Measured(time.perf_counter() - started, _peak() - before, statements)


# The table


def main() -> None:
    """Write the files, measure every stage, print a line for each file and stage."""
    say = sys.stdout.write
    say("| file | stage | seconds | peak memory, MB | times the file |\n|---|---|---|---|---|\n")
    with embedded_server() as server, tempfile.TemporaryDirectory() as folder:
        for number, (name, (size, padding)) in enumerate(FILES.items()):
            checkout = Path(folder) / str(number)
            (checkout / "migrations").mkdir(parents=True)
            file = checkout / "migrations" / "01_items.sql"
            write_inserts(file, size, padding=padding)
            url = server.create_database(f"big_{number}").value
            for stage in STAGES:
                took = measured(stage, checkout, url)
                times = took.peak / file.stat().st_size
                say(f"| {name} | {stage} | {took.seconds:.1f} | {took.peak / MB:.0f} | {times:.1f} |\n")
                sys.stdout.flush()
            file.unlink()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(vars(measure(sys.argv[1], Path(sys.argv[2]), "".join(sys.argv[3:])))) + "\n")
    else:
        main()
