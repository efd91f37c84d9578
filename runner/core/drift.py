"""A file that changed after it was applied: in what it does, or only in how it looks."""

from collections.abc import Sequence
from difflib import unified_diff
from itertools import takewhile

from runner.core.checksum import sql_digest
from runner.core.model import Applied, MigrationFile
from runner.errors import Finding, Level

AROUND = 2  # unchanged lines that are shown beside changed ones
LONGEST_DIFF = 60  # lines
LARGEST_COMPARED = 2000  # lines between the first and the last difference
WIDEST = 300  # characters of a line


def judge_change(file: MigrationFile, row: Applied, body: str | None) -> Finding:
    """What to say of a file whose checksum is not the recorded one. `body` is the text that was applied, where the
    ledger kept it.
    """
    recorded = row.sql_digest or (sql_digest(body.encode()) if body is not None else None)
    applied = None if body is None else body.split("\n")
    now = [] if applied is None else file.up.text.split("\n")
    line = 1 if applied is None else _common(now, applied) + 1
    if recorded is not None and recorded == sql_digest(file.up.data):
        return Finding(
            f"migration {file.version} was edited after being applied, in comments or layout only",
            level=Level.WARNING,
            path=file.path,
            line=line,
            hint="restore the file to be rid of this warning; what it does is what was applied",
        )
    return Finding(
        f"Migration {file.version} checksum mismatch! File has been modified after being applied. This is unsafe.",
        path=file.path,
        line=line,
        hint="restore the file as it was applied, and put the change into a new migration",
        diff="" if applied is None else _diff(applied, now, file),
    )


def _common(now: Sequence[str], applied: Sequence[str]) -> int:
    """How many lines at the beginning are equal; never all of the file's, so that the next one is a line of it."""
    equal = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(now, applied, strict=False)))
    return min(equal, max(len(now) - 1, 0))


def _diff(applied: Sequence[str], now: Sequence[str], file: MigrationFile) -> str:
    """Unified, and short: lines that both have at the ends are left out before anything is compared."""
    before = max(_common(now, applied) - AROUND, 0)
    behind = max(_common(now[before:][::-1], applied[before:][::-1]) - AROUND, 0)
    old, new = applied[before : len(applied) - behind], now[before : len(now) - behind]
    if max(len(old), len(new)) > LARGEST_COMPARED:
        return f"{len(old)} lines as applied, {len(new)} lines now, from line {before + 1} on: too much to compare"
    lines = list(unified_diff(old, new, f"{file.path} (as applied)", f"{file.path} (now)", n=AROUND, lineterm=""))
    shown = [_moved(line, before) if line.startswith("@@") else line[:WIDEST] for line in lines[:LONGEST_DIFF]]
    more = len(lines) - len(shown)
    return "\n".join(shown + ([f"… and {more} more lines"] if more else []))


def _moved(mark: str, lines: int) -> str:
    """`@@ -1,3 +1,4 @@` with the lines that were left out before it counted."""
    parts = mark.split()
    return " ".join(_counted(part, lines) if part[0] in "-+" else part for part in parts)


def _counted(part: str, lines: int) -> str:
    first, comma, length = part[1:].partition(",")
    return f"{part[0]}{int(first) + lines}{comma}{length}"
