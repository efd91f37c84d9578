"""Windows in which an environment may be migrated, by the clocks of their zones."""

import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import process_time
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from runner.core.model import Verdict
from runner.gates.freeze import DAYS, LOOK_AHEAD, NotAWindow, check_freeze, next_opening, parse_windows
from tests.builders import STEADY

BERLIN = "Europe/Berlin"
OFFICE = f"Mon-Thu 09:00-16:00 {BERLIN}"
HOLIDAYS = f"closed 2026-12-18..2027-01-04 {BERLIN}"
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


def at(text: str, zone: str = BERLIN, *, fold: int = 0) -> datetime:
    """A moment by a zone's clocks; `fold=1` is the second time that they show it."""
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone), fold=fold)


def verdict(windows: str, now: datetime) -> Verdict:
    found = check_freeze(parse_windows(windows) if windows else (), now)
    assert found.gate == "freeze windows"
    assert bool(found.way_out) is not found.passed
    return found


def allowed(windows: str, now: datetime) -> bool:
    return verdict(windows, now).passed


def opening(windows: str, now: datetime) -> datetime | None:
    return next_opening(parse_windows(windows), now)


def problem(text: str) -> tuple[str, str]:
    """What a text is refused for, and the hint."""
    with pytest.raises(NotAWindow) as caught:
        parse_windows(text)
    return str(caught.value), caught.value.hint


# What is open


def test_nothing_is_closed_where_no_window_is_given() -> None:
    assert verdict("", at("2026-11-22 03:00")).reason == "none are given"


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ("2026-11-24 08:59:59.999999", False),  # a Tuesday
        ("2026-11-24 09:00", True),
        ("2026-11-24 15:59:59.999999", True),
        ("2026-11-24 16:00", False),
        ("2026-11-26 12:00", True),
        ("2026-11-27 12:00", False),
        ("2026-11-29 12:00", False),
        ("2026-11-30 12:00", True),
    ],
)
def test_a_window_holds_its_first_moment_and_not_its_last(now: str, passes: bool) -> None:
    assert allowed(OFFICE, at(now)) is passes


@pytest.mark.parametrize(
    ("days", "open_on"),
    [
        ("Mon", "Mon"),
        ("Mon-Thu", "Mon Tue Wed Thu"),
        ("Sat,Sun", "Sat Sun"),
        ("Fri-Mon", "Mon Fri Sat Sun"),
        ("Sun-Mon", "Mon Sun"),
        ("Wed-Wed", "Wed"),
        ("Mon-Sun", "Mon Tue Wed Thu Fri Sat Sun"),
        ("Tue-Mon", "Mon Tue Wed Thu Fri Sat Sun"),
        ("Mon,Wed-Thu,Sun", "Mon Wed Thu Sun"),
        ("Mon,Mon-Tue,Tue", "Mon Tue"),
        ("daily", "Mon Tue Wed Thu Fri Sat Sun"),
        ("mon,TUE", "Mon Tue"),
        ("Daily", "Mon Tue Wed Thu Fri Sat Sun"),
    ],
)
def test_days_of_the_week(days: str, open_on: str) -> None:
    monday = at("2026-11-23 12:00")
    found = [day for number, day in enumerate(DAYS) if allowed(f"{days} 09:00-16:00 {BERLIN}", monday + number * DAY)]
    assert found == open_on.split()


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ("2026-11-27 21:59", False),
        ("2026-11-27 22:00", True),  # a Friday
        ("2026-11-27 23:59", True),
        ("2026-11-28 00:00", True),
        ("2026-11-28 01:59", True),
        ("2026-11-28 02:00", False),
        ("2026-11-27 01:00", False),  # it would belong to Thursday
        ("2026-11-28 22:30", False),
    ],
)
def test_a_window_that_passes_midnight_belongs_to_the_day_on_which_it_begins(now: str, passes: bool) -> None:
    assert allowed(f"Fri 22:00-02:00 {BERLIN}", at(now)) is passes


