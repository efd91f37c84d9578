"""The report as JSON: what stands for what, what is hidden, and what is left out of too much."""

import json
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import PurePosixPath
from typing import Any

import pytest

from runner.core.impact import impacts_of
from runner.core.migration import Migration
from runner.core.model import DryRunMode, Report, SourceFile, StageResult, StageState
from runner.core.report_document import LONGEST, MOST, MOST_INSIDE, report_document, report_json
from runner.core.schema import schema_of
from runner.core.schema_diff import schema_difference
from runner.core.steps import LockHeld, Session, SmokeResult, SmokeTest, Undoing, Watched
from runner.core.table import Table
from runner.core.trial import DryRun, LockTaken, Rehearsed, SequenceMoved, TableFacts, Trace
from runner.errors import Finding, Level, Outcome
from runner.secrets import Scrubber
from tests.builders import a_context, a_migration, a_plan, a_report, a_step
from tests.test_render import report_that_says

ONE = a_migration(1)
TOO_MANY = MOST + 10


def document(report: Report) -> dict[str, Any]:
    return report_document(report, str)


def numbered(count: int) -> list[Migration]:
    """Migrations 00000, 00001 …, all with one content."""
    return [replace(ONE, file=replace(ONE.file, version=f"{number:05d}")) for number in range(count)]


# What stands for what


@pytest.mark.parametrize(
    ("report", "status"),
    [
        (a_report(migrations=[ONE]), "pending"),
        (a_report(migrations=[ONE], steps=[a_step(ONE)]), "applied"),
        (a_report(migrations=[ONE], steps=[a_step(ONE, failure="it broke")]), "failed"),
        (a_report(migrations=[ONE], steps=[a_step(ONE)], undoing=Undoing(steps=(a_step(ONE),))), "undone"),
        (a_report(migrations=[ONE], rehearsed=[a_step(ONE)]), "proved"),
        (a_report(migrations=[ONE], rehearsed=[a_step(ONE, failure="it broke")]), "failed"),
    ],
    ids=["not-reached", "applied", "failed", "undone", "proved", "failed-in-the-proof"],
)
def test_the_status_of_a_migration_is_what_the_run_made_of_it(report: Report, status: str) -> None:
    (migration,) = document(report)["migrations"]
    assert migration["status"] == status
    assert (migration["result"] is None) == (status == "pending")


def test_a_moment_inside_of_the_run_is_told_by_the_clock() -> None:
    after = timedelta(seconds=1.5)
    stage = StageResult(name="apply", state=StageState.OK, note="", duration=timedelta(), started=after)
    told = document(a_report(migrations=[ONE], steps=[a_step(ONE, started=after)], stages=[stage]))
    assert told["stages"][0]["started_at"] == "2026-11-22T12:00:01.500Z"
    assert told["migrations"][0]["result"]["started_at"] == "2026-11-22T12:00:01.500Z"


def test_a_proof_was_not_timed_by_the_clock() -> None:
    told = document(a_report(migrations=[ONE], rehearsed=[a_step(ONE)]))
    assert told["migrations"][0]["result"]["started_at"] is None


def test_a_time_is_in_utc_wherever_the_clock_is() -> None:
    moment = datetime(2026, 11, 22, 14, 0, 0, 123_999, tzinfo=timezone(timedelta(hours=2)))
    assert document(a_report(started_at=moment))["started_at"] == "2026-11-22T12:00:00.123Z"


def test_a_duration_is_in_whole_milliseconds() -> None:
    told = document(a_report(duration=timedelta(microseconds=1_234_567)))["duration_ms"]
    assert (told, type(told)) == (1235, int)


def test_what_is_pending_is_not_known_without_a_plan() -> None:
    assert document(a_report())["pending"] is None
    assert document(a_report(plan=a_plan()))["pending"] == []


def test_a_schema_that_did_not_change_is_not_one_that_was_not_seen() -> None:
    nothing = schema_difference(schema_of([]), schema_of([]))
    assert document(a_report())["schema_change"] is None
    assert document(a_report(schema=nothing))["schema_change"]["lines"] == []


@pytest.mark.parametrize(
    ("mode", "left_out", "took"),
    [
        (DryRunMode.REHEARSE, "", 3),
        (DryRunMode.REHEARSE, "it needs rows", None),
        (DryRunMode.SHADOW, "", None),
    ],
)
def test_only_a_rehearsal_on_the_rows_that_there_are_tells_how_long_a_statement_takes(
    mode: DryRunMode, left_out: str, took: int | None
) -> None:
    trace = Trace(line=1, sql="SELECT", duration=timedelta(milliseconds=3), rows=3, scanned=("t",), left_out=left_out)
    impacts = impacts_of([Rehearsed(migration=ONE, traces=(trace,))], {})
    (impact,) = document(a_report(dry_run=DryRun(mode=mode, impacts=impacts)))["dry_run"]["impacts"]
    assert (impact["duration_ms"], impact["rows"]) == (took, took)


