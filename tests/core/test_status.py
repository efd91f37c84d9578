"""Where migrations stand: files and ledger side by side, as people and as programs are told."""

import json
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]

from runner.core.checksum import checksum
from runner.core.json_text import json_text
from runner.core.model import MigrationFile
from runner.core.naming import LEDGER_FILE, VersionOrder
from runner.core.plan import compare
from runner.core.sql_digest import sql_digest
from runner.core.status import Change, DownFrom, Holder, LastRun, Migrated, Recorded, Standing, State
from runner.core.status import migrated as migrated_
from runner.core.status_document import VERSION, status_document
from runner.core.status_table import CHANGES, bounded_status_table, status_notes, status_table, style_of, troubles
from tests.builders import NOON, SQL, a_context, a_migration_file, a_target, applied

SCHEMA: dict[str, Any] = json.loads((Path(__file__).parents[2] / "docs" / "status.schema.json").read_text())
OTHER = "another checksum"
RUN = LastRun(
    run_id="f049c5d2-0000-4000-8000-000000000000",
    command="migrate",
    environment="staging",
    actor="ada",
    run_url="https://github.com/octo-org/shop/actions/runs/1658821493",
    started_at=NOON,
    finished_at=None,
    outcome=None,
)
HOLDER = Holder(pid=1729, application="db-migrate watcher f049c5d2", role="migrator", since=NOON - timedelta(minutes=1))
OUTSIDE: dict[str, Any] = {"transactional": False, "statements_total": 5}


OWN = ("statements_total", "down_kept", "down_checksum", "run_id")  # what other rows of the ledger are read without


def recorded(version: int | str = 1, **others: Any) -> Recorded:
    own = {name: others.pop(name) for name in OWN if name in others}
    row = applied(version, **others)
    return Recorded(**{name: getattr(row, name) for name in row.__dataclass_fields__}, **own)


def migrated(
    files: list[MigrationFile], *rows: Recorded, order: VersionOrder = VersionOrder.AUTO, **others: Any
) -> list[Migrated]:
    return migrated_(files, Standing(rows=rows, **others), order)


def one(row: Recorded, file: MigrationFile | None = None, **others: Any) -> Migrated:
    [told] = migrated([file or a_migration_file(row.version)], row, **others)
    return told


@pytest.mark.parametrize(
    ("row", "others", "state", "note"),
    [
        ({}, {}, State.COMPLETED, ""),
        ({"status": "pending"}, {}, State.PENDING, ""),
        ({"status": "failed", "error_message": "01.sql:1: no\nmore"}, {}, State.FAILED, "01.sql:1: no"),
        (
            {"status": "failed", "error_message": "no", "statements_done": 2} | OUTSIDE,
            {},
            State.HALF_DONE,
            "2 of 5 statements done; no",
        ),
        ({"status": "failed", "error_message": "no", "statements_done": 0} | OUTSIDE, {}, State.FAILED, "no"),
        (
            {"status": "running"},
            {"holder": HOLDER, "last_run": RUN},
            State.RUNNING,
            "by ada since 2026-11-22 12:00:00 UTC",
        ),
        ({"status": "running"}, {"holder": HOLDER}, State.RUNNING, "by migrator since 2026-11-22 11:59:00 UTC"),
        ({"status": "running"}, {"holder": replace(HOLDER, since=None)}, State.RUNNING, "by migrator"),
        (
            {"status": "running", "statements_done": 2} | OUTSIDE,
            {"holder": HOLDER},
            State.RUNNING,
            "by migrator since 2026-11-22 11:59:00 UTC; 2 of 5 statements done",
        ),
        (
            {"status": "running"},
            {},
            State.DEAD,
            "its run died: nothing of it stays, and the next run begins it anew",
        ),
        (
            {"status": "running", "statements_done": 0} | OUTSIDE,
            {},
            State.DEAD,
            "its run died: its first statement may be done",
        ),
        (
            {"status": "running", "statements_done": 2} | OUTSIDE,
            {},
            State.HALF_DONE,
            "2 of 5 statements done, and perhaps the next",
        ),
        (
            {"status": "running"},
            {"standby": True},
            State.RUNNING,
            "or dead: only the primary knows whether its run is alive",
        ),
        ({"status": "skipped"}, {}, State.UNKNOWN, "the ledger says `skipped`"),
        (
            {"undoing": "running", "statements_undone": 2},
            {"holder": HOLDER},
            State.UNDOING,
            "by migrator since 2026-11-22 11:59:00 UTC; 2 of its down file's statements done",
        ),
        (
            {"undoing": "running"},
            {"standby": True},
            State.UNDOING,
            "0 of its down file's statements done; or stopped there: only the primary knows whether its run is alive",
        ),
        (
            {"undoing": "running", "statements_undone": 0},
            {},
            State.HALF_UNDONE,
            "0 of its down file's statements done, and perhaps the next",
        ),
        (
            {"undoing": "failed", "statements_undone": 2, "error_message": "no\nmore"},
            {"holder": HOLDER},  # whose run may be at another one
            State.HALF_UNDONE,
            "2 of its down file's statements done; no",
        ),
        (
            {"undoing": "failed", "statements_undone": 0, "error_message": "no"},
            {},
            State.COMPLETED,
            "undoing it failed at its first statement: no",
        ),
    ],
)  # fmt: skip
def test_a_row_tells_the_state(row: dict[str, Any], others: dict[str, Any], state: State, note: str) -> None:
    told = one(recorded(**row), **others)
    assert (told.state, told.note) == (state, note)
    assert bool(style_of(told)) == (told.state is not State.COMPLETED or bool(note))