def test_midnight_ends_a_day_however_it_is_written() -> None:
    for end in ("24:00", "00:00"):
        window = f"Fri 22:00-{end} {BERLIN}"
        assert [allowed(window, at(now)) for now in ("2026-11-27 23:59", "2026-11-28 00:00")] == [True, False]


def test_a_whole_day() -> None:
    window = f"Fri 00:00-24:00 {BERLIN}"
    moments = ("2026-11-26 23:59", "2026-11-27 00:00", "2026-11-27 23:59", "2026-11-28 00:00")
    assert [allowed(window, at(now)) for now in moments] == [False, True, True, False]


@pytest.mark.parametrize(
    ("now", "passes"),
    [
        ("2026-12-17 23:59", True),
        ("2026-12-18 00:00", False),
        ("2026-12-31 23:59", False),
        ("2027-01-01 00:00", False),
        ("2027-01-04 23:59", False),
        ("2027-01-05 00:00", True),
    ],
)
def test_a_row_of_days_is_closed_from_its_first_to_its_last_over_the_end_of_a_year(now: str, passes: bool) -> None:
    assert allowed(HOLIDAYS, at(now)) is passes


def test_one_day_of_the_calendar() -> None:
    moments = ("2028-02-28 23:59", "2028-02-29 00:00", "2028-02-29 23:59", "2028-03-01 00:00")
    assert [allowed(f"closed 2028-02-29 {BERLIN}", at(now)) for now in moments] == [True, False, False, True]


def test_days_with_times_mean_those_times_on_each_day() -> None:
    window = f"closed 2026-12-18..2026-12-20 22:00-06:00 {BERLIN}"
    closed = ("2026-12-18 22:00", "2026-12-19 05:59", "2026-12-19 23:00", "2026-12-21 05:59")
    opened = ("2026-12-18 05:00", "2026-12-18 21:59", "2026-12-19 06:00", "2026-12-20 12:00", "2026-12-21 06:00")
    assert [allowed(window, at(now)) for now in closed] == [False] * 4
    assert [allowed(window, at(now)) for now in opened] == [True] * 5


def test_closed_windows_alone_leave_everything_else_open() -> None:
    window = f"closed Fri 12:00-24:00 {BERLIN}; closed Sat,Sun 00:00-24:00 {BERLIN}"
    assert allowed(window, at("2026-11-27 11:59"))
    assert not allowed(window, at("2026-11-27 12:00"))
    assert not allowed(window, at("2026-11-29 23:59"))
    assert allowed(window, at("2026-11-30 00:00"))


def test_one_of_several_open_windows_is_enough() -> None:
    windows = f"Mon 09:00-10:00 {BERLIN}\nTue 09:00-10:00 America/New_York"
    assert allowed(windows, at("2026-11-23 09:30"))
    assert not allowed(windows, at("2026-11-24 09:30"))
    assert allowed(windows, at("2026-11-24 09:30", "America/New_York"))


def test_a_closed_window_takes_from_an_open_one_in_whatever_order_they_are_written() -> None:
    for windows in (f"{OFFICE}; closed 2026-11-24 {BERLIN}", f"closed 2026-11-24 {BERLIN}; {OFFICE}"):
        assert [allowed(windows, at(f"2026-11-{day} 12:00")) for day in (23, 24, 25)] == [True, False, True]


def test_the_zone_of_the_moment_does_not_matter() -> None:
    for zone in ("UTC", "America/New_York", "Pacific/Kiritimati", "Asia/Kathmandu"):
        assert allowed(OFFICE, at("2026-11-24 09:00").astimezone(ZoneInfo(zone)))
        assert not allowed(OFFICE, (at("2026-11-24 09:00") - MINUTE).astimezone(ZoneInfo(zone)))


# When the clocks change: https://data.iana.org/time-zones/tzdb/europe


