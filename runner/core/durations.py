"""Durations as people write them: `30s`, `5min`, `250ms`."""

import re
from datetime import timedelta

SHAPE = re.compile(r"(?P<number>[0-9]{1,9})\s*(?P<unit>ms|s|sec|m|min|h)?")
UNITS = {
    "ms": timedelta(milliseconds=1),
    "s": timedelta(seconds=1),
    "sec": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "min": timedelta(minutes=1),
    "h": timedelta(hours=1),
}
LONGEST = timedelta(milliseconds=2**31 - 1)  # what PostgreSQL's timeouts can hold, about 24 days
DURATION_HINT = "write it like 250ms, 30s, 5min or 1h; a number alone means seconds"


def parse_duration(text: str) -> timedelta | None:
    """The duration that the text means, or None when it means none. A number alone means seconds."""
    match = SHAPE.fullmatch(text.strip().lower())
    if not match:
        return None
    duration = int(match["number"]) * UNITS[match["unit"] or "s"]
    return duration if duration <= LONGEST else None


def milliseconds(duration: timedelta) -> int:
    """The duration in whole milliseconds, as PostgreSQL's settings and the ledger's columns count."""
    return round(duration / timedelta(milliseconds=1))


def in_words(duration: timedelta) -> str:
    """Short, for people: `0 ms`, `340 ms`, `2.1 s`, `3 min 05 s`."""
    ms = milliseconds(duration)
    if ms < 1000:
        return f"{ms} ms"
    if ms < 59_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes} min {seconds:02d} s"
