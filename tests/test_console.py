"""Lines for people while a run goes on, from the thread of the watcher as well."""

import io
import json
import threading
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console as RichConsole

from runner.cli import run
from runner.console import LONGEST_LINE, Console, EventConsole, GitHubConsole, TerminalConsole, open_console
from runner.core.model import DryRunMode, StageResult, StageState
from runner.core.schema import Schema
from runner.core.schema_diff import schema_difference
from runner.core.steps import Retry, Session, StatementTime
from runner.core.trial import DryRun
from runner.core.ways_back import RollbackInstructions
from runner.errors import Finding, Level
from runner.github.workflow_commands import annotations
from tests.builders import STEADY, a_migration, a_step
from tests.conftest import ON_NEWEST, Database
from tests.container.workflow_commands import StepLog, read_log


def said(*, verbose: bool = False) -> tuple[Console, io.StringIO]:
    stream = io.StringIO()
    console = Console(stream, scrub=lambda text: text.replace("s3cret", "***"))
    console.verbose = verbose
    return console, stream


def a_retry(*sessions: Session) -> Retry:
    return Retry(attempt=1, why="waited 5.0 s for a lock", pause=timedelta(seconds=0.7), in_the_way=sessions)


def test_a_retry_says_why_when_and_who_was_in_the_way() -> None:
    console, stream = said()
    reader = Session(
        pid=4711,
        application="reporting",
        role="app",
        state="idle in transaction",
        age=timedelta(seconds=185),
        query="SELECT 's3cret'",
    )
    console.retrying(a_migration(2), a_retry(reader))
    assert stream.getvalue() == (
        "  ↻ migrations/02_example.sql  waited 5.0 s for a lock; attempt 2 in 700 ms\n"
        "      in the way: pid 4711, reporting, role app, idle in transaction for 3 min 05 s: SELECT '***'\n"
    )


def test_many_in_the_way_are_counted() -> None:
    console, stream = said()
    console.retrying(a_migration(), a_retry(*(Session(pid=pid) for pid in range(1, 8))))
    lines = stream.getvalue().splitlines()
    assert lines[1:] == [*(f"      in the way: pid {pid}" for pid in range(1, 6)), "      and 2 more"]


def test_nothing_that_others_say_is_obeyed() -> None:
    console, stream = said()
    console.retrying(a_migration(), a_retry(Session(pid=1, application="\x1b[2J", query="##[error] x")))
    console.progress("building ##[error]\n::error::x")
    assert not [bad for bad in ("\x1b", "##[", "\n::") if bad in stream.getvalue()]


def test_a_step_says_which_attempt_it_was() -> None:
    console, stream = said()
    console.finished(a_step(1, retries=(a_retry(), a_retry())))
    assert stream.getvalue() == "  ✓ migrations/01_example.sql  1 statement, 12 ms, attempt 3\n"


def test_only_verbose_tells_the_slowest_statements() -> None:
    step = a_step(1, slowest=(StatementTime(line=7, duration=timedelta(seconds=2)),))
    for verbose, lines in ((False, []), (True, ["    line 7: 2.0 s"])):
        console, stream = said(verbose=verbose)
        console.finished(step)
        assert stream.getvalue().splitlines()[1:] == lines


