"""Durations, from people and for people."""

from datetime import timedelta

import pytest

from runner.core.durations import in_words, milliseconds, parse_duration


@pytest.mark.parametrize(
    ("text", "duration"),
    [
        pytest.param("0", timedelta(), id="zero"),
        pytest.param("30", timedelta(seconds=30), id="number-alone-is-seconds"),
        pytest.param("250ms", timedelta(milliseconds=250), id="ms"),
        pytest.param("30s", timedelta(seconds=30), id="s"),
        pytest.param("30sec", timedelta(seconds=30), id="sec"),
        pytest.param("5m", timedelta(minutes=5), id="m"),
        pytest.param("5min", timedelta(minutes=5), id="min"),
        pytest.param("1h", timedelta(hours=1), id="h"),
        pytest.param(" 5 MIN ", timedelta(minutes=5), id="blanks-and-capitals"),
        pytest.param("2147483647ms", None, id="ten-digits"),
        pytest.param("2147483s", timedelta(seconds=2147483), id="the-longest-of-postgresql"),
        pytest.param("2147484s", None, id="longer-than-postgresql-can-hold"),
        pytest.param("", None, id="empty"),
        pytest.param("s", None, id="unit-alone"),
        pytest.param("-5s", None, id="negative"),
        pytest.param("1.5s", None, id="fraction"),
        pytest.param("5 minutes", None, id="unknown-unit"),
        pytest.param("1h30m", None, id="two-units"),
        pytest.param("٣s", None, id="digits-that-are-not-ascii"),
        pytest.param("5s\n5s", None, id="two-lines"),
    ],
)
def test_reads_durations(text: str, duration: timedelta | None) -> None:
    assert parse_duration(text) == duration


@pytest.mark.parametrize(
    ("duration", "count"),
    [(timedelta(), 0), (timedelta(microseconds=1600), 2), (timedelta(seconds=2), 2000), (timedelta(hours=1), 3600000)],
    ids=["zero", "rounded", "seconds", "hour"],
)
def test_counts_milliseconds(duration: timedelta, count: int) -> None:
    assert milliseconds(duration) == count


@pytest.mark.parametrize(
    ("duration", "words"),
    [
        (timedelta(), "0 ms"),
        (timedelta(milliseconds=340), "340 ms"),
        (timedelta(seconds=1), "1.0 s"),
        (timedelta(seconds=2.14), "2.1 s"),
        (timedelta(seconds=60), "1 min 00 s"),
        (timedelta(seconds=185), "3 min 05 s"),
        (timedelta(hours=2), "120 min 00 s"),
        (timedelta(microseconds=999_700), "1.0 s"),
        (timedelta(seconds=59.97), "1 min 00 s"),
    ],
    ids=["zero", "milliseconds", "one-second", "seconds", "one-minute", "minutes", "hours", "to-second", "to-minute"],
)
def test_tells_durations(duration: timedelta, words: str) -> None:
    assert in_words(duration) == words