def test_a_preview_has_no_verdict() -> None:
    preview, shadow = (DryRun(mode=mode) for mode in (DryRunMode.PREVIEW, DryRunMode.SHADOW))
    assert document(a_report(dry_run=preview))["dry_run"]["verdict"] is None
    assert document(a_report(dry_run=shadow))["dry_run"]["verdict"]


def test_a_lock_tells_whether_others_can_write_meanwhile() -> None:
    modes = ("AccessExclusiveLock", "ShareUpdateExclusiveLock")
    locks = tuple(LockHeld(relation="public.t", mode=mode, duration=timedelta(seconds=1)) for mode in modes)
    told = document(a_report(watched=Watched(locks=locks)))["watched"]["locks"]
    assert [(lock["mode"], lock["blocks_writes"]) for lock in told] == [
        ("ACCESS EXCLUSIVE", True),
        ("SHARE UPDATE EXCLUSIVE", False),
    ]


def test_a_table_is_told_in_bytes_rows_and_writes() -> None:
    facts = TableFacts(name="public.t", size=8192, rows=17, writes=1.5)
    trace = Trace(line=1, sql="SELECT", scanned=("public.t",))
    impacts = impacts_of([Rehearsed(migration=ONE, traces=(trace,))], {"public.t": facts})
    (impact,) = document(a_report(dry_run=DryRun(mode=DryRunMode.SHADOW, impacts=impacts)))["dry_run"]["impacts"]
    assert impact["tables"] == [
        {"name": "public.t", "size_bytes": 8192, "rows": 17, "writes_per_second": 1.5, "empty": False}
    ]


def test_a_migration_that_was_left_out_of_a_dry_run_took_no_time() -> None:
    results = (Rehearsed(migration=ONE), Rehearsed(migration=ONE, left_out="it is a transaction of its own"))
    told = document(a_report(dry_run=DryRun(mode=DryRunMode.REHEARSE, rehearsed=results)))["dry_run"]["migrations"]
    assert [(result["executed"], result["duration_ms"]) for result in told] == [(True, 0), (False, None)]


def test_a_smoke_test_has_passed_unless_something_failed() -> None:
    source = SourceFile(path=PurePosixPath("smoke-tests/users.sql"), data=b"SELECT true;")
    passed = SmokeResult(test=SmokeTest(source=source, statements=()), duration=timedelta(milliseconds=4))
    told = document(a_report(smoke=[passed, replace(passed, failure=Finding("it is false"))]))["smoke_tests"]
    assert [result["passed"] for result in told] == [True, False]


@pytest.mark.parametrize(
    ("pages", "schema"),
    [
        (
            "https://github.com/org/db-migrate-action/blob/v1.2.3/docs",
            "https://github.com/org/db-migrate-action/raw/v1.2.3/docs/report.schema.json",
        ),
        (
            "https://git.example.com/a/b/blob/releases/blob/1/docs",
            "https://git.example.com/a/b/raw/releases/blob/1/docs/report.schema.json",
        ),
    ],
)
def test_it_names_the_schema_of_the_actions_version(pages: str, schema: str) -> None:
    assert document(a_report(context=a_context(docs_url=pages)))["$schema"] == schema


def test_the_text_is_the_document() -> None:
    report = a_report(findings=[Finding("größer → ☃")])
    text = report_json(report, str)
    assert text.endswith("}\n")
    assert "größer → ☃" in text
    assert json.loads(text) == document(report)


def test_a_text_that_is_no_text_can_be_written() -> None:
    report = a_report(findings=[Finding("odd", path=PurePosixPath("migrations/01_\udcff.sql"))])
    assert json.loads(report_json(report, str).encode())["findings"][0]["path"] == r"migrations/01_\udcff.sql"


# Secrets


def texts_of(value: object) -> list[str]:
    match value:
        case dict():
            return [text for each in value.values() for text in texts_of(each)]
        case list():
            return [text for each in value for text in texts_of(each)]
    return [value] if isinstance(value, str) else []


def test_a_secret_is_hidden_in_every_place() -> None:
    report = report_that_says("denied for s3cret there")
    said = [text for text in texts_of(document(report)) if "s3cret" in text]
    scrubbed = texts_of(report_document(report, Scrubber(["s3cret"])))
    assert len(said) > 30
    assert not [text for text in scrubbed if "s3cret" in text]
    assert len([text for text in scrubbed if "denied for *** there" in text]) == len(said)


def test_a_word_of_ours_is_told_even_when_it_is_somebodys_password() -> None:
    told = report_document(a_report(findings=[Finding("the password applied fails")]), Scrubber(["applied", "error"]))
    assert (told["outcome"], told["findings"][0]["level"]) == ("applied", "error")
    assert told["findings"][0]["message"] == "the password *** fails"


def test_a_secret_where_a_text_is_cut_is_hidden_whole() -> None:
    report = a_report(findings=[Finding("x" * (LONGEST - 4) + "s3cret, and more" + "y" * 10)])
    assert "s3" not in report_document(report, Scrubber(["s3cret"]))["findings"][0]["message"]


# Too much