@pytest.mark.parametrize(
    ("window", "opens", "closes"),
    [
        pytest.param("02:30-04:00", "01:00", "02:00", id="begins-in-the-missing-hour"),
        pytest.param("01:00-02:30", "00:00", "01:00", id="ends-in-the-missing-hour"),
        pytest.param("01:00-04:00", "00:00", "02:00", id="around-the-missing-hour"),
        pytest.param("03:00-04:00", "01:00", "02:00", id="begins-behind-it"),
    ],
)
def test_in_spring_what_the_clocks_skip_is_cut_out(window: str, opens: str, closes: str) -> None:
    windows = f"Sun {window} {BERLIN}"
    begin, end = at(f"2026-03-29 {opens}", "UTC"), at(f"2026-03-29 {closes}", "UTC")
    moments = (begin - MINUTE, begin, end - MINUTE, end)
    assert [allowed(windows, moment) for moment in moments] == [False, True, True, False]
    assert opening(windows, at("2026-03-28 12:00", "UTC")) == begin


def test_in_spring_a_window_inside_of_the_missing_hour_does_not_come() -> None:
    windows = f"Sun 02:10-02:50 {BERLIN}"
    night = at("2026-03-28 22:00", "UTC")
    assert not any(allowed(windows, night + minute * MINUTE) for minute in range(8 * 60))
    assert opening(windows, night) == at("2026-04-05 00:10", "UTC")  # a week later
    assert allowed(f"closed Sun 02:00-03:00 {BERLIN}", at("2026-03-29 01:00", "UTC"))


def test_in_autumn_a_window_in_the_doubled_hour_comes_twice() -> None:
    windows = f"Sun 02:10-02:50 {BERLIN}"
    first, second = at("2026-10-25 00:10", "UTC"), at("2026-10-25 01:10", "UTC")
    assert first == at("2026-10-25 02:10").astimezone(UTC)
    assert second == at("2026-10-25 02:10", fold=1).astimezone(UTC)
    for begin in (first, second):
        moments = (begin - MINUTE, begin, begin + 39 * MINUTE, begin + 40 * MINUTE)
        assert [allowed(windows, moment) for moment in moments] == [False, True, True, False]
    assert opening(windows, first - MINUTE) == first
    assert opening(windows, first + 40 * MINUTE) == second


def test_in_autumn_a_window_around_the_doubled_hour_is_an_hour_longer() -> None:
    held = sum(
        allowed(f"Sun 01:00-04:00 {BERLIN}", at("2026-10-24 20:00", "UTC") + minute * MINUTE)
        for minute in range(12 * 60)
    )
    assert held == 4 * 60


def test_in_autumn_the_clocks_going_back_may_open_what_was_closed() -> None:
    windows = f"closed daily 02:30-09:00 {BERLIN}"
    assert opening(windows, at("2026-10-25 00:40", "UTC")) == at("2026-10-25 01:00", "UTC")
    assert opening(windows, at("2026-10-25 00:40:30.5", "UTC")) == at("2026-10-25 01:00", "UTC")


def test_in_spring_the_clocks_going_on_may_open_what_was_closed() -> None:
    windows = f"closed daily 00:00-02:30 {BERLIN}"
    assert opening(windows, at("2026-03-29 00:40", "UTC")) == at("2026-03-29 01:00", "UTC")
    assert opening(windows, at("2026-03-29 00:40:30.5", "UTC")) == at("2026-03-29 01:00", "UTC")


# What it says


def test_tells_when_it_is_open() -> None:
    assert verdict(OFFICE, at("2026-11-24 10:12", BERLIN)).reason == "open at Tue 2026-11-24 10:12 Europe/Berlin"


def test_tells_which_window_speaks_against_it_and_when_to_come_again() -> None:
    found = verdict(OFFICE, at("2026-11-26 17:12"))
    assert found.reason == f"Thu 2026-11-26 17:12 Europe/Berlin is outside of `{OFFICE}`"
    assert found.way_out == (
        "run again at Mon 2026-11-30 09:00 Europe/Berlin, when they open; a dry run may run at any time"
    )


def test_tells_a_closed_window_by_its_own_clock_though_another_stands_before_it() -> None:
    found = verdict("daily 00:00-24:00 UTC; closed 2026-11-24 America/New_York", at("2026-11-24 12:00", "UTC"))
    assert found.reason == "Tue 2026-11-24 07:00 America/New_York is inside of `closed 2026-11-24 America/New_York`"
    assert "at Wed 2026-11-25 00:00 America/New_York," in found.way_out


