"""What one run of the benchmark has found."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.cold_start import ColdStart

OURS, LIMIT = "db-migrate", "psql, by migration"


@dataclass(frozen=True)
class Cell:
    """A tool at one work and distance: medians of its calls."""

    seconds: float
    round_trips: int  # that it waited for; 0 where they were not counted
    calls: int  # 0: computed from the seconds at no distance, the round trips and the distance
    processor: float = 0  # seconds of the tool itself, without the server; with its peak, where it was called
    peak: int = 0  # bytes

    @property
    def computed(self) -> bool:
        return not self.calls


@dataclass(frozen=True)
class Contestant:
    """A tool, and what it promises."""

    version: str
    transaction: str
    lock: str
    checksums: str
    commits_each: bool
    is_peer: bool


@dataclass(frozen=True)
class Results:
    """All of one run."""

    cells: Mapping[tuple[str, str, int], Cell]  # by work, tool and distance in ms
    contestants: Mapping[str, Contestant]
    failures: Sequence[str]
    day: str
    machine: str
    cold_start: ColdStart | None = None

    @property
    def works(self) -> list[str]:
        """In the order in which they were done."""
        return list(dict.fromkeys(work for work, _, _ in self.cells))

    def distances(self, work: str) -> list[int]:
        """In ms, the nearest first."""
        return sorted({distance for of, _, distance in self.cells if of == work})

    def best_peer(self, work: str, distance: int, *, commits_each: bool = False) -> tuple[str, Cell] | None:
        """The fastest of other people's, if need be of those that commit each migration."""
        found = {
            tool: cell
            for (of, tool, far), cell in self.cells.items()
            if (of, far) == (work, distance)
            and self.contestants[tool].is_peer
            and (self.contestants[tool].commits_each or not commits_each)
        }
        return min(found.items(), key=lambda item: item[1].seconds, default=None)
