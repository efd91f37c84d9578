"""A table as plain text, as wide as its content, or as what it is shown on."""

import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from runner.core.visible import visible

BETWEEN, MARGIN = "  ", "    "
NARROWEST = 20  # characters of a text below its row
ADDRESS = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&+,;=%-]+")  # nothing that ends a link in Markdown


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """What a command lists, for people."""

    headings: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    links: Mapping[str, str] = field(default_factory=dict)  # where a cell leads, by its text
    notes: tuple[tuple[str, str], ...] = ()  # below it: each with the address where it leads; empty for none


def as_text(table: Table) -> str:
    """Columns separated by two blanks, headings underlined."""
    return "\n".join(as_lines(table))


def as_lines(table: Table, width: int | None = None, *, aside: str = "") -> list[str]:
    """The headings, the line below them, and each row. Where `width` characters are too few, the column with the
    heading `aside` is told below its rows, and then the widest ones are broken between words: a row takes several
    lines of text.
    """
    lines = [[_plain(cell) for cell in line] for line in (table.headings, *table.rows)]
    widths = _widths(lines)
    if width is None or _together(widths) <= width:
        return _drawn(lines, widths)
    if aside not in table.headings:
        return _drawn(lines, _narrowed(lines, width))
    place = table.headings.index(aside)
    rest = [[*line[:place], *line[place + 1 :]] for line in lines]
    below = ["", "", *(_below(line[place], width) for line in lines[1:])]
    return [drawn + text for drawn, text in zip(_drawn(rest, _narrowed(rest, width)), below, strict=True)]


def moment(at: datetime) -> str:
    """`2026-11-22 12:00:00 UTC`, whatever the zone of the server's session."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def address_of(url: str | None) -> str:
    """An address as it may be linked to; empty where what the ledger has is none."""
    return url if url and ADDRESS.fullmatch(url) else ""


def _plain(cell: str) -> str:
    return visible(cell).replace("\n", " ").replace("\t", " ")


def _widths(lines: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*lines, strict=True)]


def _together(widths: Sequence[int]) -> int:
    return sum(widths) + len(BETWEEN) * (len(widths) - 1)


def _narrowed(lines: Sequence[Sequence[str]], room: int) -> list[int]:
    """The widths, with the widest made smaller until all have room, as far as no word is broken."""
    widths = _widths(lines)
    least = _widths([[max(cell.split(), key=len, default="") for cell in line] for line in lines])
    limit = max(widths)
    while limit > 0 and _together(_limited(widths, least, limit)) > room:
        limit -= 1
    return _limited(widths, least, limit)


def _limited(widths: Sequence[int], least: Sequence[int], limit: int) -> list[int]:
    return [min(width, max(floor, limit)) for width, floor in zip(widths, least, strict=True)]


def _below(text: str, width: int) -> str:
    if not text:
        return ""
    room = max(width - len(MARGIN), NARROWEST)
    return "".join(f"\n{MARGIN}{line}" for line in textwrap.wrap(text, room, break_on_hyphens=False))


def _drawn(lines: Sequence[Sequence[str]], widths: Sequence[int]) -> list[str]:
    rule = ["─" * width for width in widths]
    return [_line(line, widths) for line in (lines[0], rule, *lines[1:])]


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    if all(len(cell) <= width for cell, width in zip(cells, widths, strict=True)):
        return BETWEEN.join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip()
    wrapped = [textwrap.wrap(cell, width, break_on_hyphens=False) for cell, width in zip(cells, widths, strict=True)]
    return "\n".join(
        _line([part[number] if number < len(part) else "" for part in wrapped], widths)
        for number in range(max(map(len, wrapped)))
    )