def test_tells_an_open_moment_by_the_clock_of_the_window_that_holds_it() -> None:
    found = verdict(f"{OFFICE}; Tue 18:00-20:00 America/New_York", at("2026-11-24 23:30", "UTC"))
    assert found.reason == "open at Tue 2026-11-24 18:30 America/New_York"


def test_the_next_opening_is_behind_all_that_is_closed() -> None:
    found = verdict(f"{OFFICE}; {HOLIDAYS}", at("2026-12-18 12:00"))
    assert "at Tue 2027-01-05 09:00 Europe/Berlin," in found.way_out


def test_names_three_windows_and_counts_the_rest() -> None:
    windows = "; ".join(f"Mon {hour:02}:00-{hour:02}:30 UTC" for hour in range(20))
    assert verdict(windows, at("2026-11-24 12:00", "UTC")).reason == (
        "Tue 2026-11-24 12:00 UTC is outside of "
        "`Mon 00:00-00:30 UTC`, `Mon 01:00-01:30 UTC`, `Mon 02:00-02:30 UTC` and 17 more"
    )


@pytest.mark.parametrize(
    "windows",
    ["2020-01-01 UTC", "closed daily 00:00-24:00 UTC", f"{OFFICE}; closed Mon-Thu 08:00-18:00 {BERLIN}"],
)
def test_tells_windows_that_do_not_open(windows: str) -> None:
    assert verdict(windows, at("2026-11-24 12:00", "UTC")).way_out == (
        "they stay closed for six weeks or more: correct `freeze-windows`; a dry run may run at any time"
    )
    assert opening(windows, at("2026-11-24 12:00", "UTC")) is None


def test_looks_six_weeks_ahead() -> None:
    now = at("2026-11-24 12:00", "UTC")
    assert opening("2027-01-05 12:00-13:00 UTC", now) == now + LOOK_AHEAD
    assert opening("2027-01-05 12:01-13:00 UTC", now) is None


def test_many_windows_that_never_open_cost_little() -> None:
    windows = "; ".join(f"closed daily {hour:02}:{hour:02}-{hour + 1:02}:59 {BERLIN}" for hour in range(19))
    begun = process_time()
    assert opening(f"{windows}; closed daily 00:00-24:00 America/New_York", at("2026-10-01 12:00")) is None
    assert process_time() - begun < 1  # seconds; a walk over each minute takes ten times as long


# How it is written


def test_windows_stand_on_lines_or_between_semicolons_with_comments() -> None:
    text = (
        f"\n  # the office; not the weekend\r\n{OFFICE}  # four days; no Friday\r\n\n"
        f" ;{HOLIDAYS};;open Sat 9:00-12:00 UTC"
    )
    assert [window.text for window in parse_windows(text)] == [OFFICE, HOLIDAYS, "open Sat 9:00-12:00 UTC"]


def test_blanks_and_capitals_do_not_matter() -> None:
    assert parse_windows(" CLOSED\t sat  00:00-24:00  UTC ")[0].text == "CLOSED sat 00:00-24:00 UTC"
    assert parse_windows("CLOSED sat 00:00-24:00 UTC")[0].closed
    assert parse_windows("Open sat 00:00-24:00 UTC")[0].closed is False


