"""What differs between two texts, in a few lines, however large they are."""

from collections.abc import Sequence
from difflib import unified_diff
from itertools import takewhile

AROUND = 2  # unchanged lines that are shown beside changed ones
LONGEST = 60  # lines
LARGEST_COMPARED = 2000  # lines between the first and the last difference
WIDEST = 300  # characters of a line


def common(now: Sequence[str], before: Sequence[str]) -> int:
    """How many lines at the beginning are equal; never all of `now`, so that the next one is a line of it."""
    equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(now, before, strict=False)))
    return min(equal, max(len(now) - 1, 0))


def difference(before: Sequence[str], now: Sequence[str], name_before: str, name_now: str) -> str:
    """Unified, and short: lines that both have at the ends are left out before anything is compared."""
    skipped = max(common(now, before) - AROUND, 0)
    behind = max(common(now[skipped:][::-1], before[skipped:][::-1]) - AROUND, 0)
    old, new = before[skipped : len(before) - behind], now[skipped : len(now) - behind]
    if max(len(old), len(new)) > LARGEST_COMPARED:
        return f"{len(old)} lines before, {len(new)} lines now, from line {skipped + 1} on: too much to compare"
    lines = list(unified_diff(old, new, name_before, name_now, n=AROUND, lineterm=""))
    shown = [_moved(line, skipped) if line.startswith("@@") else _cut(line) for line in lines[:LONGEST]]
    more = len(lines) - len(shown)
    return "\n".join(shown + ([f"… and {more} more lines"] if more else []))


def _moved(mark: str, lines: int) -> str:
    """`@@ -1,3 +1,4 @@` with the lines that were left out before it counted."""
    parts = mark.split()
    return " ".join(_counted(part, lines) if part[0] in "-+" else part for part in parts)


def _counted(part: str, lines: int) -> str:
    first, comma, length = part[1:].partition(",")
    return f"{part[0]}{int(first) + lines}{comma}{length}"


def _cut(line: str) -> str:
    return line if len(line) <= WIDEST else f"{line[: WIDEST - 1]}…"