def test_a_file_that_the_ledger_does_not_know_is_pending_or_late() -> None:
    files = [replace(a_migration_file("00"), name="migration_state_tracking"), *map(a_migration_file, (1, 2, 3))]
    files[0] = replace(files[0], up=replace(files[0].up, path=files[0].path.with_name(LEDGER_FILE)))
    told = migrated(files, recorded(2))
    assert [each.state for each in told] == [State.PENDING, State.OUT_OF_ORDER, State.COMPLETED, State.PENDING]
    assert told[1].note == "the database already has 02"


@pytest.mark.parametrize(
    ("row", "change"),
    [
        ({}, None),
        ({"checksum": OTHER}, Change.MODIFIED),
        ({"checksum": OTHER, "sql_digest": OTHER}, Change.MODIFIED),
        ({"checksum": OTHER, "sql_digest": sql_digest(SQL.encode())}, Change.EDITED),
        ({"checksum": OTHER, "status": "failed"}, None),  # it may be mended
    ],
)
def test_a_completed_migration_tells_what_became_of_its_file(row: dict[str, Any], change: Change | None) -> None:
    assert one(recorded(**row)).change is change


@pytest.mark.parametrize("status", ["completed", "failed"])
def test_a_row_without_a_file_tells_that_it_is_missing(status: str) -> None:
    [told] = migrated([], recorded(1, status=status))
    assert (told.state, told.change, told.path) == (State(status), Change.MISSING, None)


@pytest.mark.parametrize(
    ("file", "row", "down"),
    [
        (a_migration_file(), recorded(down_kept=True), DownFrom.LEDGER),
        (None, recorded(down_kept=True), DownFrom.LEDGER),
        (a_migration_file(down="SELECT 1;"), recorded(), DownFrom.FILE),
        (a_migration_file(down="SELECT 1;"), recorded(checksum=OTHER), None),  # of which text, nobody knows
        (a_migration_file(down="SELECT 1;"), recorded(down_checksum=checksum(b"SELECT 1;")), DownFrom.FILE),
        (a_migration_file(down="SELECT 1;"), recorded(down_checksum=OTHER), None),  # too large to keep, and changed
        (a_migration_file(down="SELECT 1;"), None, DownFrom.FILE),
        (a_migration_file(down="SELECT 1;"), recorded(status="failed", checksum=OTHER), DownFrom.FILE),
        (a_migration_file(), recorded(), None),
        (a_migration_file(), None, None),
    ],
)
def test_tells_whether_a_migration_can_be_undone(
    file: MigrationFile | None, row: Recorded | None, down: DownFrom | None
) -> None:
    [told] = migrated([file] if file else [], *([row] if row else []))
    assert told.down is down


def test_one_number_written_in_two_ways_is_one_migration() -> None:
    [told] = migrated([a_migration_file("001")], recorded("1"))
    assert (told.version, told.state) == ("1", State.COMPLETED)


@pytest.mark.parametrize("status", ["completed", "failed", "running"])
def test_a_row_whose_version_is_no_number_is_shown_behind_the_others(status: str) -> None:
    told = migrated([a_migration_file(1), a_migration_file(2)], recorded("v2", status=status), recorded(1))
    assert [(each.version, each.state) for each in told] == [
        ("01", State.COMPLETED),
        ("02", State.PENDING),
        ("v2", State.UNKNOWN),
    ]
    assert told[2].note == "its version is no number"