def test_a_long_text_is_cut() -> None:
    long, longest = (document(a_report(findings=[Finding("x" * n)]))["findings"] for n in (LONGEST + 1, LONGEST))
    assert long[0]["message"] == "x" * (LONGEST - 1) + "…"
    assert longest[0]["message"] == "x" * LONGEST


def test_of_too_many_findings_the_worst_are_told_in_their_order() -> None:
    levels = [Level.NOTICE, *[Level.WARNING] * MOST, Level.ERROR]
    told = document(a_report(findings=[Finding(f"{n}", level=level) for n, level in enumerate(levels)]))
    assert [finding["message"] for finding in told["findings"]] == [
        *(str(n) for n in range(1, MOST)),
        str(MOST + 1),
    ]
    assert told["findings_left_out"] == 2


def test_as_many_as_there_is_room_for_are_all_told() -> None:
    told = document(a_report(findings=[Finding("x")] * MOST))
    assert (len(told["findings"]), told["findings_left_out"]) == (MOST, 0)


def test_of_too_many_migrations_the_one_that_failed_is_told_and_every_version_is() -> None:
    migrations = numbered(TOO_MANY)
    steps = [*map(a_step, migrations[:-2]), a_step(migrations[-2], failure="it broke")]
    plan = replace(a_plan(), pending=tuple(migration.file for migration in migrations))
    told = document(a_report(Outcome.FAILED, plan=plan, migrations=migrations, steps=steps))
    assert [migration["status"] for migration in told["migrations"]] == ["applied"] * (MOST - 1) + ["failed"]
    assert told["migrations_left_out"] == 10
    assert told["applied"] + told["pending"] == [migration.version for migration in migrations]


def test_of_too_many_impacts_the_one_that_stops_others_is_told() -> None:
    strong = LockTaken(relation="public.t", mode="AccessExclusiveLock")
    traces = [Trace(line=n, sql="SELECT", locks=(strong,)) for n in range(1, TOO_MANY)]
    worst = Trace(line=TOO_MANY, sql="SELECT", locks=(strong,), rewritten=("public.t",))
    impacts = impacts_of([Rehearsed(migration=ONE, traces=(*traces, worst))], {})
    told = document(a_report(dry_run=DryRun(mode=DryRunMode.SHADOW, impacts=impacts)))["dry_run"]
    assert [impact["line"] for impact in told["impacts"]] == [*range(1, MOST), TOO_MANY]
    assert told["impacts_left_out"] == 10


def test_of_too_many_tried_migrations_the_one_that_failed_is_told() -> None:
    migrations = numbered(TOO_MANY)
    results = [*(Rehearsed(migration=each) for each in migrations), Rehearsed(migration=ONE, failure=Finding("x"))]
    told = document(a_report(dry_run=DryRun(mode=DryRunMode.REHEARSE, rehearsed=tuple(results))))["dry_run"]
    assert [result["version"] for result in told["migrations"][-2:]] == [f"{MOST - 2:05d}", ONE.version]


def test_of_too_many_sequences_those_that_give_numbers_again_are_told() -> None:
    moved = [SequenceMoved(name=f"s{number}", before=1, after=2) for number in range(TOO_MANY)]
    back = SequenceMoved(name="back", before=2, after=1)
    told = document(a_report(dry_run=DryRun(mode=DryRunMode.REHEARSE, moved=(*moved, back))))["dry_run"]
    assert [sequence["backwards"] for sequence in told["sequences_moved"][-2:]] == [False, True]


def test_of_a_statement_that_locks_many_tables_some_are_told() -> None:
    locks = tuple(LockTaken(relation=f"t{n}", mode="AccessExclusiveLock") for n in range(MOST_INSIDE + 3))
    trace = Trace(line=1, sql="TRUNCATE", locks=locks, emptied=tuple(lock.relation for lock in locks))
    impacts = impacts_of([Rehearsed(migration=ONE, traces=(trace,))], {})
    (told,) = document(a_report(dry_run=DryRun(mode=DryRunMode.SHADOW, impacts=impacts)))["dry_run"]["impacts"]
    assert (len(told["locks"]), told["locks_left_out"]) == (MOST_INSIDE, 3)
    assert (len(told["work"]), told["work_left_out"]) == (MOST_INSIDE, 3)


def test_of_many_sessions_in_the_way_some_are_told() -> None:
    step = a_step(ONE, failure="it waited", in_the_way=tuple(Session(pid=pid) for pid in range(1, 10)))
    result = document(a_report(migrations=[ONE], steps=[step]))["migrations"][0]["result"]
    assert [session["pid"] for session in result["in_the_way"]] == [1, 2, 3, 4, 5]
    assert result["in_the_way_left_out"] == 4


def test_of_a_long_table_what_is_not_simply_completed_is_told() -> None:
    rows = [(f"{n}", "completed") for n in range(TOO_MANY)] + [("last", "pending")]
    told = document(a_report(table=Table(headings=("version", "state"), rows=tuple(rows))))["table"]
    assert told["rows"][-2:] == [[f"{MOST - 2}", "completed"], ["last", "pending"]]
    assert told["rows_left_out"] == 11
