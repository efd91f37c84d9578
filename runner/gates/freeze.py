"""When an environment may be migrated: windows by weekday and time, or by date, each in a time zone of its own.

Mon-Thu 09:00-16:00 Europe/Berlin             only then
closed 2026-12-18..2027-01-04 Europe/Berlin   never then
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from runner.core.model import Verdict

GATE = "freeze windows"
DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
DAILY = "daily"
NEARLY = {"weekday": "Mon-Fri", "weekdays": "Mon-Fri", "workdays": "Mon-Fri", "weekend": "Sat,Sun",
          "weekends": "Sat,Sun", "everyday": DAILY, "always": DAILY, "*": DAILY}  # fmt: skip
DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
DATES = re.compile(rf"({DATE.pattern})(?:\.\.({DATE.pattern}))?", re.ASCII)
TIMES = re.compile(r"(\d{1,2}):(\d\d)-(\d{1,2}):(\d\d)", re.ASCII)
CRON = re.compile(r"[\d*/,-]+")
DASHES = re.compile("[‐‑‒–—−]")
NOT_OF_IANA = re.compile(r"(posix|right)/.*|localtime|posixrules|Factory")  # files beside its zones
NOT_MEANT = re.compile(rf"Etc/|{NOT_OF_IANA.pattern}")  # the sign of Etc/GMT+2 is not what it seems
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
LOOK_AHEAD = timedelta(weeks=6)  # for the next moment that is open
MOST_TOLD = 3
HINT = "write it like `Mon-Thu 09:00-16:00 Europe/Berlin` or `closed 2026-12-18..2027-01-04 Europe/Berlin`"


class NotAWindow(ValueError):
    """What a text lacks of a window, and what to write instead."""

    def __init__(self, problem: str, hint: str = HINT) -> None:
        super().__init__(problem)
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """A stretch of time that comes again, or a row of days."""

    text: str  # as it was written
    closed: bool  # nothing may run in it; else nothing may run outside of it
    zone: ZoneInfo
    days: frozenset[int] = frozenset()  # on which it begins, Monday is 0; empty for a row of days
    first: date | None = None
    last: date | None = None
    begins: time = time()
    lasts: timedelta = DAY  # by the clocks of its zone, and at most that

    def holds(self, moment: datetime) -> bool:
        """Whether a moment is inside, by the clocks of its zone: what they skip in spring is in no window, and what
        they show twice in autumn is in it twice. A window that passes midnight belongs to the day on which it begins.
        """
        local = moment.astimezone(self.zone).replace(tzinfo=None)
        for day in (local.date(), local.date() - DAY):
            begin = datetime.combine(day, self.begins)
            if begin <= local < begin + self.lasts and self._begins_on(day):
                return True
        return False

    def turns(self, after: datetime, until: datetime) -> Iterator[datetime]:
        """The moments of at most a day, the last one included, at which it may come to allow what it did not."""
        offset = self.zone.utcoffset(after.astimezone(self.zone))
        if offset == self.zone.utcoffset(until.astimezone(self.zone)):
            yield from self._turns_by_steady_clocks(after, until, offset or timedelta())
        elif until - after > MINUTE:
            middle = after + (until - after) // MINUTE // 2 * MINUTE
            yield from self.turns(after, middle)
            yield from self.turns(middle, until)
        else:  # here the clocks change, and may show a time inside of it at once
            yield until

    def _turns_by_steady_clocks(self, after: datetime, until: datetime, offset: timedelta) -> Iterator[datetime]:
        today = (after + offset).date()
        for day in (today - DAY, today, today + DAY):
            begin = datetime.combine(day, self.begins, UTC) - offset
            turn = begin + self.lasts if self.closed else begin
            if after < turn <= until and self._begins_on(day):
                yield turn

    def _begins_on(self, day: date) -> bool:
        if self.first and self.last:
            return self.first <= day <= self.last
        return day.weekday() in self.days


def check_freeze(windows: Sequence[Window], now: datetime) -> Verdict:
    """Whether a run may write at this moment."""
    if not windows:
        return Verdict(gate=GATE, passed=True, reason="none are given")
    against = _against(windows, now)
    if not against:
        inside = [window for window in windows if window.holds(now)]
        return Verdict(gate=GATE, passed=True, reason=f"open at {_shown(now, (inside or windows)[0])}")
    opens = next_opening(windows, now)
    when = f"run again at {_shown(opens, against[0])}, when they open" if opens else (
        "they stay closed for six weeks or more: correct `freeze-windows`"
    )  # fmt: skip
    where = "inside" if against[0].closed else "outside"
    return Verdict(
        gate=GATE,
        passed=False,
        reason=f"{_shown(now, against[0])} is {where} of {_named(against)}",
        way_out=f"{when}; a dry run may run at any time",
    )


def next_opening(windows: Sequence[Window], now: datetime) -> datetime | None:
    """The first whole minute behind a closed moment at which nothing speaks against a run, in UTC; None when there is
    none in the next six weeks.
    """
    now = now.astimezone(UTC).replace(second=0, microsecond=0)
    for days in range(LOOK_AHEAD.days):
        after, until = now + days * DAY, now + (days + 1) * DAY
        for turn in sorted({turn for window in windows for turn in window.turns(after, until)}):
            if not _against(windows, turn):
                return turn
    return None


def parse_windows(text: str) -> tuple[Window, ...]:
    """The windows of an input, one a line or between semicolons; `#` begins a comment. Raises NotAWindow."""
    lines = (line.partition("#")[0] for line in text.split("\n"))
    windows = tuple(_window(part.split()) for line in lines for part in line.split(";") if part.strip())
    if not windows:
        raise NotAWindow("it names no window")
    return windows


def _against(windows: Sequence[Window], moment: datetime) -> Sequence[Window]:
    """The windows that speak against a moment: a closed one that holds it, or all the open ones when none does."""
    opened = [window for window in windows if not window.closed]
    if frozen := next((window for window in windows if window.closed and window.holds(moment)), None):
        return (frozen,)
    return () if any(window.holds(moment) for window in opened) else opened


def _named(windows: Sequence[Window]) -> str:
    more = f" and {len(windows) - MOST_TOLD} more" if len(windows) > MOST_TOLD else ""
    return ", ".join(f"`{window.text}`" for window in windows[:MOST_TOLD]) + more


def _shown(moment: datetime, window: Window) -> str:
    """`Tue 2026-11-24 17:12 Europe/Berlin`, by the clock of a window."""
    local = moment.astimezone(window.zone)
    return f"{DAYS[local.weekday()]} {local:%Y-%m-%d %H:%M} {window.zone.key}"


def _window(words: list[str]) -> Window:
    text = " ".join(words)
    if DASHES.search(text):
        raise NotAWindow(f"`{text}` has a dash in place of a hyphen")
    if len(words) > 4 and all(CRON.fullmatch(word) for word in words[:5]):
        raise NotAWindow(f"`{text}` looks like cron, which says when something begins and not how long it lasts")
    closed = words[0].lower() == "closed"
    if words[0].lower() in {"open", "closed"}:
        words = words[1:]
    if len(words) not in {2, 3}:
        raise NotAWindow(f"`{text}` is not a window: days, times and a time zone are wanted")
    dates = DATE.match(words[0])
    zone = _zone(words[-1], text)
    if len(words) == 2 and not dates:
        raise NotAWindow(f"`{text}` is not a window: the times are missing", "the whole day is 00:00-24:00")
    begins, lasts = _times(words[1], text) if len(words) == 3 else (time(), DAY)
    if dates:
        first, last = _dates(words[0], text)
        return Window(text=text, closed=closed, zone=zone, first=first, last=last, begins=begins, lasts=lasts)
    return Window(text=text, closed=closed, zone=zone, days=_days(words[0], text), begins=begins, lasts=lasts)


def _zone(name: str, text: str) -> ZoneInfo:
    """A zone of the IANA list. What lies beside them is refused: what it means differs from machine to machine."""
    try:
        if not NOT_OF_IANA.fullmatch(name):
            return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        pass
    raise NotAWindow(f"`{name}` in `{text}` is not a time zone", _zone_hint(name))


def _zone_hint(name: str) -> str:
    """For another case, for a place alone, and for a slip in a name with a place; others are too near to each other."""
    known = {zone.lower(): zone for zone in available_timezones() if not NOT_MEANT.match(zone)}
    small = name.lower()
    places = sorted(zone for zone in known if zone == small or zone.endswith(f"/{small}"))
    near = places or ("/" in name and get_close_matches(small, known, n=1, cutoff=0.8))
    return f"did you mean {known[near[0]]}?" if near else "write a name of the IANA list, such as Europe/Berlin or UTC"


def _days(word: str, text: str) -> frozenset[int]:
    """`Mon`, `Mon-Thu`, `Sat,Sun`, `Fri-Mon`, `daily`."""
    if word.lower() == DAILY:
        return frozenset(range(len(DAYS)))
    found: set[int] = set()
    for part in word.split(","):
        first, hyphen, last = part.partition("-")
        begin = _day(first, text)
        end = _day(last, text) if hyphen else begin
        found |= {day % len(DAYS) for day in range(begin, end + 1 if end >= begin else end + 1 + len(DAYS))}
    return frozenset(found)


def _day(word: str, text: str) -> int:
    if word.lower() not in map(str.lower, DAYS):
        raise NotAWindow(f"`{word}` in `{text}` is not a weekday", _day_hint(word.lower().rstrip(".")))
    return DAYS.index(word.capitalize())


def _day_hint(word: str) -> str:
    """What `Monday`, `mo`, `Mon.` or `weekend` is here."""
    meant = [DAYS[day] for day, name in enumerate(WEEKDAYS) if len(word) > 1 and name.startswith(word)]
    near = NEARLY.get(word) or (meant[0] if meant else "")
    return f"write {near}" if near else f"write {', '.join(DAYS)} or {DAILY}"


def _dates(word: str, text: str) -> tuple[date, date]:
    match = DATES.fullmatch(word)
    try:
        begin, end = (date.fromisoformat(day) for day in (match[1], match[2] or match[1])) if match else (None, None)
    except ValueError:  # as 2026-02-30
        begin = end = None
    if begin is None or end is None:
        raise NotAWindow(f"`{word}` in `{text}` is not a day, nor two with `..` between them")
    if end < begin:
        raise NotAWindow(f"`{word}` in `{text}` ends before it begins")
    return begin, end


def _times(word: str, text: str) -> tuple[time, timedelta]:
    """When it begins and how long it lasts; an end that is not later is one on the next day."""
    match = TIMES.fullmatch(word)
    numbers = [int(number) for number in match.groups()] if match else []
    if not numbers or numbers[0] > 23 or numbers[1] > 59 or numbers[3] > 59 or numbers[2] * 60 + numbers[3] > 24 * 60:
        raise NotAWindow(f"`{word}` in `{text}` is not a stretch of time such as 09:00-16:00")
    begin, end = (timedelta(hours=hours, minutes=minutes) for hours, minutes in (numbers[:2], numbers[2:]))
    if begin == end:
        raise NotAWindow(f"`{word}` in `{text}` has no length; the whole day is 00:00-24:00")
    return time(numbers[0], numbers[1]), end - begin if end > begin else end - begin + DAY
