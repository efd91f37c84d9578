"""Where the time went, as the source of a picture. That Mermaid draws it is tested in tests/test_pictures.py."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest

from runner.core.model import Report, StageResult, StageState
from runner.core.steps import StepResult, Undoing
from runner.core.timeline import MOST, timeline
from runner.secrets import Scrubber
from tests.builders import a_migration, a_report, a_step


def a_stage(name: str, started: float, seconds: float, state: StageState = StageState.OK) -> StageResult:
    return StageResult(
        name=name, state=state, note="", started=timedelta(seconds=started), duration=timedelta(seconds=seconds)
    )


def a_timed_step(version: int, started: float, seconds: float, **others: Any) -> StepResult:
    return a_step(version, started=timedelta(seconds=started), duration=timedelta(seconds=seconds), **others)


def source(*stages: StageResult, steps: Sequence[StepResult] = (), **others: Any) -> str:
    """Without what is in front of each name."""
    return drawn(a_report(stages=stages, steps=steps, **others))


def drawn(report: Report) -> str:
    return timeline(report, str).replace("\u200b", "")


def bars(text: str) -> list[str]:
    return [line.strip().partition(" :")[0] for line in text.splitlines() if ", " in line and " :" in line]


CONNECT, APPLY = a_stage("connect", 0.003, 0.021), a_stage("apply", 0.024, 1.34)


def test_stages_and_migrations_stand_where_they_were_and_are_as_long_as_they_took() -> None:
    assert source(CONNECT, APPLY, steps=[a_timed_step(1, 0.024, 1), a_timed_step(2, 1.024, 0.25)]) == (
        "gantt\n"
        "    dateFormat YYYY-MM-DD HH:mm:ss.SSS\n"
        "    axisFormat %-S.%L s\n"
        "    todayMarker off\n"
        "    section Stages\n"
        "    connect · 21 ms :2000-01-01 00:00:00.000, 21ms\n"
        "    apply · 1.3 s :2000-01-01 00:00:00.021, 1340ms\n"
        "    section Migrations\n"
        "    01 example · 1.0 s :2000-01-01 00:00:00.021, 1000ms\n"
        "    02 example · 250 ms :2000-01-01 00:00:01.021, 250ms"
    )


def test_the_picture_begins_with_the_first_that_is_drawn_however_long_the_start_took() -> None:
    soon, late = (
        source(
            a_stage("files", after, 0.0002),
            a_stage("connect", after + 0.001, 0.02),
            a_stage("apply", after + 0.021, 3, StageState.FAILED),
            steps=[a_timed_step(1, after + 0.021, 1), a_timed_step(2, after + 1.021, 2, failure="x")],
            undoing=Undoing(steps=(a_timed_step(1, after + 3.021, 4),)),
        )
        for after in (0, 0.6)
    )
    assert soon == late
    assert "connect · 20 ms :2000-01-01 00:00:00.000, 20ms" in late


def test_what_failed_is_marked_by_more_than_a_colour() -> None:
    text = source(
        CONNECT,
        a_stage("apply", 1, 3, StageState.FAILED),
        steps=[a_timed_step(1, 1, 1), a_timed_step(2, 2, 2, failure="x")],
    )
    assert "    ✘ apply · 3.0 s :crit, 2000" in text
    assert "    ✘ 02 example · 2.0 s :crit, 2000" in text
    assert text.count("✘") == text.count("crit") == 2


def test_what_failed_at_once_is_drawn_and_what_was_skipped_is_not() -> None:
    text = source(CONNECT, APPLY, a_stage("backup", 1, 0, StageState.SKIPPED), a_stage("tag", 1, 0, StageState.FAILED))
    assert bars(text) == ["connect · 21 ms", "apply · 1.3 s", "✘ tag · 0 ms"]


def test_what_was_undone_has_a_section_of_its_own() -> None:
    undoing = Undoing(steps=(a_timed_step(2, 2, 0.5), a_timed_step(1, 2.5, 0.5, failure="x")))
    text = source(APPLY, steps=[a_timed_step(1, 0, 1), a_timed_step(2, 1, 1)], undoing=undoing)
    assert bars(text.partition("section Undone")[2]) == ["↩️ 02 example · 500 ms", "✘ 01 example · 500 ms"]


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param([], id="nothing"),
        pytest.param([a_stage("apply", 0, 30)], id="one-stage"),
        pytest.param([a_stage("apply", 0, 30), a_stage("files", 0, 0.0001)], id="one-that-took-time"),
        pytest.param([a_stage("files", 0, 0.02), a_stage("connect", 0.02, 0.979)], id="over-before-anybody-looks"),
        pytest.param(
            [a_stage("connect", 0.554, 0.02), a_stage("tag", 0.574, 0, StageState.FAILED)], id="refused-at-once"
        ),
        pytest.param([a_stage("files", 20, 0.02), a_stage("connect", 20.02, 0.2)], id="short-after-a-long-start"),
    ],
)
def test_there_is_no_picture_where_it_would_tell_nothing(stages: Sequence[StageResult]) -> None:
    assert source(*stages) == ""


@pytest.mark.parametrize(
    ("seconds", "axis"),
    [
        (1, "%-S.%L s"),
        (9.999, "%-S.%L s"),
        (10, "%-S s"),
        (60, "%-M:%S min"),
        (3600, "%-H:%M h"),
        (2 * 24 * 3600, "%-H:%M h"),
    ],
)
def test_the_axis_counts_in_what_the_run_took(seconds: float, axis: str) -> None:
    assert f"    axisFormat {axis}\n" in source(a_stage("files", 5, 0.003), a_stage("apply", 5, seconds))


def test_a_run_of_days_goes_on() -> None:
    assert ":2000-01-03 02:00:00.000, 1000ms" in source(a_stage("apply", 0, 3), a_stage("verify", 50 * 3600, 1))


def test_of_many_the_longest_and_what_failed_are_drawn_in_their_order_and_the_others_counted() -> None:
    steps = [a_timed_step(version, version, 0.01 * version) for version in range(1, 100)]
    steps[49] = a_timed_step(50, 50, 0.001, failure="x")
    found = bars(source(APPLY, steps=steps))
    assert [bar.partition(" example")[0] for bar in found[1:-1]] == ["✘ 50", *map(str, range(89, 100))]
    assert found[-1] == "… and 87 shorter · 38.7 s"


def test_equal_ones_are_not_drawn_beyond_the_limit() -> None:
    assert len(bars(source(APPLY, steps=[a_timed_step(1, 0, 1)] * 100))) == 1 + MOST + 1


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a:b;c#d", "a#58;b#59;c#35;d"),
        ("%%{init: {}}%%", "#37;#37;#123;init#58; #123;#125;#125;#37;#37;"),
        ("a\nsection b\r\n\tc", "a section b c"),
        ("<b>'\"`", "#60;b#62;#39;#34;#96;"),
        ("\u202eabc\u0007", "abc"),
        ("größer, 東京 (2/3)", "größer, 東京 (2/3)"),
        ("x" * 100, f"{'x' * 59}#8230;"),
    ],
)
def test_a_name_is_text_on_one_line(name: str, shown: str) -> None:
    assert bars(source(APPLY, a_stage(name, 2, 1)))[1] == f"{shown} · 1.0 s"


def test_no_name_begins_a_line() -> None:
    text = timeline(a_report(stages=[a_stage("title", 0, 1), APPLY], steps=[a_timed_step(1, 0, 1)]), str)
    assert [line for line in text.splitlines() if " :2" in line and not line.startswith("    \u200b")] == []


def test_a_secret_is_hidden_before_it_is_written_in_codes() -> None:
    migration = a_migration(1, sql="-- Migration: p@ss#1 leaks\nSELECT 1;\n")
    text = timeline(a_report(stages=[APPLY], steps=[a_step(migration)]), Scrubber(["p@ss#1"]))
    assert "01 #42;#42;#42; leaks" in text
