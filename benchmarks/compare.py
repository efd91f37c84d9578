"""Us and the tools of other people, side by side: `make bench`.

Every figure of a table comes from one run on one machine: the tools take turns, each on a database of its own. The
server flushes its log as in production. Figures are for comparing within a table; they are no promise.
"""

import argparse
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.peers import TOOLS, Address, Command, Tool, environment
from benchmarks.report import Cell, Results, report
from benchmarks.wire import wire
from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import NEWEST
from runner.postgres.session import connect
from tests.faults.servers import durable_server
from tests.ports import free_port

DISTANCES = (0, 20, 80)  # ms of a round trip
PATIENCE = 1800  # seconds for one call of one tool
ROWS = 300_000  # of the data file, about 20 MB


@dataclass(frozen=True)
class Work:
    """What every tool has to do."""

    name: str
    scripts: Sequence[str]
    distances: Sequence[int]
    again: bool = False  # also once more with nothing to do, and its status
    times: int = 3  # at no distance; elsewhere it is once


def small(number: int) -> list[str]:
    """A table and a comment each."""
    return [f"CREATE TABLE t{n} (id int);\nCOMMENT ON TABLE t{n} IS 'small';" for n in range(1, number + 1)]


def data() -> list[str]:
    """One file of about 20 MB, a row a statement."""
    row = "INSERT INTO items VALUES (%d, 'it''s row %d; café', 'x');"
    rows = "\n".join(row % (n, n) for n in range(1, ROWS + 1))
    return [f"CREATE TABLE items (id bigint PRIMARY KEY, title text, body text);\n{rows}"]


WORKS = {
    "100": lambda: Work("100 migrations", small(100), DISTANCES, times=5),
    "1000": lambda: Work("1,000 migrations", small(1_000), (0,), again=True),
    "10000": lambda: Work("10,000 migrations", small(10_000), (), again=True),
    "data": lambda: Work("a data file of 20 MB", data(), (0,)),
}


@dataclass(frozen=True)
class Measured:
    """One call of a tool."""

    seconds: float
    processor: float  # seconds, of the tool alone
    peak: int  # bytes
    round_trips: int


class Bench:
    """The server, and what was measured."""

    def __init__(self, port: int, folder: Path, tools: Sequence[Tool]) -> None:
        self._port, self._folder, self._tools = port, folder, tools
        self._databases = 0
        self.cells: dict[tuple[str, str, int], list[Measured]] = defaultdict(list)
        self.failures: list[str] = []

    def work(self, work: Work) -> None:
        """Have all tools do it, in turns."""
        folders = {tool: self._folder / work.name / tool.name for tool in self._tools}
        for tool, folder in folders.items():
            tool.write(folder, work.scripts)
        for distance in work.distances or (0,):
            for _ in range(work.times if not distance else 1):
                for tool, folder in folders.items():
                    self._apply(work, tool, folder, distance)

    def _apply(self, work: Work, tool: Tool, folder: Path, distance: int) -> None:
        with self._database() as name:
            if not self._measured(work.name, tool, tool.migrate, folder, name, distance):
                return
            if not work.again or tool.name == "psql":
                return
            for far in DISTANCES:
                self._measured(f"nothing pending of {work.name}", tool, tool.migrate, folder, name, far)
            self._measured(f"status of {work.name}", tool, tool.status, folder, name, 0)

    def _measured(
        self,
        what: str,
        tool: Tool,
        call: Callable[[Path, Address], Command | None],
        folder: Path,
        database: str,
        distance: int,
    ) -> bool:
        """Whether it went well."""
        with wire(self._port, round_trip=distance / 1000) as line:
            command = call(folder, Address(line.port if distance else self._port, database))
            if command is None:
                return True
            measured = run(command, folder)
            if isinstance(measured, str):
                self.failures.append(f"{tool.name}, {what}, {distance} ms: {measured}")
                return False
            time.sleep(0.05)
            turns = line.round_trips
        self.cells[what, tool.name, distance].append(
            Measured(measured.seconds, measured.processor, measured.peak, turns)
        )
        say(f"{what:<36} {tool.name:<22} {distance:>3} ms  {measured.seconds:7.2f} s  {turns or '':>5}\n")
        return True

    @contextmanager
    def _database(self) -> Iterator[str]:
        self._databases += 1
        name = f"bench_{self._databases}"
        self._execute(f"CREATE DATABASE {name}")
        yield name
        self._execute(f"DROP DATABASE {name} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        url = DatabaseUrl(value=Address(self._port, "postgres").url)
        with connect(url, application_name="a benchmark") as connection:
            connection.execute(sql.encode())


def run(command: Command, folder: Path) -> Measured | str:
    """What it took; or how it failed."""
    with tempfile.TemporaryFile() as output:
        began = time.perf_counter()
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            [str(word) for word in command.argv],
            cwd=folder,
            env=environment(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        _, status, used = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            output.seek(0)
            return output.read().decode(errors="replace")[-300:]
    return Measured(seconds, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, 0)


def say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "works", nargs="*", default=[*WORKS], help=f"of {', '.join(WORKS)}; all of them when none is named"
    )
    parser.add_argument("--tools", default="", help="those whose names begin so, separated by commas")
    chosen = parser.parse_args()
    names = tuple(chosen.tools.split(",")) if chosen.tools else ("",)
    tools = [tool for tool in TOOLS if tool.name.startswith(names)]
    port = free_port()
    with durable_server(NEWEST) as server, tempfile.TemporaryDirectory(prefix="db-migrate-bench-") as folder:
        access = server.server.folder / "pg_hba.conf"
        access.write_text("host all all 127.0.0.0/8 trust\n" + access.read_text())
        server.listen("127.0.0.1", port)
        bench = Bench(port, Path(folder), tools)
        for work in chosen.works:
            bench.work(WORKS[work]())
    results = Results(
        cells={key: cell_of(measured) for key, measured in bench.cells.items()},
        keeps={tool.name: tool.keeps for tool in tools},
        each_committed=frozenset(tool.name for tool in tools if tool.each_committed),
        failures=bench.failures,
        day=f"{datetime.now(UTC):%Y-%m-%d}",
        machine=f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, "
        f"PostgreSQL {NEWEST} on the same machine, its log flushed",
    )
    for failure in bench.failures:
        say(f"! {failure}\n")
    say(f"\n{report(results)}")


def cell_of(measured: Sequence[Measured]) -> Cell:
    """The medians."""
    return Cell(
        seconds=median(one.seconds for one in measured),
        processor=median(one.processor for one in measured),
        peak=round(median(one.peak for one in measured)),
        round_trips=round(median(one.round_trips for one in measured)),
    )


if __name__ == "__main__":
    main()