def test_follows_the_order_that_was_chosen() -> None:
    files, row = [a_migration_file("9")], recorded("10")
    assert [each.version for each in migrated(files, row, order=VersionOrder.NUMERIC)] == ["9", "10"]
    assert [each.version for each in migrated(files, row, order=VersionOrder.TEXT)] == ["10", "9"]


# For people


def test_the_table_tells_when_by_whom_and_how_fast_and_no_more_than_there_is() -> None:
    table = status_table([one(recorded(applied_at=NOON, applied_by="ada", execution_time_ms=340))])
    assert table.headings == ("version", "name", "state", "applied at", "by", "took")
    assert table.rows == (("01", "example", "completed", "2026-11-22 12:00:00 UTC", "ada", "340 ms"),)


def test_the_table_has_a_column_for_what_one_of_its_rows_tells() -> None:
    files = [a_migration_file(1), a_migration_file(2, down="SELECT 1;")]
    table = status_table(migrated(files, recorded(1, checksum=OTHER)))
    assert table.headings[6:] == ("drift", "down")
    assert [row[6:] for row in table.rows] == [("file modified", ""), ("", "file")]


def test_no_migration_is_a_table_too() -> None:
    assert (status_table([]).rows, troubles(status_table([]))) == ((), {})


def test_the_table_counts_what_needs_a_look_of_all_of_them_the_worst_first() -> None:
    rows = [recorded(1), recorded("x"), recorded(2, status="failed"), *(recorded(n, checksum=OTHER) for n in (3, 4))]
    told = migrated([a_migration_file(number) for number in range(1, 6)], *rows)
    counted = [(Change.MODIFIED, 2), (State.FAILED, 1), (State.UNKNOWN, 1)]
    assert list(troubles(status_table(told)).items()) == counted
    assert list(troubles(bounded_status_table(told, 4)).items()) == counted


def test_of_too_many_the_troubles_the_next_and_the_last_are_shown() -> None:
    files = [a_migration_file(number) for number in range(1, 36)]
    rows = [recorded(number) for number in range(1, 31)]
    rows[4] = recorded(5, checksum=OTHER)
    told = bounded_status_table(migrated(files, *rows), 8)
    assert [row[:2] for row in told.rows[:3]] == [
        ("…", "4 completed: left out here"),
        ("05", "example"),
        ("…", "23 completed: left out here"),
    ]
    assert [row[0] for row in told.rows[3:]] == ["29", "30", "31", "32", "33", "34", "35"]
    assert bounded_status_table(migrated(files, *rows), 35) == status_table(migrated(files, *rows))


def test_of_too_many_that_are_pending_the_first_are_shown() -> None:
    told = bounded_status_table(migrated([a_migration_file(number) for number in range(10, 1234)]), 2)
    assert [row[:2] for row in told.rows] == [
        ("10", "example"), ("11", "example"), ("…", "1,222 pending: left out here")
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("standing", "told"),
    [
        (Standing(), ["last run: none that the ledger knows of"]),
        (
            Standing(tells_runs=False),
            ["last run: not known, as this role may not read migration_runs, or the ledger has an earlier shape"],
        ),
        (
            Standing(last_run=replace(RUN, outcome="applied", finished_at=NOON + timedelta(minutes=1))),
            [f"last run: migrate, applied, 2026-11-22 12:01:00 UTC, by ada, {RUN.run_url}"],
        ),
        (
            Standing(last_run=replace(RUN, run_url=None, actor=None)),
            [f"last run: migrate, interrupted, 2026-11-22 12:00:00 UTC, {RUN.run_id}"],
        ),
        (
            Standing(last_run=RUN, holder=HOLDER),
            [
                f"last run: migrate, under way, 2026-11-22 12:00:00 UTC, by ada, {RUN.run_url}",
                f"under way: migrate by ada since 2026-11-22 12:00:00 UTC, {RUN.run_url}",
            ],
        ),
        (
            Standing(last_run=replace(RUN, outcome="applied"), holder=replace(HOLDER, application="psql")),
            [
                f"last run: migrate, applied, 2026-11-22 12:00:00 UTC, by ada, {RUN.run_url}",
                "under way: a run by migrator since 2026-11-22 11:59:00 UTC",
            ],
        ),
    ],
)
def test_below_the_table_stands_what_was_run_last(standing: Standing, told: list[str]) -> None:
    notes = [", ".join(filter(None, note)) for note in status_notes(standing, a_target())]
    assert notes == ["database app on PostgreSQL 17.2", *told]


