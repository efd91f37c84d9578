"""Rows of the progress views in words. That real servers give such rows: tests/postgres/test_watch.py."""

from typing import Any

import pytest

from runner.core.progress import Progress, describe_progress, progress_of

NOTHING = Progress(work="")


def told(view: str, **columns: Any) -> str:
    progress = progress_of(view, {"relation": "users", "index": ""} | columns)
    return describe_progress(progress, first=progress, seconds=0)


def test_names_the_index_where_it_has_a_name() -> None:
    scanning = {"phase": "building index: scanning table", "blocks_done": 43, "blocks_total": 100}
    assert told("create_index", **scanning) == "building an index on users: building index: scanning table, 43 %"
    assert told("create_index", index="i", **scanning) == "building i: building index: scanning table, 43 %"


@pytest.mark.parametrize(
    ("phase", "share"),
    [
        ("building index", ", 100 %"),
        ("building index: scanning table", ", 100 %"),
        ("building index: sorting live tuples", ""),
        ("building index: loading tuples in tree", ", 50 %"),
        ("waiting for old snapshots", ", 1 of 3 done"),
        ("index validation: scanning index", ", 100 %"),
    ],
)
def test_takes_the_counters_of_the_phase_and_not_those_left_by_another(phase: str, share: str) -> None:
    columns = {
        "blocks_done": 80,
        "blocks_total": 80,
        "tuples_done": 5,
        "tuples_total": 10,
        "lockers_done": 1,
        "lockers_total": 3,
    }
    assert told("create_index", phase=phase, **columns) == f"building an index on users: {phase}{share}"


@pytest.mark.parametrize(
    ("view", "columns", "text"),
    [
        ("copy", {"tuples_processed": 5, "bytes_processed": 1, "bytes_total": 0}, "copying users: 5 rows"),
        ("copy", {"tuples_processed": 5, "bytes_processed": 1, "bytes_total": 4}, "copying users: 5 rows, 25 %"),
        (
            "vacuum",
            {"phase": "scanning heap", "heap_blks_scanned": 1, "heap_blks_vacuumed": 0, "heap_blks_total": 3},
            "vacuuming users: scanning heap, 33 %",
        ),
        (
            "vacuum",
            {"phase": "vacuuming heap", "heap_blks_scanned": 3, "heap_blks_vacuumed": 2, "heap_blks_total": 3},
            "vacuuming users: vacuuming heap, 66 %",
        ),
        (
            "vacuum",
            {"phase": "vacuuming indexes", "heap_blks_scanned": 3, "heap_blks_vacuumed": 2, "heap_blks_total": 3},
            "vacuuming users: vacuuming indexes",
        ),
        (
            "cluster",
            {"phase": "seq scanning heap", "heap_blks_scanned": 1, "heap_blks_total": 2},
            "rewriting users: seq scanning heap, 50 %",
        ),
        (
            "cluster",
            {"phase": "rebuilding index", "heap_blks_scanned": 2, "heap_blks_total": 2},
            "rewriting users: rebuilding index",
        ),
        (
            "analyze",
            {"phase": "acquiring sample rows", "sample_blks_scanned": 1, "sample_blks_total": 2},
            "analyzing users: acquiring sample rows, 50 %",
        ),
        ("analyze", {"phase": "computing statistics"}, "analyzing users: computing statistics"),
    ],
)
def test_tells_what_each_view_knows(view: str, columns: dict[str, Any], text: str) -> None:
    assert told(view, **columns) == text


@pytest.mark.parametrize(
    ("done", "first", "seconds", "left"),
    [
        pytest.param(40, 10, 60, ", about 2 min left of this phase", id="minutes"),
        pytest.param(90, 0, 90, ", about 10 s left of this phase", id="seconds"),
        pytest.param(10, 9, 360, ", about 9 h left of this phase", id="hours"),
        pytest.param(100, 0, 10, ", about 1 s left of this phase", id="the-end"),
        pytest.param(40, 10, 2, "", id="too-early-to-tell"),
        pytest.param(40, 40, 60, "", id="stuck"),
    ],
)
def test_estimates_from_the_pace_of_the_phase(done: int, first: int, seconds: float, left: str) -> None:
    def at(blocks: int) -> Progress:
        return Progress(work="building i", phase="p", done=blocks, total=100)

    assert describe_progress(at(done), first=at(first), seconds=seconds) == f"building i: p, {done} %{left}"


def test_counters_that_contradict_each_other_tell_no_share() -> None:
    assert describe_progress(Progress(work="w", phase="p", done=3, total=2), first=NOTHING, seconds=0) == "w: p"
