"""The history as it is listed."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runner.core.json_text import json_text
from runner.core.listing import (
    HEADINGS,
    VERSION,
    History,
    HistoryEntry,
    bounded_history_table,
    history_document,
    history_left_out,
    history_table,
)
from runner.core.policies import ListingPolicy
from tests.builders import NOON, a_context, a_target

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "history.schema.json").read_text())
BARE = HistoryEntry(version="01", action="apply", status="success")
FULL = HistoryEntry(
    version="02",
    action="rollback",
    status="failed",
    executed_at=NOON,
    execution_time_ms=1234,
    executed_by="ada",
    environment="staging",
    error_message="no\nmore",
    run_id="f049c5d2-0000-4000-8000-000000000000",
    run_url="https://github.com/octo-org/shop/actions/runs/1658821493",
)


@pytest.mark.parametrize(
    ("since", "begin"), [(None, None), (NOON, NOON), (timedelta(hours=24), NOON - timedelta(hours=24))]
)
def test_since_is_a_moment_or_as_long_ago(since: Any, begin: Any) -> None:
    assert ListingPolicy(since=since).begin(NOON) == begin


def test_a_row_tells_all_there_is_and_of_an_error_the_first_line() -> None:
    bare, full = history_table([BARE, FULL]).rows
    assert dict(zip(HEADINGS, full, strict=True)) == {
        "executed at": "2026-11-22 12:00:00 UTC",
        "version": "02",
        "action": "rollback",
        "result": "failed",
        "took": "1.2 s",
        "by": "ada",
        "environment": "staging",
        "run": FULL.run_url,
        "note": "no",
    }
    assert [cell for cell in bare if cell] == ["01", "apply", "success"]


def test_the_note_of_what_went_well_stands_where_an_error_would() -> None:
    [row] = history_table([replace(BARE, action="repair", note="from staging to testing")]).rows
    assert row[HEADINGS.index("note")] == "from staging to testing"


def test_where_room_is_short_a_run_is_told_by_its_id() -> None:
    [row] = history_table([FULL], short=True).rows
    assert row[HEADINGS.index("run")] == "f049c5d2"


def test_a_page_tells_how_many_it_leaves_out() -> None:
    history = History(entries=(FULL, BARE, BARE), left_out=1000)
    assert [row[0] for row in bounded_history_table(history, 2).rows] == [
        "2026-11-22 12:00:00 UTC", "", "… 1,001 older, left out here"
    ]  # fmt: skip
    assert len(bounded_history_table(History(entries=(FULL, BARE)), 2).rows) == 2


def test_a_page_links_the_runs() -> None:
    assert bounded_history_table(History(entries=(FULL, BARE)), 2).links == {"f049c5d2": FULL.run_url}


@pytest.mark.parametrize(
    ("number", "told"),
    [
        (0, ""),
        (1, "1 older entry is not shown: give a larger --limit"),
        (1184, "1,184 older entries are not shown: give a larger --limit"),
    ],
)
def test_the_limit_is_told_when_it_cuts(number: int, told: str) -> None:
    assert history_left_out(History(left_out=number)) == told


def test_the_document_is_as_its_schema_says() -> None:
    content = history_document(
        History(entries=(FULL, BARE, replace(BARE, note="baseline up to 07")), left_out=3),
        target=a_target(),
        environment="staging",
        context=a_context(),
    )
    told = json.loads(json_text(content, str))
    Draft202012Validator(SCHEMA).validate(told)
    assert (told["$schema"], told["version"]) == (SCHEMA["$id"], VERSION)
    assert (told["database"], told["environment"], told["entries_left_out"]) == ("app", "staging", 3)
    full, bare, noted = told["entries"]
    assert (noted["error"], noted["note"]) == (None, "baseline up to 07")
    assert (full["executed_at"], full["duration_ms"], full["error"]) == ("2026-11-22T12:00:00.000Z", 1234, "no\nmore")
    assert {key for key, value in bare.items() if value is not None} == {"version", "action", "result"}
