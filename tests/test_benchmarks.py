"""The parts that the benchmarks are made of: a line that delays and counts, calls that are measured, and the report."""

import re
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from benchmarks.cold_start import ColdStart
from benchmarks.measure import CallFailed, Command, measure
from benchmarks.peers import TOOLS, Address, PsqlMigrations, Tool
from benchmarks.report import BEGIN, END, into_page, report
from benchmarks.results import LIMIT, OURS, Cell, Contestant, Results
from benchmarks.targets import judged
from benchmarks.wire import wire
from benchmarks.works import WORKS, data, small
from tests.conftest import ON_NEWEST, Database
from tests.faults.proxy import proxy_to

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
ROUND_TRIP = 0.02  # seconds
THOUSAND = WORKS["1000"]

# The line


@ON_NEWEST
def test_the_line_counts_what_is_waited_for(database: Database) -> None:
    """TCP's handshake and the one of connecting; one for each statement, one for all that are sent ahead; and none for
    the goodbye. The proxy of the other tests counts by itself.
    """
    with proxy_to(database.server.folder) as proxy:
        near = f"{proxy.url(database.name).value}?sslmode=disable&gssencmode=disable"
        with wire(int(re.findall(r":(\d+)/", near)[0]), round_trip=ROUND_TRIP) as line:
            far = re.sub(r":\d+/", f":{line.port}/", near)
            began = time.monotonic()
            with psycopg.connect(far, autocommit=True) as connection:
                assert line.round_trips == 2
                for _ in range(3):
                    connection.execute("SELECT 1")
                assert line.round_trips == 2 + 3
                with connection.pipeline():
                    for _ in range(10):
                        connection.execute("SELECT 1")
            took = time.monotonic() - began
        assert line.round_trips == 2 + proxy.turns == 2 + 3 + 1
    assert took >= 6 * ROUND_TRIP


# One call


def test_the_memory_is_that_of_the_program_alone(tmp_path: Path) -> None:
    ours = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert measure(Command(["/bin/true"]), tmp_path).peak < min(ours, 20_000_000)
    big = Command([sys.executable, "-c", "x = bytearray(50_000_000); x[::4096] = x[::4096]"])
    assert measure(big, tmp_path).peak > 50_000_000


def test_what_the_program_works_is_its_processor_time(tmp_path: Path) -> None:
    idle, busy = "import time; time.sleep(0.2)", "import time\nwhile time.process_time() < 0.2: pass"
    assert measure(Command([sys.executable, "-c", busy]), tmp_path).processor >= 0.2
    assert measure(Command([sys.executable, "-I", "-S", "-c", idle]), tmp_path).seconds >= 0.2


def test_a_call_that_fails_says_what_it_printed_last(tmp_path: Path) -> None:
    with pytest.raises(CallFailed, match=r"^no such thing: make it$"):
        measure(Command(["/bin/sh", "-c", "echo at line 1; echo no such thing:; echo make it; exit 3"]), tmp_path)
    with pytest.raises(CallFailed, match="exit code 3"):
        measure(Command(["/bin/sh", "-c", "exit 3"]), tmp_path)


def test_a_call_has_its_own_environment_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", "elsewhere")
    words = measure(Command(["/usr/bin/env"], {"DATABASE_URL": "x"}), tmp_path).output.split()
    assert {word.partition("=")[0] for word in words} - {"LC_CTYPE"} == {"PATH", "HOME", "LANG", "DATABASE_URL"}


# The tools


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_every_tool_writes_a_file_for_each_script(tmp_path: Path, tool: Tool) -> None:
    tool.write(tmp_path / "files", small(3))
    texts = [path.read_text() for path in (tmp_path / "files").rglob("*") if path.is_file()]
    assert sum(text.count("CREATE TABLE t") for text in texts) == 3
    assert tool.migrate(tmp_path / "files", Address(5432, "app")).argv


def test_the_limit_is_one_message_a_migration(tmp_path: Path) -> None:
    PsqlMigrations().write(tmp_path / "files", small(2) + data(rows=2))
    text = (tmp_path / "files" / "all.sql").read_text()
    assert (
        len(re.findall(r"(?<!\\);$", text, re.MULTILINE)) == 1 + 3
    )  # the table of what is applied, and each migration
    assert "row 1; café" in text


def test_no_folder_has_a_comma_in_its_name() -> None:
    """Dbmate would take it for several."""
    assert all(key.isalnum() for key in WORKS)


# The report


def a_contestant(*, commits_each: bool = True, is_peer: bool = True) -> Contestant:
    return Contestant("1.2.3", "each migration with its row", "advisory lock", "none", commits_each, is_peer)


CONTESTANTS = {
    OURS: a_contestant(is_peer=False),
    LIMIT: a_contestant(is_peer=False),
    "careful": a_contestant(),
    "careless": a_contestant(commits_each=False),
}


