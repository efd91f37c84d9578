"""What was measured, as Markdown: tables that fit on a page of GitHub, and charts."""

from collections.abc import Iterator

from benchmarks.cold_start import table
from benchmarks.results import OURS, Results
from benchmarks.targets import judged, seconds
from benchmarks.works import WORKS

BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
COLOUR = '{"themeVariables": {"xyChart": {"plotColorPalette": "#0969da"}}}'  # that of a theme is hardly seen
CHARTS = {  # where people wait longest
    WORKS["1000"].name: 80,
    WORKS["1000"].nothing: 80,
}


def report(results: Results) -> str:
    """All of it; what was not measured is left out."""
    parts = [_introduction(results), _targets(results), _charts(results)]
    parts += [_work(results, work) for work in results.works]
    parts += [_cold_start(results), _contestants(results), _failures(results)]
    texts = ["\n".join(part) for part in parts]
    return "\n\n".join(text for text in texts if text) + "\n"


def into_page(page: str, text: str) -> str:
    """In place of what is between the two markers. Raises ValueError without them."""
    before, _, rest = page.partition(BEGIN)
    _, end, behind = rest.partition(END)
    if not end:
        raise ValueError(f"there must be {BEGIN} and then {END}")
    return f"{before}{BEGIN}\n\n{text}\n{END}{behind}"


def _introduction(results: Results) -> Iterator[str]:
    yield f"Measured on {results.day}: {results.machine}."
    yield ""
    yield "Seconds are medians. Those in *italics* are computed, as the call would have taken too long: the seconds at"
    yield "0 ms, and the distance for each round trip that was counted."


def _targets(results: Results) -> Iterator[str]:
    rows = list(judged(results))
    if rows:
        yield "| target | at most | measured | | from |"
        yield "|---|---|---|---|---|"
    for row in rows:
        verdict = "met" if row.met else f"**missed by {row.missed_by:.0%}**"
        yield f"| {row.target} | {row.at_most}{row.unit} | {row.measured:.2f}{row.unit} | {verdict} | {row.reason} |"


def _charts(results: Results) -> Iterator[str]:
    for work, distance in CHARTS.items():
        found = {tool: cell for (of, tool, far), cell in results.cells.items() if (of, far) == (work, distance)}
        if not found:
            continue
        tools = sorted(found, key=lambda tool: found[tool].seconds)
        names = [f'"{tool}{" (computed)" if found[tool].computed else ""}"' for tool in tools]
        yield "```mermaid"
        yield f"%%{{init: {COLOUR}}}%%"
        yield "xychart-beta horizontal"
        yield f'    title "{work}, at {distance} ms: seconds"'
        yield f"    x-axis [{', '.join(names)}]"
        yield f"    y-axis 0 --> {found[tools[-1]].seconds:.2f}"  # else it begins with the shortest bar
        yield f"    bar [{', '.join(f'{found[tool].seconds:.2f}' for tool in tools)}]"
        yield "```"
        yield ""


def _work(results: Results, work: str) -> Iterator[str]:
    """Processor time and memory are those at no distance."""
    distances = results.distances(work)
    yield f"### {work}"
    yield ""
    yield f"| tool | {' | '.join(f'{distance} ms' for distance in distances)} | round trips | processor | memory |"
    yield "|---" * (len(distances) + 4) + "|"
    for tool in results.contestants:
        cells = [results.cells.get((work, tool, distance)) for distance in distances]
        found = [cell for cell in cells if cell]
        if not found:
            continue
        called = next((cell for cell in found if not cell.computed), None)
        yield " | ".join([
            f"| **{tool}**" if tool == OURS else f"| {tool}",
            *(seconds(cell) if cell else "–" for cell in cells),
            f"{found[-1].round_trips:,}" if found[-1].round_trips else "–",
            f"{called.processor:.2f} s" if called else "–",
            f"{called.peak / 1e6:.0f} MB |" if called else "– |",
        ])  # fmt: skip


def _cold_start(results: Results) -> Iterator[str]:
    if results.cold_start:
        yield "### Cold start of a container"
        yield ""
        yield from table(results.cold_start)


def _contestants(results: Results) -> Iterator[str]:
    yield "### The tools"
    yield ""
    yield "| tool | version | one transaction | lock | checksums |"
    yield "|---|---|---|---|---|"
    for name, tool in results.contestants.items():
        yield f"| {name} | {tool.version} | {tool.transaction} | {tool.lock} | {tool.checksums} |"


def _failures(results: Results) -> Iterator[str]:
    if results.failures:
        yield "Could not be measured:"
        yield ""
    yield from (f"- {failure}" for failure in results.failures)
