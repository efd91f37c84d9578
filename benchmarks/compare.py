"""Us and the tools of other people, side by side: `make bench`.

Every figure of a table comes from one run on one machine: the tools take turns, each on a database of its own, and
every round of turns begins with another one. The server flushes its log as in production, and asks for a password.
Figures are for comparing within a table; they are no promise.
"""

import argparse
import re
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from benchmarks.cold_start import cold_start
from benchmarks.machine import shape
from benchmarks.measure import CallFailed, Command, Measured, measure
from benchmarks.peers import PASSWORD, ROOT, TOOLS, USER, Address, Tool
from benchmarks.report import into_page, report
from benchmarks.results import OURS, Cell, Contestant, Results
from benchmarks.wire import wire
from benchmarks.works import DISTANCES, WORKS, Work
from runner.core.database_url import DatabaseUrl
from runner.postgres.embedded import NEWEST
from runner.postgres.session import connect
from tests.faults.servers import DurableServer, durable_server

PAGE = ROOT / "docs" / "performance.md"
AGAIN = {0: 5, 20: 3, 80: 3}  # how often nothing is found, and the status is shown, by distance
LONG = 10  # seconds: what takes longer at a distance is called once there
TOO_LONG = 40  # seconds: what would take longer there is computed


@dataclass(frozen=True)
class Task:
    """What a tool is called for."""

    what: str
    tool: Tool
    folder: Path
    call: Callable[[Path, Address], Command | None]
    database: str = ""  # empty: a new one for each call


@dataclass(frozen=True)
class Called:
    """One call."""

    measured: Measured
    round_trips: int  # 0 where they were not counted


class Bench:
    """The server, and what was measured."""

    def __init__(self, server: DurableServer, folder: Path) -> None:
        """The server begins to listen on a port, and asks for a password there."""
        self.cells: dict[tuple[str, str, int], Cell] = {}
        self.failures: list[str] = []
        self._folder, self._databases = folder, 0
        self._admin = server.server.url()
        self._execute(f"ALTER ROLE {USER} PASSWORD '{PASSWORD}'")
        access = server.server.folder / "pg_hba.conf"
        access.write_text("host all all 127.0.0.0/8 scram-sha-256\n" + access.read_text())
        self._port = server.listen("127.0.0.1")
        self._admin = DatabaseUrl(value=Address(self._port, "postgres").url)

    def work(self, key: str, work: Work, tools: Sequence[Tool]) -> None:
        """Have these tools do it."""
        scripts = work.scripts()
        first: list[Task] = []
        for number, tool in enumerate(tools):
            if (tool.commits_each or not work.only_each) and tool.name not in work.but_for:
                folder = self._folder / f"{key}-{number}"
                tool.write(folder, scripts)
                first.append(Task(work.name, tool, folder, tool.migrate, self._created()))
        applied = self._warmed_up(first)
        for distance in work.distances:
            tasks = {replace(task, database=""): trips for task, trips in applied.items()}
            self._take_turns(tasks, distance, work.times)
        if work.again:
            self._again([replace(task, what=work.nothing, call=task.tool.find_nothing) for task in applied])
            self._again([replace(task, what=work.status, call=task.tool.status) for task in applied])
        for task in first:
            self._drop(task.database)

    def _again(self, tasks: Sequence[Task]) -> None:
        """Of what can be done over and over."""
        ready = self._warmed_up(tasks)
        for distance in DISTANCES:
            self._take_turns(ready, distance, AGAIN[distance])

    def _warmed_up(self, tasks: Sequence[Task]) -> Mapping[Task, int]:
        """Call each once, which counts for nothing but the round trips. Those that can be done, with these."""
        called = {task: self._called(task, 0, count=True) for task in tasks}
        return {task: 0 if task.tool.sends_ahead else one.round_trips for task, one in called.items() if one}

    def _take_turns(self, tasks: Mapping[Task, int], distance: int, times: int) -> None:
        """Call all, over and over; each round begins with another one."""
        expected = {task: self._expected(task, trips, distance) for task, trips in tasks.items()}
        called: dict[Task, list[Called]] = {task: [] for task in tasks if expected[task] <= TOO_LONG}
        for turn in range(times):
            for task in _turned(list(called), turn, times):
                if turn == 0 or (called[task] and expected[task] <= LONG):
                    one = self._called(task, distance)
                    called[task] += [one] if one else []
        for task, trips in tasks.items():
            if found := called.get(task):
                cell = _cell(found, trips)
            elif task not in called:
                cell = Cell(seconds=expected[task], round_trips=trips, calls=0)
            else:
                continue
            self.cells[task.what, task.tool.name, distance] = cell

    def _expected(self, task: Task, trips: int, distance: int) -> float:
        """Seconds, where a tool waits as often at every distance: those without a distance, and that of each wait."""
        near = self.cells.get((task.what, task.tool.name, 0))
        return near.seconds + trips * distance / 1000 if near and distance and not task.tool.sends_ahead else 0

    def _called(self, task: Task, distance: int, *, count: bool = False) -> Called | None:
        """Nothing when the tool has no such call, or it fails, which is noted."""
        database = task.database or self._created()
        with self._way(distance, count=count) as (port, trips):
            command = task.call(task.folder, Address(port, database))
            try:
                called = Called(measure(command, task.folder), trips()) if command else None
            except CallFailed as error:
                called = None
                self.failures.append(f"{task.tool.name}, {task.what}, {distance} ms: {error}")
                _say(f"! {self.failures[-1]}\n")
        if called:
            told = f"{called.measured.seconds:7.2f} s  {called.round_trips or '':>6}  {'warm-up' if count else ''}"
            _say(f"{task.what:<32} {task.tool.name:<30} {distance:>3} ms  {told}".rstrip() + "\n")
        if not task.database:
            self._drop(database)
        return called

    @contextmanager
    def _way(self, distance: int, *, count: bool) -> Iterator[tuple[int, Callable[[], int]]]:
        """A port that leads to the server, directly where nothing is to be delayed or counted."""
        if not (distance or count):
            yield self._port, lambda: 0
            return
        with wire(self._port, round_trip=distance / 1000) as line:
            yield line.port, lambda: line.round_trips

    def _created(self) -> str:
        self._databases += 1
        name = f"bench_{self._databases}"
        self._execute(f"CREATE DATABASE {name}")
        return name

    def _drop(self, database: str) -> None:
        self._execute(f"DROP DATABASE {database} WITH (FORCE)")

    def _execute(self, sql: str) -> None:
        with connect(self._admin, application_name="a benchmark") as connection:
            connection.execute(sql.encode())