def results(work: str, distance: int, seconds: Sequence[float]) -> Results:
    """What the four took, in the order of CONTESTANTS."""
    cells = {
        (work, tool, distance): Cell(seconds=took, round_trips=7, calls=3, processor=0.1, peak=30_000_000)
        for tool, took in zip(CONTESTANTS, seconds, strict=True)
    }
    return Results(cells, CONTESTANTS, [], "2026-01-01", "2 cores")


@pytest.mark.parametrize(
    ("work", "distance", "seconds", "ratios"),
    [
        (THOUSAND.name, 0, (3, 2, 4, 1), {1.0: 3 / 1, 1.3: 3 / 2}),
        (THOUSAND.name, 80, (5, 80, 100, 1), {0.1: 5 / 100}),
        (THOUSAND.nothing, 80, (3, 1, 4, 2), {0.6: 3 / 2}),
        (WORKS["data"].name, 20, (3, 2, 4, 1), {1.2: 3 / 2}),
    ],
)
def test_a_target_is_a_ratio_to_the_best_that_counts(
    work: str, distance: int, seconds: Sequence[float], ratios: dict[float, float]
) -> None:
    """Where migrations are applied far away, only those count that commit each, as we do."""
    assert {row.at_most: row.measured for row in judged(results(work, distance, seconds))} == ratios


def test_our_own_time_far_away_is_held_against_that_nearby() -> None:
    near, far = results(THOUSAND.name, 0, (2, 9, 9, 9)), results(THOUSAND.name, 80, (5, 9, 9, 9))
    rows = list(judged(replace(near, cells={**near.cells, **far.cells})))
    assert [(row.measured, row.met, row.missed_by) for row in rows if row.at_most == 2.0] == [(2.5, False, 0.25)]


def test_the_report_tells_targets_and_every_tool() -> None:
    text = report(results(THOUSAND.name, 80, (12, 80, 100, 3)))
    assert text.startswith("Measured on 2026-01-01: 2 cores.\n")
    assert (
        "| 1,000 migrations at 80 ms, beside the best peer that commits each | 0.1 | 0.12 | **missed by 20%** "
        "| 12.0 s, careful: 100.0 s |\n" in text
    )
    assert (
        "### 1,000 migrations\n\n| tool | 80 ms | round trips | processor | memory |\n|---|---|---|---|---|\n" in text
    )
    assert "\n| **db-migrate** | 12.0 s | 7 | 0.10 s | 30 MB |\n" in text
    assert "\n| careless | 1.2.3 | each migration with its row | advisory lock | none |\n" in text
    assert f'    x-axis ["careless", "db-migrate", "{LIMIT}", "careful"]\n' in text
    assert "    y-axis 0 --> 100.00\n    bar [3.00, 12.00, 80.00, 100.00]\n" in text


def test_what_was_computed_looks_different() -> None:
    measured = results(THOUSAND.name, 80, (2, 80, 100, 3))
    computed = {(THOUSAND.name, "careful", 80): Cell(seconds=640.4, round_trips=8_000, calls=0)}
    text = report(replace(measured, cells={**measured.cells, **computed}))
    assert "\n| careful | *≈ 640 s* | 8,000 | – | – |\n" in text
    assert "| 2.00 s, careful: *≈ 640 s* |\n" in text
    assert '"careful (computed)"]' in text


def test_cold_start_and_failures_are_told_where_there_are_some() -> None:
    found = results(THOUSAND.name, 0, (1, 1, 1, 1))
    assert "Cold start" not in report(found)
    assert "Could not" not in report(found)
    cold = ColdStart(0.25, 0.3, 0.5, 0.6, 0.75)
    text = report(replace(found, cold_start=cold, failures=["careful, Status, 0 ms: it fell"]))
    assert "| Cold start of a container to its first query | 1.0 s | 0.75 s | met | 0.25 s of it " in text
    assert "### Cold start of a container\n\n| step | ms |\n" in text
    assert text.endswith("Could not be measured:\n\n- careful, Status, 0 ms: it fell\n")


def test_the_page_keeps_what_is_around_the_report() -> None:
    page = f"# Title\n\n{BEGIN}\nold\n{END}\n\nMore.\n"
    assert into_page(page, "new\n") == f"# Title\n\n{BEGIN}\n\nnew\n\n{END}\n\nMore.\n"
    assert into_page(into_page(page, "new\n"), "new\n") == into_page(page, "new\n")


@pytest.mark.parametrize("page", ["", BEGIN, f"{END}{BEGIN}"])
def test_a_page_without_markers_is_refused(page: str) -> None:
    with pytest.raises(ValueError, match="there must be"):
        into_page(page, "new\n")


def test_the_page_of_this_project_has_room_for_the_report() -> None:
    page = PAGE.read_text()
    assert page.count(BEGIN) == page.count(END) == 1
    assert into_page(page, "new\n") != page