@pytest.mark.parametrize("text", ["", " ", ";", "\n", "# none", " ;\n; # Mon 09:00-16:00 UTC"])
def test_refuses_a_text_without_a_window(text: str) -> None:
    assert problem(text)[0] == "it names no window"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("europe/berlin", "did you mean Europe/Berlin?"),
        ("Berlin", "did you mean Europe/Berlin?"),
        ("Europe/Berln", "did you mean Europe/Berlin?"),
        ("Europe/München", ""),
        ("new_york", "did you mean America/New_York?"),
        ("utc", "did you mean UTC?"),
        ("UTC+1", ""),
        ("GMT+2", ""),
        ("CEST", ""),
        ("+02:00", ""),
        ("Europe", ""),
        ("../../etc/passwd", ""),
        ("/etc/passwd", ""),
        ("/usr/share/zoneinfo/UTC", ""),
        ("Europe/../UTC", ""),
        ("Europe/Berlin/", "did you mean Europe/Berlin?"),
        ("./UTC", ""),
        ("localtime", ""),
        ("posixrules", ""),
        ("Factory", ""),
        ("posix/Europe/Berlin", None),
        ("right/Europe/Berlin", None),
        ("tzdata.zi", ""),
        ("__init__.py", ""),
        ("Europe/Berlin\0", None),
        ("x" * 5000, ""),
        ("..", ""),
    ],
)
def test_refuses_what_is_no_zone_of_the_iana_list(name: str, hint: str | None) -> None:
    said, found = problem(f"Mon 09:00-16:00 {name}")
    assert said == f"`{name}` in `Mon 09:00-16:00 {name}` is not a time zone"
    assert hint is None or found == (hint or "write a name of the IANA list, such as Europe/Berlin or UTC")


@pytest.mark.parametrize(
    ("days", "word", "hint"),
    [
        ("Monday", "Monday", "write Mon"),
        ("mo", "mo", "write Mon"),
        ("Mo.", "Mo.", "write Mon"),
        ("Mon.", "Mon.", "write Mon"),
        ("Thurs", "Thurs", "write Thu"),
        ("Mon-Thursday", "Thursday", "write Thu"),
        ("weekdays", "weekdays", "write Mon-Fri"),
        ("weekend", "weekend", "write Sat,Sun"),
        ("everyday", "everyday", "write daily"),
        ("*", "*", "write daily"),
        ("Do", "Do", ""),
        ("T", "T", ""),
        ("1-4", "1", ""),
        ("Mon-", "", ""),
        ("-Mon", "", ""),
        ("Mon,,Tue", "", ""),
        ("Mon,", "", ""),
        ("Mon--Thu", "-Thu", ""),
        ("Mon-Wed-Fri", "Wed-Fri", ""),
        ("Mon/Tue", "Mon/Tue", ""),
        ("Mon,daily", "daily", ""),
        ("ſat", "ſat", ""),
    ],
)
def test_refuses_what_is_no_weekday_and_says_what_may_be_meant(days: str, word: str, hint: str) -> None:
    said, found = problem(f"{days} 09:00-16:00 UTC")
    assert said == f"`{word}` in `{days} 09:00-16:00 UTC` is not a weekday"
    assert found == (hint or "write Mon, Tue, Wed, Thu, Fri, Sat, Sun or daily")


@pytest.mark.parametrize(
    "times",
    ["09:00", "9-17", "09:00-", "-16:00", "09:00-16:00-17:00", "9am-5pm", "24:00-25:00", "24:00-02:00", "09:60-10:00",
     "09:00-10:60", "09:00-24:01", "09:00-25:00", "099:00-16:00", "09:0-16:00", "09:00:00-16:00:00", "0９:00-16:00",
     "٠٩:٠٠-١٦:٠٠", "09.00-16.00", "+9:00-16:00"],
)  # fmt: skip
def test_refuses_what_is_no_stretch_of_time(times: str) -> None:
    text = f"Mon {times} UTC"
    assert problem(text)[0] == f"`{times}` in `{text}` is not a stretch of time such as 09:00-16:00"


@pytest.mark.parametrize("times", ["09:00-09:00", "00:00-00:00", "9:00-09:00"])
def test_refuses_a_window_without_length(times: str) -> None:
    assert problem(f"Mon {times} UTC")[0].endswith("has no length; the whole day is 00:00-24:00")


