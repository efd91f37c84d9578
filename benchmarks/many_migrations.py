"""How long many small migrations take at a distance: `.venv/bin/python -m benchmarks.many_migrations`.

The distance is that of a proxy which delays every byte by half of the round trip, in each direction. Each run is a
process of its own, with its start.
"""

import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import embedded_server
from tests.faults.proxy import proxy_to

NUMBERS = (100, 1_000)
ROUND_TRIPS_MS = (0, 20, 80)


@dataclass(frozen=True)
class Measured:
    """What one run took."""

    seconds: float
    turns: int  # round trips that were waited for


def write_migrations(checkout: Path, number: int) -> None:
    """A table and a comment each."""
    folder = checkout / "migrations"
    folder.mkdir(parents=True)
    for n in range(1, number + 1):
        (folder / f"{n:04}_table.sql").write_text(f"CREATE TABLE t{n} (id int);\nCOMMENT ON TABLE t{n} IS 'small';\n")


def run(checkout: Path, url: DatabaseUrl) -> float:
    """Migrate; returns seconds."""
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "runner", "--lint=off"],
        cwd=Path(__file__).parent.parent,
        env={"DATABASE_URL": url.value, "GITHUB_WORKSPACE": str(checkout)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stdout + done.stderr)
    return time.perf_counter() - started


def measured(checkout: Path, server: Path, database: str, round_trip_ms: int) -> Measured:
    """One run at a distance."""
    with proxy_to(server, delay=round_trip_ms / 2000) as proxy:
        return Measured(run(checkout, proxy.url(database)), proxy.turns)


# The table


def main() -> None:
    """Apply at each distance, to a database of its own, and once more with nothing to do."""
    say = sys.stdout.write
    say("| migrations | round trip, ms | seconds | round trips | again, with nothing to do: seconds | round trips |\n")
    say("|---|---|---|---|---|---|\n")
    with embedded_server() as server, tempfile.TemporaryDirectory() as folder:
        for number in NUMBERS:
            checkout = Path(folder) / str(number)
            write_migrations(checkout, number)
            for distance in ROUND_TRIPS_MS:
                name = f"many_{number}_{distance}"
                server.create_database(name)
                applied = measured(checkout, server.folder, name, distance)
                again = measured(checkout, server.folder, name, distance)
                say(f"| {number:,} | {distance} | {applied.seconds:.1f} | {applied.turns} ")
                say(f"| {again.seconds:.2f} | {again.turns} |\n")
                sys.stdout.flush()


if __name__ == "__main__":
    main()