@pytest.mark.parametrize("address", ["", "javascript:alert(1)", "https://a.example/x) [y](z", "https://a.example/ x"])
def test_what_is_no_address_is_no_link(address: str) -> None:
    run = replace(RUN, run_url=address, outcome="applied")
    assert list(status_notes(Standing(last_run=run), a_target()))[1] == (
        f"last run: migrate, applied, 2026-11-22 12:00:00 UTC, by ada, {RUN.run_id}", ""
    )  # fmt: skip


def test_a_standby_is_told() -> None:
    text, _ = next(status_notes(Standing(), a_target(in_recovery=True)))
    assert text.endswith(", a standby")


# For programs


def document(files: list[MigrationFile], standing: Standing) -> dict[str, Any]:
    content = status_document(
        migrated_(files, standing, VersionOrder.AUTO),
        standing,
        plan=compare(files, standing.rows, VersionOrder.AUTO),
        target=a_target(),
        tracking_schema="public",
        context=a_context(),
        now=NOON,
    )
    told: dict[str, Any] = json.loads(json_text(content, lambda text: text.replace("hunter2", "***")))
    Draft202012Validator(SCHEMA).validate(told)
    return told


def test_the_document_tells_all_of_it() -> None:
    row = recorded(
        applied_at=NOON, applied_by="ada", execution_time_ms=340, run_id=RUN.run_id, down_kept=True, **OUTSIDE
    )
    done = replace(RUN, outcome="applied", finished_at=NOON)
    told = document(
        [a_migration_file(1), a_migration_file(2)],
        Standing(rows=(row,), environment="staging", last_run=done, holder=HOLDER),
    )
    assert {key: told[key] for key in ("version", "read_at", "environment", "current_version", "pending")} == {
        "version": VERSION,
        "read_at": "2026-11-22T12:00:00.000Z",
        "environment": "staging",
        "current_version": "01",
        "pending": ["02"],
    }
    assert told["migrations"][0] == {
        "version": "01",
        "name": "example",
        "path": "migrations/01_example.sql",
        "state": "completed",
        "drift": None,
        "down": "ledger",
        "applied_at": "2026-11-22T12:00:00.000Z",
        "applied_by": "ada",
        "duration_ms": 340,
        "transactional": False,
        "statements_total": 5,
        "statements_done": None,
        "error": None,
        "note": None,
        "run_id": RUN.run_id,
    }
    assert (told["last_run"]["outcome"], told["under_way"]["actor"]) == ("applied", "ada")


def test_a_document_of_nothing_is_one_too() -> None:
    told = document([], Standing())
    assert (told["environment"], told["migrations"], told["last_run"], told["under_way"]) == (None, [], None, None)


def test_nothing_in_a_document_is_a_secret_or_obeyed() -> None:
    row = recorded(status="failed", error_message="password hunter2 ##[error]no \x1b[2J \u202e")
    told = document([a_migration_file(1)], Standing(rows=(row,)))
    assert told["migrations"][0]["error"] == "password *** ##[error]no \x1b[2J \u202e"
    text = json_text({"error": row.error_message}, str)
    assert text.isascii()
    assert "##[" not in text
    assert "\x1b" not in text


def test_the_schema_knows_every_word_and_the_version_of_the_format() -> None:
    Draft202012Validator.check_schema(SCHEMA)
    of_one = SCHEMA["properties"]["migrations"]["items"]["properties"]
    assert of_one["state"]["enum"] == list(State)
    assert of_one["drift"]["enum"] == [*Change, None]
    assert of_one["down"]["enum"] == [*DownFrom, None]
    assert SCHEMA["properties"]["version"]["const"] == VERSION
    assert document([], Standing())["$schema"] == SCHEMA["$id"]


def test_the_page_knows_every_word() -> None:
    page = (Path(__file__).parents[2] / "docs" / "status.md").read_text()
    assert re.findall(r"^\| `([a-z ]+)` \|", page, flags=re.MULTILINE) == list(State)
    for words in CHANGES.values():
        assert f"`{words}`" in " ".join(page.split())


@pytest.mark.parametrize("name", ["status", "history"])
def test_the_schema_asks_for_every_key_and_no_other(name: str) -> None:
    def objects(schema: Any) -> Any:
        if isinstance(schema, dict):
            if "properties" in schema and isinstance(schema["properties"], dict) and "type" in schema:
                yield schema
            for inside in schema.values():
                yield from objects(inside)
        elif isinstance(schema, list):
            for inside in schema:
                yield from objects(inside)

    found = list(objects(json.loads((Path(__file__).parents[2] / "docs" / f"{name}.schema.json").read_text())))
    assert len(found) > 1
    for each in found:
        assert each["required"] == list(each["properties"])
        assert each["additionalProperties"] is False