@pytest.mark.parametrize(
    "days",
    ["2026-02-30", "2026-02-29", "2026-13-01", "2026-00-01", "0000-01-01", "2026-12-18..", "2026-12-18.",
     "2026-12-18...2027-01-04", "2026-12-18-2027-01-04", "2026-12-18..2027-01-04..2027-02-01", "2026-12-18..2026-W53-5",
     "2026-12-18..20270104", "2026-12-18,2026-12-19", "2026-12-18..Mon", "2026-12-18T00:00"],
)  # fmt: skip
def test_refuses_what_is_no_day_of_the_calendar(days: str) -> None:
    text = f"closed {days} UTC"
    assert problem(text)[0] == f"`{days}` in `{text}` is not a day, nor two with `..` between them"


def test_refuses_days_that_end_before_they_begin() -> None:
    text = "closed 2027-01-04..2026-12-18 UTC"
    assert problem(text)[0] == f"`2027-01-04..2026-12-18` in `{text}` ends before it begins"


@pytest.mark.parametrize(
    "text", [f"Mon–Thu 09:00-16:00 {BERLIN}", f"Mon-Thu 09:00—16:00 {BERLIN}", "closed 2026‑12‑18 UTC"]
)
def test_refuses_a_dash_that_only_looks_like_a_hyphen(text: str) -> None:
    assert problem(text)[0] == f"`{text}` has a dash in place of a hyphen"


@pytest.mark.parametrize("text", ["0 9 * * 1-4", f"0 9 * * 1-4 {BERLIN}", f"*/5 9-16 * * 1,2 {BERLIN}", "* * * * *"])
def test_refuses_cron_and_says_why(text: str) -> None:
    said, hint = problem(text)
    assert said == f"`{text}` looks like cron, which says when something begins and not how long it lasts"
    assert "Mon-Thu 09:00-16:00" in hint


@pytest.mark.parametrize(
    "text",
    ["Mon", "closed", "open", "Mon 09:00 - 16:00 UTC", "open closed Mon 09:00-10:00 UTC", "Mon Tue 9:00-10:00 UTC"],
)
def test_refuses_what_has_too_few_or_too_many_words(text: str) -> None:
    assert problem(text)[0] == f"`{text}` is not a window: days, times and a time zone are wanted"


def test_refuses_days_of_the_week_without_times_and_says_how_to_write_the_whole_day() -> None:
    assert problem("closed Sat,Sun UTC") == (
        "`closed Sat,Sun UTC` is not a window: the times are missing",
        "the whole day is 00:00-24:00",
    )


def test_refuses_a_window_without_a_zone_or_without_days() -> None:
    assert problem("Mon-Thu 09:00-16:00")[0] == "`09:00-16:00` in `Mon-Thu 09:00-16:00` is not a time zone"
    assert "the times are missing" in problem("09:00-16:00 UTC")[0]


def test_one_wrong_window_among_many_is_named() -> None:
    assert problem(f"{OFFICE}; Frei 09:00-10:00 UTC; {HOLIDAYS}")[0].startswith("`Frei` in `Frei 09:00-10:00 UTC`")


WORDS = ("Mon", "Fri-Mon", "daily", "closed", "open", "09:00-16:00", "22:00-02:00", "2026-12-18",
         "2026-12-18..2027-01-04", "UTC", BERLIN, ";", "\n", "#", "-", "..", "24:00", "*", "0")  # fmt: skip


@given(st.text(max_size=60) | st.lists(st.sampled_from(WORDS), max_size=9).map(" ".join))
@STEADY
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        windows = parse_windows(text)
    except NotAWindow as wrong:
        said = (str(wrong), wrong.hint)
    else:
        assert parse_windows("\n".join(window.text for window in windows)) == windows
        said = ("read", "")
    assert said[0]
    assert said[1] or said[0] == "read"


def test_every_example_of_the_page_is_a_window() -> None:
    page = (Path(__file__).parents[2] / "docs" / "freeze.md").read_text()
    blocks = re.findall(r"```yaml\n +freeze-windows: \|\n(.*?)```", page, re.DOTALL)
    assert [len(parse_windows(block)) for block in blocks] == [2, 3]


# Against a naive walk over the minutes

ZONES = ("UTC", BERLIN, "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Pacific/Chatham",
         "Africa/Casablanca", "America/St_Johns", "Pacific/Apia", "America/Santiago")  # fmt: skip