def _turned(tasks: Sequence[Task], turn: int, times: int) -> Sequence[Task]:
    """In the same order, from another one on in each turn."""
    start = turn * len(tasks) // times
    return [*tasks[start:], *tasks[:start]]


def _cell(called: Sequence[Called], trips: int) -> Cell:
    """The medians. `trips` are those of the tool where it was called without counting."""
    measured = [one.measured for one in called]
    return Cell(
        seconds=median(one.seconds for one in measured),
        processor=median(one.processor for one in measured),
        peak=round(median(one.peak for one in measured)),
        round_trips=round(median(one.round_trips for one in called)) or trips,
        calls=len(called),
    )


def _contestant(tool: Tool, folder: Path) -> Contestant:
    """With the version that its program tells."""
    version = re.search(r"\d+(\.\d+)+", measure(tool.version(), folder).output)
    return Contestant(
        version=version[0] if version else "?",
        transaction=tool.transaction,
        lock=tool.lock,
        checksums=tool.checksums,
        commits_each=tool.commits_each,
        is_peer=tool.is_peer,
    )


def _say(text: str) -> None:
    """Print at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", help=f"of {', '.join(WORKS)}; all of them when none is named")
    parser.add_argument("--tools", default="", help="those whose names begin so, separated by commas")
    parser.add_argument("--image", default="", help="an image of ours, whose cold start is measured too")
    parser.add_argument(
        "--write", action="store_true", help=f"write {PAGE.relative_to(ROOT)}, after all works with all tools"
    )
    chosen = parser.parse_args()
    if unknown := set(chosen.works) - set(WORKS):
        parser.error(f"no such work: {', '.join(sorted(unknown))}; there are {', '.join(WORKS)}")
    works = {name: WORKS[name] for name in chosen.works or WORKS}
    tools = [tool for tool in TOOLS if tool.name.startswith(tuple(chosen.tools.split(",")))]
    complete = len(works) == len(WORKS) and len(tools) == len(TOOLS)
    minutes = sum(work.minutes for work in works.values())
    _say(f"About {minutes} minutes with all tools, on two cores with little else to do.\n")
    cold = cold_start(chosen.image) if chosen.image else None
    with durable_server(NEWEST) as server, tempfile.TemporaryDirectory(prefix="db-migrate-bench-") as folder:
        contestants = {tool.name: _contestant(tool, Path(folder)) for tool in tools}
        bench = Bench(server, Path(folder))
        for key, work in works.items():
            bench.work(key, work, tools)
        results = Results(
            cells=bench.cells,
            contestants=contestants,
            failures=bench.failures,
            day=f"{datetime.now(UTC):%Y-%m-%d}",
            machine=shape(server.server.folder),
            cold_start=cold,
        )
    text = report(results)
    _say(f"\n{text}")
    if any(failure.startswith(f"{OURS}, ") for failure in bench.failures):
        sys.exit("A call of ours has failed.")
    if chosen.write and complete:
        PAGE.write_text(into_page(PAGE.read_text(), text))
    elif chosen.write:
        _say(f"{PAGE.relative_to(ROOT)} stays as it is: that takes all works and all tools.\n")


if __name__ == "__main__":
    main()