def test_lines_of_two_threads_do_not_mix() -> None:
    console, stream = said()

    def repeat(word: str) -> None:
        for _ in range(200):
            console.progress(word * 200)

    threads = [threading.Thread(target=repeat, args=[word]) for word in "ab"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(stream.getvalue().splitlines()) == {f"    … {word * 200}" for word in "ab"}


def test_in_a_terminal_progress_never_starts_a_clock_that_nobody_stops() -> None:
    stream = io.StringIO()
    console = TerminalConsole(stream, scrub=str)
    console.finished(a_step(1))
    before = threading.enumerate()
    console.progress("building an index")
    assert "building an index" not in stream.getvalue()
    assert threading.enumerate() == before


def test_in_a_terminal_progress_is_the_text_of_the_clock() -> None:
    stream = io.StringIO()
    console = TerminalConsole(stream, scrub=str)
    console._rich = RichConsole(file=stream, force_terminal=True, width=100)

    before = set(threading.enumerate())

    def shows(text: str) -> None:
        deadline = time.monotonic() + 20
        while text not in stream.getvalue():
            assert time.monotonic() < deadline, text
            time.sleep(0.01)

    console.starting(a_migration(2))
    shows("02_example.sql  1 statement")
    console.progress("building an index")
    shows("building an index")
    console.retrying(a_migration(2), a_retry())
    shows("02_example.sql  attempt 2")
    console.finished(a_step(2))
    shows("✓ migrations/02_example.sql")
    for thread in set(threading.enumerate()) - before:
        thread.join(20)
    assert set(threading.enumerate()) == before


# On GitHub


def on_github(*, verbose: bool = False, debug: bool = False) -> tuple[GitHubConsole, io.StringIO]:
    stream = io.StringIO()
    console = GitHubConsole(stream, scrub=lambda text: text.replace("s3cret", "***"), debug=debug)
    console.verbose = verbose
    return console, stream


def shown(stream: io.StringIO) -> list[str]:
    """The lines of the log but for those that stop commands and start them again, which the runner hides in part."""
    return [line for line in read(stream).shown if line and line not in {"::stop-commands::***", "::***::"}]


def read(stream: io.StringIO) -> StepLog:
    log = read_log(stream.getvalue())
    assert not log.failed
    return log


TRIED = DryRun(mode=DryRunMode.SHADOW, schema=schema_difference(Schema(()), Schema(())))
WARNINGS = [Finding(f"w{number}", level=Level.WARNING) for number in range(6)]


def test_a_dry_run_is_folded_but_for_its_verdict() -> None:
    console, stream = on_github()
    console.dry_run(TRIED)
    assert shown(stream) == [
        "##[group]What the plan does",
        "  no change of the schema is seen",
        "##[endgroup]",
        "  nobody who uses the database has to wait",
    ]


def test_rollback_instructions_are_folded() -> None:
    console, stream = on_github()
    console.rollback(RollbackInstructions(state=("Applied: 01.",), commands=("psql \\\n  -f x",)))
    assert shown(stream) == [
        "##[group]Rollback",
        "  Applied: 01.",
        "  What undoes it:",
        "    psql \\",
        "      -f x",
        "##[endgroup]",
    ]


def test_many_warnings_are_folded_and_errors_follow_in_the_open() -> None:
    console, stream = on_github()
    console.findings([Finding("e1"), *WARNINGS, Finding("e2")])
    folded = [f"! {warning}" for warning in WARNINGS]
    assert shown(stream) == ["##[group]6 warnings", *folded, "##[endgroup]", "✗ e1", "✗ e2"]


def test_few_warnings_stay_in_the_open_and_in_their_order() -> None:
    console, stream = on_github()
    console.findings([*WARNINGS[:2], Finding("e"), *WARNINGS[2:5]])
    assert stream.getvalue() == "! w0\n! w1\n✗ e\n! w2\n! w3\n! w4\n"


def test_elsewhere_a_fold_is_a_heading() -> None:
    console, stream = said()
    with console.fold("Rollback"):
        console.say("  how")
    assert stream.getvalue() == "Rollback\n  how\n"


def test_a_fold_ends_when_what_it_holds_fails_and_none_is_within_another() -> None:
    console, stream = on_github()

    def fail() -> None:
        with console.fold("one\ntwo ##[error]"), console.fold("three"):
            console.say("within")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    with console.fold("next"):
        console.say("after")
    assert shown(stream) == [
        *("##[group]one two ##\u200b[error]", "three", "within", "##[endgroup]"),
        *("##[group]next", "after", "##[endgroup]"),
    ]


@pytest.mark.parametrize(
    ("verbose", "debug", "lines", "debugged"),
    [
        pytest.param(False, False, [], [], id="neither"),
        pytest.param(True, False, ["    NOTICE: ***"], [], id="verbose"),
        pytest.param(True, True, [], ["NOTICE: ***"], id="step-debug-logging"),
    ],
)
def test_details_are_debug_lines_when_the_job_logs_for_debugging(
    verbose: bool, debug: bool, lines: list[str], debugged: list[str]
) -> None:
    console, stream = on_github(verbose=verbose, debug=debug)
    console.detail("NOTICE: s3cret")
    assert (shown(stream), read(stream).debug) == (lines, debugged)


def test_commands_are_stopped_once_around_all_that_a_finding_quotes() -> None:
    console, stream = on_github()
    console.findings([Finding("wrong", frame="> 1 | x\n    | ^", diff="-a\n+b", detail="said", hint="look")])
    lines = stream.getvalue().splitlines()
    assert lines[0] == "✗ wrong"
    assert lines[1].startswith("::stop-commands::")
    assert lines[2:7] == ["    > 1 | x", "        | ^", "    -a", "    +b", "    said"]
    assert lines[7:] == [f"::{lines[1].removeprefix('::stop-commands::')}::", "    → look"]


def test_commands_are_not_stopped_around_a_line_with_an_empty_one_before_it() -> None:
    console, stream = on_github()
    console.say("\ndatabase app\n")
    assert stream.getvalue() == "\ndatabase app\n\n"


PARTS = [
    "\n",
    "\r",
    "\r\n",
    "\u2028",
    "\x85",
    "\x1b[2K",
    "::error::x",
    "##[set-output name=a]b",
    "::add-mask::x",
    " ",
    "x",
]
TEXT = st.lists(st.sampled_from(PARTS), min_size=1, max_size=6).map("".join)


@STEADY
@given(st.lists(TEXT, min_size=6, max_size=6), st.booleans())
def test_nothing_that_others_wrote_has_an_effect(texts: list[str], debug: bool) -> None:
    message, frame, diff, detail, hint, other = texts
    finding = Finding(f"wrong{message}", frame=frame, diff=diff, detail=detail, hint=hint)
    console, stream = on_github(verbose=True, debug=debug)
    with console.fold(other):
        console.findings([finding, *WARNINGS])
    console.say(other)
    console.detail(other)
    console.progress(other)
    console.retrying(a_migration(), a_retry(Session(pid=1, application=other, query=other)))
    console.rollback(RollbackInstructions(state=(other,), commands=(other,)))
    for line in annotations([finding]):
        console.command(line)
    log = read(stream)
    assert len(log.annotations) == 1
    assert log.outputs == {}
    assert {len(word) for word in log.masks} <= {32}
    groups = [line[: len("##[endgroup]")] for line in log.shown if line.startswith(("##[group]", "##[endgroup]"))]
    assert [line.startswith("##[group]") for line in groups] == [True, False] * 2


@pytest.mark.parametrize(("github", "kind"), [(False, Console), (True, GitHubConsole)])
def test_a_job_on_github_has_a_log_that_folds(github: bool, kind: type[Console]) -> None:
    assert type(open_console(scrub=str, github=github)) is kind


# For a program


def as_events() -> tuple[EventConsole, io.StringIO]:
    stream = io.StringIO()
    return EventConsole(stream, scrub=lambda text: text.replace("s3cret", "***")), stream


def events_in(text: str) -> list[dict[str, Any]]:
    """The events of a stream, in which each is a line."""
    assert text.isascii()
    return [json.loads(line) for line in text.removesuffix("\n").split("\n")]


def test_a_stage_is_told_to_people_and_to_programs() -> None:
    console, stream = as_events()
    duration = timedelta(seconds=0.34)
    console.stage(StageResult(name="plan", state=StageState.OK, note="1 to run, s3cret", duration=duration))
    console.stage(StageResult(name="smoke", state=StageState.SKIPPED, note="", duration=timedelta()))
    lines = [event for event in events_in(stream.getvalue()) if event["event"] == "log"]
    assert lines[0] == {"event": "log", "line": "✓ plan           1 to run, ***  (340 ms)"}
    assert [event for event in events_in(stream.getvalue()) if event["event"] == "stage"] == [
        {"event": "stage", "name": "plan", "state": "ok", "note": "1 to run, ***", "duration_ms": 340},
        {"event": "stage", "name": "smoke", "state": "skipped", "note": None, "duration_ms": 0},
    ]


@pytest.mark.parametrize("undone", [False, True])
@pytest.mark.parametrize("failure", ["", "no"])
def test_a_step_is_told_to_people_and_to_programs(undone: bool, failure: str) -> None:
    console, stream = as_events()
    step = a_step(1, failure=failure)
    (console.undone if undone else console.finished)(step)
    line, event = events_in(stream.getvalue())
    assert (line["event"], "migrations/01_example.sql" in line["line"]) == ("log", True)
    assert event == {
        "event": "step",
        "version": "01",
        "path": "migrations/01_example.sql",
        "state": "failed" if failure else "undone" if undone else "completed",
        "duration_ms": 12,
        "statements": 1,
        "statements_done": step.statements_done,
    }


def test_a_line_that_is_too_long_for_an_event_is_cut_behind_its_secrets() -> None:
    console, stream = as_events()
    console.say("x" * (LONGEST_LINE - 3) + "s3cret" + "y" * 9)
    assert events_in(stream.getvalue()) == [{"event": "log", "line": "x" * (LONGEST_LINE - 3) + "***…"}]


@STEADY
@given(st.lists(TEXT, min_size=3, max_size=3))
def test_events_have_the_lines_that_people_read_whatever_is_in_them(texts: list[str]) -> None:
    message, detail, other = texts
    streams = []
    for console, stream in (said(), as_events()):
        console.findings([Finding(f"wrong{message}", detail=detail, hint="s3cret")])
        with console.fold(other):
            console.say(other)
        streams.append(stream.getvalue())
    plain, events = streams
    assert "".join(f"{event['line']}\n" for event in events_in(events)) == plain


@pytest.mark.parametrize(("github", "kind"), [(False, EventConsole), (True, GitHubConsole)])
def test_a_job_on_github_has_its_log_whoever_wants_events(github: bool, kind: type[Console]) -> None:
    assert type(open_console(scrub=str, github=github, events=True)) is kind


PASSWORD = "pg-p4ssw0rd"


@ON_NEWEST
@pytest.mark.parametrize(
    ("sql", "told"),
    [
        pytest.param(
            f"SELECT 1;\nSELECT '{PASSWORD}'::int;",
            [("migrations/01_a.sql", "completed", 2, 2), ("migrations/02_b.sql", "failed", 1, 2)],
            id="failed",
        ),
        pytest.param(
            "SELECT 1;",
            [
                ("migrations/01_a.sql", "completed", 2, 2),
                ("migrations/02_b.sql", "completed", 1, 1),
                ("migrations/02_b.down.sql", "undone", 1, 1),
                ("migrations/01_a.down.sql", "undone", 1, 1),
            ],
            id="undone",
        ),
    ],
)
def test_a_run_tells_its_stages_and_steps_and_hands_over_its_report(
    database: Database,
    checkout: Path,
    capsys: pytest.CaptureFixture[str],
    sql: str,
    told: list[tuple[str, str, int, int]],
) -> None:
    files = {"01_a.sql": "CREATE TABLE a (id bigint);\nSELECT 1;", "01_a.down.sql": "DROP TABLE a;"}
    for name, text in {**files, "02_b.sql": sql, "02_b.down.sql": "SELECT 1;"}.items():
        (checkout / "migrations" / name).write_text(text)
    (checkout / "smoke.sql").write_text("SELECT false;")
    given = {"DATABASE_URL": database.url.value, "GITHUB_WORKSPACE": str(checkout), "PGPASSWORD": PASSWORD}
    asked = {"DB_MIGRATE_EVENTS": "1", "DB_MIGRATE_REPORT": str(checkout / "told.json")}
    assert run(["--smoke-tests", "smoke.sql", "--on-smoke-failure", "rollback"], given | asked) == 1
    out, report = capsys.readouterr().out, json.loads((checkout / "told.json").read_text())
    events = events_in(out)
    stages = [{key: stage[key] for key in ("name", "state", "note", "duration_ms")} for stage in report["stages"]]
    assert [event for event in events if event["event"] == "stage"] == [{"event": "stage", **each} for each in stages]
    steps = [event for event in events if event["event"] == "step"]
    assert [(step["path"], step["state"], step["statements_done"], step["statements"]) for step in steps] == told
    assert events[-1] == {"event": "log", "line": report["headline"]}
    assert PASSWORD not in out + str(report)


def test_a_report_that_cannot_be_handed_over_is_a_warning(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["config"], {"GITHUB_WORKSPACE": str(checkout), "DB_MIGRATE_REPORT": str(checkout)}) == 0
    assert "! the report could not be written: Is a directory" in capsys.readouterr().out
