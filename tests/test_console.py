"""Lines for people while a run goes on, from the thread of the watcher as well."""

import io
import threading
import time
from datetime import timedelta

from rich.console import Console as RichConsole

from runner.console import Console, TerminalConsole
from runner.core.model import Retry, Session, StatementTime
from tests.builders import a_migration, a_step


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
