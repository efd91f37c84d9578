"""What is kept of runs, and how one is told as it goes on."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runner.api.events import all_seen, events, last_seen
from runner.api.limits import Bucket
from runner.api.log import Kind, Log, read
from runner.api.runs import KEPT_RUNS, Closing, Ended, Run, Runs
from tests.api.conftest import Event, events_of

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


LINE = len(json.dumps({"line": ""}))  # characters of an empty one


def lines(log: Log, seen: int = 0) -> list[tuple[int, str]]:
    """The lines that a log has kept, with their numbers."""
    return [(number, json.loads(told.data)["line"]) for number, told in log.since(seen)]


def test_a_log_forgets_the_oldest_events_and_keeps_their_numbers() -> None:
    log = Log(most=10 + 2 * LINE)
    for line in ("one", "two", "three", "four"):
        log.add(Kind.LOG, {"line": line})
    assert (lines(log), lines(log, 3), lines(log, 4), log.last) == ([(3, "three"), (4, "four")], [(4, "four")], [], 4)


def test_an_event_that_is_too_long_for_a_log_is_counted() -> None:
    log = Log(most=3 + LINE)
    log.add(Kind.LOG, {"line": "four"})
    assert (log.since(0), log.last) == ([], 1)


def test_empty_lines_take_room_as_well() -> None:
    log = Log(most=10 * LINE)
    for _ in range(100):
        log.add(Kind.LOG, {"line": ""})
    assert len(log.since(0)) == 10


@pytest.mark.parametrize(
    ("line", "kind", "content"),
    [
        ('{"event": "log", "line": "a"}', "log", {"line": "a"}),
        ('{"event": "stage", "name": "plan"}', "stage", {"name": "plan"}),
        ('{"event": "step", "version": "01"}', "step", {"version": "01"}),
        *(
            (line, "log", {"line": line})
            for line in (
                *("", "Traceback (most recent call last):", "7", "null", '"stage"', '["event"]', "{}", '{"event": []}'),
                *('{"event": "stage"', '{"event": "end"}', '{"event": "gap", "events": 1}', "[" * 60_000, "9" * 5000),
            )
        ),
    ],
)
def test_what_is_no_event_is_a_line_of_the_log(line: str, kind: str, content: dict[str, Any]) -> None:
    assert read(line) == (kind, content)


# Events


def a_run(*lines: str, ended: bool = True, most: int = 1000) -> Run:
    """A run with a log that has room for so many characters."""
    process = subprocess.Popen([sys.executable, "-c", ""], text=True)
    process.wait()
    run = Run(id="r", dry_run=True, started_at=NOON, process=process, log=Log(most))
    for line in lines:
        run.log.add(Kind.LOG, {"line": line})
    run.ended = Ended(at=NOON, exit_code=0, outcome="dry-run", report=None) if ended else None
    return run


def told(run: Run, seen: int = 0) -> list[Event]:
    """The events of a stream that is read to its end."""

    async def nobody_goes() -> bool:
        return False

    async def read() -> str:
        return "".join([text async for text in events(run, seen, lambda run: {"id": run.id}, nobody_goes)])

    return events_of(asyncio.run(read()))


def test_a_stream_has_each_line_and_then_the_end() -> None:
    assert told(a_run("a", "b")) == [
        Event("log", 1, {"line": "a"}),
        Event("log", 2, {"line": "b"}),
        Event("end", 3, {"id": "r"}),
    ]


def test_a_client_that_comes_again_gets_what_it_has_missed() -> None:
    assert [event.number for event in told(a_run("a", "b"), seen=1)] == [2, 3]
    assert [event.number for event in told(a_run("a", "b"), seen=2)] == [3]


def test_a_stream_tells_what_is_no_longer_kept() -> None:
    assert told(a_run("aa", "bb", "cc", most=3 + LINE), seen=1)[:2] == [
        Event("gap", None, {"events": 1}),
        Event("log", 3, {"line": "cc"}),
    ]


@pytest.mark.parametrize("line", ["a\rb", "a\u2028b", "data: x", "", "\x1b[0m", 'ä"✓'])
def test_a_line_stays_one_event_whatever_is_in_it(line: str) -> None:
    assert told(a_run(line))[0] == Event("log", 1, {"line": line})


def test_a_stream_ends_with_its_client() -> None:
    async def gone() -> bool:
        return True

    async def read() -> list[str]:
        return [text async for text in events(a_run(ended=False), 0, lambda _: {}, gone)]

    assert asyncio.run(read()) == ["retry: 2000\n\n"]


def test_everything_was_seen_once_the_end_was() -> None:
    assert [all_seen(a_run("a", "b"), seen) for seen in (0, 2, 3)] == [False, False, True]
    assert not all_seen(a_run("a", "b", ended=False), 3)


@pytest.mark.parametrize(
    ("header", "number"), [("7", 7), (None, 0), ("", 0), ("-1", 0), ("x", 0), ("٣", 0), ("9" * 5000, 0)]
)
def test_what_is_no_number_of_ours_was_not_seen(header: str | None, number: int) -> None:
    assert last_seen(header) == number


# Processes


def runs_of(program: str) -> Runs:
    """Runs of a few lines of Python, in place of migrations."""
    return Runs({}, lambda text: text.replace("secret", "***"), command=[sys.executable, "-ISc", program])


def ended(run: Run) -> Ended:
    """How it ended, once it has."""

    async def wait() -> None:
        async with asyncio.timeout(30):
            while run.ended is None:
                await asyncio.sleep(0.01)

    asyncio.run(wait())
    assert run.ended
    return run.ended


def writing(expression: str) -> str:
    """A program that writes its report, of these bytes."""
    return f"import os; open(os.environ['DB_MIGRATE_REPORT'], 'wb').write({expression})"


APPLIED = '{"outcome": "applied", "a": ["secret", 1, null]}'


@pytest.mark.parametrize(
    ("program", "exit_code", "outcome", "report"),
    [
        pytest.param(
            *(writing(repr(APPLIED.encode())), 0, "applied", {"outcome": "applied", "a": ["***", 1, None]}), id="whole"
        ),
        pytest.param(
            writing("""b'{"outcome": "applied", "a": "' + b'x' * 5_000_000 + b'"}'"""), 0, "applied", None, id="large"
        ),
        pytest.param(writing("b''"), 0, "failed", None, id="empty"),
        pytest.param(writing("b'[]'"), 0, "failed", None, id="no object"),
        pytest.param(writing("b'{'"), 0, "failed", None, id="half"),
        pytest.param(writing(r"b'\xff'"), 0, "failed", None, id="no text"),
        pytest.param("raise SystemExit(1)", 1, "failed", None, id="none"),
        pytest.param("import os; os.kill(os.getpid(), 9)", 137, "failed", None, id="killed"),
    ],
)
def test_how_a_run_has_ended_its_report_tells_and_without_one_it_has_failed(
    program: str, exit_code: int, outcome: str, report: Any
) -> None:
    end = ended(runs_of(program).start(dry_run=False))
    assert (end.exit_code, end.outcome, end.report) == (exit_code, outcome, report)


def test_a_run_tells_events_in_a_folder_of_its_own_that_does_not_stay() -> None:
    program = 'import os; print(os.environ["DB_MIGRATE_EVENTS"]); print(os.environ["DB_MIGRATE_REPORT"])'
    told = []
    for _ in range(2):
        run = runs_of(program).start(dry_run=True)
        ended(run)
        told.append([line for _, line in lines(run.log)])
    assert [events for events, _ in told] == ["1", "1"]
    reports = {Path(report) for _, report in told}
    assert (len(reports), [report for report in reports if report.parent.exists()]) == (2, [])


def test_what_a_run_tells_is_text_without_the_token() -> None:
    program = r"""import sys; sys.stdout.buffer.write(
        b'a secret\n\xff\n{"event": "stage", "name": "a secret"}\n' + b'x' * 70000)"""
    run = runs_of(program).start(dry_run=True)
    ended(run)
    assert [(told.kind, json.loads(told.data)) for _, told in run.log.since(0)] == [
        ("log", {"line": "a ***"}),
        ("log", {"line": "\\xff"}),
        ("stage", {"name": "a ***"}),
        ("log", {"line": "x" * 65_536}),
        ("log", {"line": "x" * 4464}),
    ]


def test_what_a_run_has_left_behind_keeps_nobody_from_the_next_one() -> None:
    program = "import subprocess; print(subprocess.Popen(['sleep', '600']).pid)"  # which holds the pipe
    run = runs_of(program).start(dry_run=True)
    try:
        assert ended(run).exit_code == 0
    finally:
        os.kill(int(lines(run.log)[0][1]), signal.SIGKILL)


def test_the_last_runs_are_remembered() -> None:
    runs = runs_of("")
    started = []
    for _ in range(KEPT_RUNS + 1):
        started.append(runs.start(dry_run=True))
        ended(started[-1])
    assert [runs.get(run.id) for run in started] == [None, *started[1:]]


def test_no_run_begins_once_the_server_is_about_to_end() -> None:
    runs = runs_of("")
    runs.close()
    with pytest.raises(Closing):
        runs.start(dry_run=True)


def test_a_run_that_does_not_stop_is_stopped() -> None:
    program = "import signal; signal.signal(15, signal.SIG_IGN); print(flush=True); signal.pause()"
    runs = runs_of(program)
    run = runs.start(dry_run=True)
    while not run.log.last:
        time.sleep(0.01)
    runs.close(patience=0.1)
    assert ended(run).exit_code == 137


# How often


def test_a_bucket_gives_so_many_at_once_and_then_so_many_a_second() -> None:
    now = 0.0
    bucket = Bucket(at_once=2, a_second=4, clock=lambda: now)
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.25]
    now = 0.25
    assert [bucket.take(), bucket.take()] == [0, 0.25]
    now = 100
    assert [bucket.take() for _ in range(3)] == [0, 0, 0.25]
