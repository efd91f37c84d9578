"""When a look at the worker is worth a line, and what the line says."""

from dataclasses import replace
from datetime import timedelta

import pytest

from runner.core.progress import Progress
from runner.core.samples import Awaited, Narrator, Sample, session_of
from runner.core.steps import Session

READER = Session(pid=4711, application="reporting")
BUILDING = Sample(progress=Progress(work="building i", phase="scanning", done=0, total=100))
WAITING = Sample(
    awaited=Awaited(kind="relation", mode="AccessExclusiveLock", relation="t", waited=timedelta(seconds=1.2)),
    blockers=(READER,),
)


def narrated(*samples: tuple[float, Sample]) -> list[tuple[float, str]]:
    narrator = Narrator()
    return [(at, line) for at, sample in samples if (line := narrator.line(sample, at=at))]


def done(blocks: int) -> Sample:
    assert BUILDING.progress
    return replace(BUILDING, progress=replace(BUILDING.progress, done=blocks))


def test_an_idle_worker_is_not_worth_a_line() -> None:
    assert narrated(*((at, Sample()) for at in range(60))) == []


def test_tells_after_a_second_and_then_every_ten() -> None:
    assert [at for at, _ in narrated(*((at / 4, BUILDING) for at in range(100)))] == [1.0, 11.0, 21.0]


def test_what_is_over_within_a_second_is_not_told() -> None:
    assert narrated((0, WAITING), (0.9, WAITING), (1.1, Sample()), (2.0, WAITING), (2.9, WAITING)) == []


def test_the_ten_seconds_count_over_several_waits_as_well() -> None:
    first, second = [(at, WAITING) for at in (0, 1)], [(at, WAITING) for at in (3, 5, 10, 11)]
    assert [at for at, _ in narrated(*first, (2, Sample()), *second)] == [1, 11]


def test_says_what_the_worker_waits_for_and_who_is_in_the_way() -> None:
    [(_, line)] = narrated((0, WAITING), (1, WAITING))
    assert line == "waiting for ACCESS EXCLUSIVE on t, for 1.2 s so far; in the way: pid 4711, reporting"


def test_names_the_oldest_in_the_way_and_counts_the_others() -> None:
    many = replace(WAITING, blockers=(READER, Session(pid=2), Session(pid=3)))
    [(_, line)] = narrated((0, many), (1, many))
    assert line.endswith("; in the way: pid 4711, reporting; and 2 more")


def test_a_build_that_waits_says_for_whom() -> None:
    waiting = Progress(work="building i", phase="waiting for old snapshots", done=0, total=2)
    sample = replace(WAITING, progress=waiting)
    [(_, line)] = narrated((0, sample), (1, sample))
    assert line == "building i: waiting for old snapshots, 0 of 2 done; in the way: pid 4711, reporting"


def test_the_estimate_is_of_the_phase_and_not_of_what_was_before() -> None:
    assert BUILDING.progress
    before = Sample(progress=replace(BUILDING.progress, phase="another"))
    samples = [(0.0, before), (1.0, before), (100.0, done(0)), (111.0, done(50))]
    assert narrated(*samples)[-1] == (111.0, "building i: scanning, 50 %, about 11 s left of this phase")


def test_a_phase_that_begins_again_is_another() -> None:
    samples = [(0.0, done(50)), (11.0, done(90)), (12.0, done(10)), (22.0, done(20))]
    assert narrated(*samples)[-1] == (22.0, "building i: scanning, 20 %, about 1 min left of this phase")


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("relation", "SHARE UPDATE EXCLUSIVE on t"),
        ("tuple", "a row of t"),
        ("transactionid", "the end of another transaction"),
        ("virtualxid", "the end of another transaction"),
        ("advisory", "a lock (advisory)"),
    ],
)
def test_names_what_is_awaited(kind: str, text: str) -> None:
    assert str(Awaited(kind=kind, mode="ShareUpdateExclusiveLock", relation="t")) == text


def test_a_session_of_which_little_is_to_be_seen() -> None:
    row = {"pid": 4711, "application": "x", "role": None, "state": None, "age": None}
    assert session_of(row, "") == Session(pid=4711, application="x")
