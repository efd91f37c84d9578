"""What we want to reach, held against what was measured. They are ratios of one run, so they hold on other machines."""

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.results import LIMIT, OURS, Cell, Results
from benchmarks.works import WORKS, Work

BESIDE_PEERS = {0: 1.0, 20: 0.1, 80: 0.1}  # by distance; far away of the best one that commits each migration too
BESIDE_PSQL = 1.3  # at no distance
FAR_BESIDE_NEAR = 2.0  # our own time at 80 ms
NOTHING_BESIDE_PEERS = {20: 1.0, 80: 0.6}
NOTHING_PROCESSOR = 0.2  # seconds, at no distance
DATA_BESIDE_PSQL = 1.2
COLD_START = 1.0  # seconds


@dataclass(frozen=True)
class Judged:
    """A target, and how far we are."""

    target: str
    at_most: float
    measured: float
    reason: str  # where the measured value comes from
    unit: str = ""

    @property
    def met(self) -> bool:
        return self.measured <= self.at_most

    @property
    def missed_by(self) -> float:
        """As a part of the target; 0 where it is met."""
        return max(0.0, self.measured / self.at_most - 1)


def judged(results: Results) -> Iterator[Judged]:
    """Those for which there is something to judge."""
    yield from _applying(results, WORKS["1000"])
    yield from _finding_nothing(results, WORKS["1000"])
    yield from _finding_nothing(results, WORKS["10000"])
    yield from _data(results, WORKS["data"])
    if results.cold_start:
        told = f"{results.cold_start.engine:.2f} s of it are the container engine's own"
        yield Judged("Cold start of a container to its first query", COLD_START, results.cold_start.query, told, " s")


def _applying(results: Results, work: Work) -> Iterator[Judged]:
    for distance, at_most in BESIDE_PEERS.items():
        best = results.best_peer(work.name, distance, commits_each=distance > 0)
        which = "the best peer that commits each" if distance else "the best peer"
        target = f"{work.name} at {distance} ms, beside {which}"
        yield from _ratio(results, work.name, distance, target, at_most, best)
    yield from _beside_psql(results, work.name, 0, BESIDE_PSQL)
    near, far = (results.cells.get((work.name, OURS, distance)) for distance in (0, 80))
    if near and far:
        told = f"{seconds(far)} and {seconds(near)}"
        ratio = far.seconds / near.seconds
        yield Judged(f"{work.name} at 80 ms, beside our own at 0 ms", FAR_BESIDE_NEAR, ratio, told)


def _finding_nothing(results: Results, work: Work) -> Iterator[Judged]:
    for distance, at_most in NOTHING_BESIDE_PEERS.items():
        best = results.best_peer(work.nothing, distance)
        target = f"{work.nothing}, at {distance} ms, beside the best peer"
        yield from _ratio(results, work.nothing, distance, target, at_most, best)
    if near := results.cells.get((work.nothing, OURS, 0)):
        told = f"of {seconds(near)} in all"
        yield Judged(f"{work.nothing}, processor time", NOTHING_PROCESSOR, near.processor, told, " s")


def _data(results: Results, work: Work) -> Iterator[Judged]:
    for distance in results.distances(work.name):
        yield from _beside_psql(results, work.name, distance, DATA_BESIDE_PSQL)


def _beside_psql(results: Results, work: str, distance: int, at_most: float) -> Iterator[Judged]:
    limit = results.cells.get((work, LIMIT, distance))
    target = f"{work} at {distance} ms, beside psql"
    yield from _ratio(results, work, distance, target, at_most, (LIMIT, limit) if limit else None)


def _ratio(
    results: Results, work: str, distance: int, target: str, at_most: float, other: tuple[str, Cell] | None
) -> Iterator[Judged]:
    ours = results.cells.get((work, OURS, distance))
    if ours and other:
        name, cell = other
        told = f"{seconds(ours)}, {name}: {seconds(cell)}"
        yield Judged(target, at_most, ours.seconds / cell.seconds, told)


def seconds(cell: Cell) -> str:
    """To be read; computed ones look different."""
    if cell.computed:
        return f"*≈ {cell.seconds:,.0f} s*"
    return f"{cell.seconds:.2f} s" if cell.seconds < 10 else f"{cell.seconds:,.1f} s"
