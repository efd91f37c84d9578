"""What was measured, as tables and a chart in Markdown."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

OURS, LIMIT = "db-migrate", "psql"


@dataclass(frozen=True)
class Cell:
    """The median of a tool's calls for one work at one distance."""

    seconds: float
    processor: float  # seconds of the tool itself
    peak: int  # bytes
    round_trips: int  # 0 where they were not counted


@dataclass(frozen=True)
class Results:
    """All of one run."""

    cells: Mapping[tuple[str, str, int], Cell]  # by work, tool and distance in ms
    keeps: Mapping[str, str]  # by tool: what it promises
    each_committed: frozenset[str]  # the tools that commit each migration by itself
    failures: Sequence[str]
    day: str
    machine: str

    @property
    def rows(self) -> list[tuple[str, int]]:
        """Work and distance, in the order in which they were done."""
        return list(dict.fromkeys((work, distance) for work, _, distance in self.cells))


def report(results: Results) -> str:
    """Markdown."""
    return "\n".join(_lines(results)) + "\n"


def _lines(results: Results) -> Iterator[str]:
    yield f"Measured on {results.day}: {results.machine}. Seconds are medians; in brackets the round trips that were"
    yield "waited for."
    yield ""
    yield from _ratios(results)
    yield ""
    yield from _chart(results)
    yield ""
    yield from _seconds(results)
    yield ""
    yield from _resources(results)
    if results.failures:
        yield ""
        yield "Could not be measured:"
        yield ""
        yield from (f"- {failure}" for failure in results.failures)


def _ratios(results: Results) -> Iterator[str]:
    """Ours against the best of the others that promise as much, and against psql."""
    yield "| work | round trip | ours | best of the others | times that | psql | times that |"
    yield "|---|---|---|---|---|---|---|"
    for work, distance in results.rows:
        ours = results.cells.get((work, OURS, distance))
        if ours is None:
            continue
        peers = {
            tool: cell.seconds
            for (of, tool, far), cell in results.cells.items()
            if (of, far) == (work, distance) and tool in results.each_committed - {OURS, LIMIT}
        }
        limit = results.cells.get((work, LIMIT, distance))
        best = min(peers, key=lambda tool: peers[tool], default="")
        yield (
            f"| {work} | {distance} ms | {_s(ours.seconds)} | "
            + (f"{_s(peers[best])}, {best} | **{ours.seconds / peers[best]:.2f}** | " if best else "– | – | ")
            + (f"{_s(limit.seconds)} | {ours.seconds / limit.seconds:.2f} |" if limit else "– | – |")
        )


def _chart(results: Results) -> Iterator[str]:
    """The longest distance, where people wait longest."""
    far = max((row for row in results.rows if not row[0].startswith(("nothing", "status"))), key=lambda row: row[1])
    found = {tool: cell.seconds for (work, tool, distance), cell in results.cells.items() if (work, distance) == far}
    tools = sorted(found, key=lambda tool: found[tool])
    yield "```mermaid"
    yield "xychart-beta horizontal"
    yield f'    title "{far[0]} at {far[1]} ms, seconds"'
    yield f"    x-axis [{', '.join(f'{tool!r}'.replace(chr(39), chr(34)) for tool in tools)}]"
    yield f"    bar [{', '.join(f'{found[tool]:.1f}' for tool in tools)}]"
    yield "```"


def _seconds(results: Results) -> Iterator[str]:
    rows = results.rows
    yield "| tool | keeps | " + " | ".join(f"{work}, {distance} ms" for work, distance in rows) + " |"
    yield "|---" * (len(rows) + 2) + "|"
    for tool, keeps in results.keeps.items():
        cells = [results.cells.get((work, tool, distance)) for work, distance in rows]
        if any(cells):
            told = [
                f"{_s(cell.seconds)}{f' ({cell.round_trips})' if cell.round_trips else ''}" if cell else "–"
                for cell in cells
            ]
            yield f"| {tool} | {keeps} | " + " | ".join(told) + " |"


def _resources(results: Results) -> Iterator[str]:
    """What the tool itself takes of the machine, without the server."""
    near = [work for work, distance in results.rows if distance == 0]
    yield "| processor time and peak memory of the tool itself | " + " | ".join(near) + " |"
    yield "|---" * (len(near) + 1) + "|"
    for tool in results.keeps:
        cells = [results.cells.get((work, tool, 0)) for work in near]
        if any(cells):
            told = [f"{_s(cell.processor)}, {cell.peak / 1e6:.0f} MB" if cell else "–" for cell in cells]
            yield f"| {tool} | " + " | ".join(told) + " |"


def _s(seconds: float) -> str:
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