STARTS = st.sampled_from(  # shortly before the clocks change somewhere, a year ends, or nothing happens
    ["2026-03-28", "2026-10-24", "2026-03-07", "2026-10-31", "2026-04-04", "2026-10-03", "2026-12-31", "2028-02-28",
     "2026-06-10", "2011-12-29", "2026-09-05", "2026-02-14"]
).map(lambda day: at(f"{day} 06:00", "UTC"))  # fmt: skip
TWO_DAYS = 2 * 24 * 60  # minutes


class OnTheWall(NamedTuple):
    """A window by what a clock on the wall shows: the day, and the minute of it."""

    text: str
    closed: bool
    zone: ZoneInfo
    days: frozenset[int] | frozenset[date]  # of the week, or of the calendar
    begin: int
    end: int

    def holds(self, moment: datetime) -> bool:
        local = moment.astimezone(self.zone)
        minute, today = local.hour * 60 + local.minute, local.date()
        if self.begin < self.end:
            return self._on(today) and self.begin <= minute < self.end
        return (self._on(today) and minute >= self.begin) or (self._on(today - DAY) and minute < self.end)

    def _on(self, day: date) -> bool:
        return day in self.days or day.weekday() in self.days


@st.composite
def windows_on_the_wall(draw: st.DrawFn) -> OnTheWall:
    closed, zone = draw(st.booleans()), draw(st.sampled_from(ZONES))
    begin = draw(st.integers(0, 24 * 60 - 1))
    end = draw(st.integers(1, 24 * 60).filter(lambda end: end != begin))
    times = f"{begin // 60:02}:{begin % 60:02}-{end // 60:02}:{end % 60:02}"
    days: frozenset[int] | frozenset[date]
    if draw(st.booleans()):
        days = numbers = draw(st.frozensets(st.integers(0, 6), min_size=1))
        written = ",".join(DAYS[number] for number in sorted(numbers))
    else:
        first, count = draw(STARTS).date() + draw(st.integers(0, 2)) * DAY, draw(st.integers(1, 3))
        days = frozenset(first + number * DAY for number in range(count))
        written = f"{first}..{first + (count - 1) * DAY}"
    text = f"{'closed ' if closed else ''}{written} {times} {zone}"
    return OnTheWall(text, closed, ZoneInfo(zone), days, begin, end)


@given(window=windows_on_the_wall(), start=STARTS)
@STEADY
def test_a_window_holds_the_minutes_that_a_walk_over_them_says(window: OnTheWall, start: datetime) -> None:
    (parsed,) = parse_windows(window.text)
    for minute in range(TWO_DAYS):
        moment = start + minute * MINUTE
        assert parsed.holds(moment) is window.holds(moment), moment.astimezone(window.zone)


@given(windows=st.lists(windows_on_the_wall(), min_size=1, max_size=4), start=STARTS)
@STEADY
def test_the_next_opening_is_the_one_that_a_walk_over_the_minutes_finds(
    windows: list[OnTheWall], start: datetime
) -> None:
    def shut(moment: datetime) -> bool:
        opened = [window.holds(moment) for window in windows if not window.closed]
        frozen = any(window.holds(moment) for window in windows if window.closed)
        return frozen or (bool(opened) and not any(opened))

    parsed = parse_windows("\n".join(window.text for window in windows))
    was = [shut(start + minute * MINUTE) for minute in range(TWO_DAYS)]
    begins = next((minute for minute in range(TWO_DAYS) if was[minute]), None)
    opens = next((minute for minute in range(begins or 0, TWO_DAYS) if not was[minute]), None)
    event(f"shut: {begins is not None}, opens: {opens is not None}")
    if begins is not None and opens is not None:
        for now in (begins * MINUTE, (opens - 1) * MINUTE + timedelta(seconds=59.9)):
            assert next_opening(parsed, start + now) == start + opens * MINUTE
    elif begins is not None:
        assert (next_opening(parsed, start + begins * MINUTE) or datetime.max.replace(tzinfo=UTC)) >= start + 2 * DAY
