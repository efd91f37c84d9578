"""The version and the name of the next migration, in the form that the others of its folder have."""

import re
import unicodedata
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

from runner.core.naming import VersionOrder
from runner.errors import Finding, InputError

FIRST = "01"
CALENDAR = "%Y%m%d%H%M%S%f"  # 20 digits; a time stamp is as many of them as the set has
STEPS = {8: timedelta(days=1), 12: timedelta(minutes=1), 14: timedelta(seconds=1)} | {
    width: timedelta(seconds=1) / 10 ** (width - 14) for width in range(15, 21)
}  # digits of a time stamp → the least that two of them differ by
DAY, DAY_AND_COUNTER = 8, 10  # digits of 20260131 and of 2026013101
YEARS = range(1990, 2200)  # in which digits that look like a date are one
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EPOCH_DIVISIONS = {10: 1, 13: 10**3, 16: 10**6, 19: 10**9}  # digits of Unix time → parts of a second that it counts
EPOCH_START = "1"  # of Unix time until 2033; what begins with a 2 is a date
LONGEST_NAME, LONGEST_NAME_BYTES = 100, 200  # of 255 bytes that a file's name may have
NOT_IN_NAMES = re.compile(r"_+")


def next_version(versions: Collection[str], order: VersionOrder, now: datetime) -> str:
    """The version that follows those of a folder: one more, or `now` in UTC where they are time stamps; always behind
    the highest. Raises InputError when there is none of the same width.
    """
    if not versions:
        return FIRST
    highest = max(versions, key=order.key)
    taken = {int(version) for version in versions}
    candidate = _time_stamp(highest, now.astimezone(UTC)) or _counted(highest)
    while int(candidate) in taken:
        candidate = _counted(candidate)
    orders = [VersionOrder.NUMERIC, VersionOrder.TEXT] if order is VersionOrder.AUTO else [order]
    if not all(each.key(candidate) > each.key(highest) for each in orders):
        raise InputError(
            Finding(
                f"{highest} is the last version of {len(highest)} digits: as text, {candidate} sorts before it",
                hint="give `version-order: numeric`, here and in the workflows, and versions may grow longer",
            )
        )
    return candidate


def name_of(title: str) -> str:
    """`Add user roles!` → `add_user_roles`: what a file name says of a title. Letters of every script are kept.

    Raises InputError when nothing is left.
    """
    letters = unicodedata.normalize("NFC", unicodedata.normalize("NFC", title).lower())
    name = NOT_IN_NAMES.sub("_", "".join(letter if _in_names(letter) else "_" for letter in letters)).strip("_")
    name = name[:LONGEST_NAME].encode()[:LONGEST_NAME_BYTES].decode(errors="ignore").strip("_")
    if not name:
        raise InputError(Finding("the title has no letter to name a file by", hint='say it in words: "add user roles"'))
    return name


def _in_names(letter: str) -> bool:
    """Letters, the marks on them, and digits."""
    category = unicodedata.category(letter)
    return category[0] in "LM" or category == "Nd"


def _counted(version: str) -> str:
    return str(int(version) + 1).zfill(len(version))


def _time_stamp(highest: str, now: datetime) -> str | None:
    """The time, in the form of the highest version, and the next possible one where that is not behind it: of dates,
    the next day. None when the highest is no time stamp.
    """
    width = len(highest)
    if width in EPOCH_DIVISIONS and highest.startswith(EPOCH_START):
        ticks = (now - EPOCH) // timedelta(microseconds=1) * EPOCH_DIVISIONS[width] // 10**6
        return str(max(ticks, int(highest) + 1))
    if width == DAY_AND_COUNTER and _moment(highest[:DAY]):
        return max(f"{now:%Y%m%d}01", _counted(highest))
    if width in STEPS and (moment := _moment(highest)):
        stamp = now.strftime(CALENDAR)[:width]
        return stamp if stamp > highest else (moment + STEPS[width]).strftime(CALENDAR)[:width]
    return None


def _moment(digits: str) -> datetime | None:
    """The time that the digits write; None when they do not write one."""
    try:
        moment = datetime.strptime(digits.ljust(20, "0"), CALENDAR).replace(tzinfo=UTC)
    except ValueError:
        return None
    return moment if moment.year in YEARS and moment.strftime(CALENDAR).startswith(digits) else None
