"""Where the time of a run went, as a picture: the source of Mermaid's Gantt chart.

GitHub draws it: https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/creating-diagrams
Its language: https://mermaid.js.org/syntax/gantt.html
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from runner.core.durations import in_words, milliseconds
from runner.core.model import Report, StageResult, StageState
from runner.core.steps import StepResult

SHORTEST_RUN = timedelta(seconds=1)  # below, there is nothing to look for
SHORTEST = timedelta(milliseconds=1)  # of what is drawn, unless it failed
MOST = 12  # bars of a section, which is 39 of a chart
LONGEST_NAME = 60  # characters
# Mermaid's axes show a time of day where the reader is. At this midnight no place on earth changed its clocks.
MIDNIGHT = datetime(2000, 1, 1)  # noqa: DTZ001
AXES = (  # of a picture shorter than that; the formats are those of https://d3js.org/d3-time-format
    (timedelta(seconds=10), "%-S.%L s"),
    (timedelta(minutes=1), "%-S s"),
    (timedelta(hours=1), "%-M:%S min"),
    (timedelta.max, "%-H:%M h"),
)
FAILED = "✘ "  # in the colour of the text, as ❌ could not be seen on a red bar
IN_FRONT = "\u200b"  # no width, so that nobody sees it; with it no name begins with a word of Mermaid's own
UNSAFE = re.compile(r"[^\w .,()/+=-]")


@dataclass(frozen=True, slots=True)
class Bar:
    """Something that took time."""

    name: str
    started: timedelta  # after the run's start
    duration: timedelta
    sign: str = ""
    failed: bool = False


def timeline(report: Report, scrub: Callable[[str], str]) -> str:
    """The stages, the migrations and what was undone, those that failed in red; empty where a picture would tell
    nothing. It begins where the first of them began. Names pass through `scrub`. The longest of each section are drawn,
    and the others counted.
    """
    undone = report.undoing.steps if report.undoing else ()
    sections = {
        "Stages": _worth_drawing(map(_stage, report.stages)),
        "Migrations": _worth_drawing(map(_step, report.steps)),
        "Undone": _worth_drawing(_step(step, "↩️ ") for step in undone),
    }
    bars = [bar for section in sections.values() for bar in section]
    if len(bars) < 2:
        return ""
    begin, end = min(bar.started for bar in bars), max(bar.started + bar.duration for bar in bars)
    if end - begin < SHORTEST_RUN:
        return ""
    lines = ["dateFormat YYYY-MM-DD HH:mm:ss.SSS", f"axisFormat {_axis(end - begin)}", "todayMarker off"]
    for title, section in sections.items():
        if section:
            lines += [f"section {title}", *_drawn(section, MIDNIGHT - begin, scrub)]
    return "\n    ".join(["gantt", *lines])


def _stage(stage: StageResult) -> Bar:
    failed = stage.state is StageState.FAILED
    return Bar(stage.name, stage.started, stage.duration, FAILED if failed else "", failed)


def _step(step: StepResult, sign: str = "") -> Bar:
    name = f"{step.migration.version} {step.migration.title}"
    return Bar(name, step.started, step.duration, sign if step.completed else FAILED, not step.completed)


def _worth_drawing(bars: Iterable[Bar]) -> list[Bar]:
    return [bar for bar in bars if bar.failed or bar.duration >= SHORTEST]


def _axis(length: timedelta) -> str:
    return next(form for limit, form in AXES if length < limit)


def _drawn(bars: Sequence[Bar], start_of_run: datetime, scrub: Callable[[str], str]) -> Iterator[str]:
    by_weight = sorted(bars, key=lambda bar: (bar.failed, bar.duration), reverse=True)
    kept, rest = by_weight[:MOST], by_weight[MOST:]
    for bar in sorted(kept, key=lambda bar: bar.started):
        name = f"{bar.sign}{_escaped(scrub(bar.name))} · {in_words(bar.duration)}"
        yield _line(name, "crit, " if bar.failed else "", bar, start_of_run)
    if rest:
        others = Bar("", min(bar.started for bar in rest), sum((bar.duration for bar in rest), timedelta()))
        yield _line(f"… and {len(rest)} shorter · {in_words(others.duration)}", "done, ", others, start_of_run)


def _line(name: str, tag: str, bar: Bar, start_of_run: datetime) -> str:
    started = (start_of_run + bar.started).isoformat(" ", "milliseconds")
    return f"{IN_FRONT}{name} :{tag}{started}, {milliseconds(bar.duration)}ms"


def _escaped(text: str) -> str:
    """On one line, with codes for the characters that Mermaid could take for its own:
    https://mermaid.js.org/syntax/flowchart.html#entity-codes-to-escape-characters.
    """
    text = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    text = text if len(text) <= LONGEST_NAME else f"{text[: LONGEST_NAME - 1]}…"
    return UNSAFE.sub(lambda found: f"#{ord(found[0])};", text)
