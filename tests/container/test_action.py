"""The built image, run as GitHub's runner runs it."""

import json
from urllib.parse import quote

import pytest

from .action import Action
from .github_events import push, push_tag, workflow_dispatch

VERSIONS = [f"0{number}" for number in range(1, 8)]


def test_applies_the_example_and_then_finds_nothing_to_do(action: Action) -> None:
    first = action(push("main"), environment="staging")
    assert first.succeeded, first.log
    assert json.loads(first.outputs["applied"]) == VERSIONS
    assert {**first.outputs, "applied": "", "plan-digest": "", "restore-point": ""} == {
        "outcome": "applied", "applied": "", "applied-count": "7", "undone": "[]", "pending": "[]",
        "pending-count": "0", "current-version": "07", "plan-digest": "", "plan": "db-migrate-report/plan.json",
        "report": "db-migrate-report/report.json", "restore-point": "", "backup": "", "release-notes": "",
        "release-url": "",
    }  # fmt: skip
    assert first.outputs["restore-point"].startswith("db_migrate_")
    assert len(first.outputs["plan-digest"]) == 64
    assert "7 migrations applied to staging" in first.summary
    assert action.database.query("SELECT count(*), min(status), max(status) FROM schema_migrations") == [
        ["7", "completed", "completed"]
    ]
    assert action.database.query("SELECT actor, ref, environment, outcome FROM migration_runs") == [
        [push("main").actor, "refs/heads/main", "staging", "applied"]
    ]
    second = action(push("main"), environment="staging")
    assert second.succeeded
    assert (second.outputs["outcome"], second.outputs["applied"]) == ("up-to-date", "[]")


def test_refuses_an_edited_file_with_exit_code_4_and_changes_nothing(action: Action) -> None:
    assert action(push("main")).succeeded
    path = action.workspace.checkout / "migrations" / "01_knowledge_workspace_schema.sql"
    path.write_text(path.read_text() + "\nDROP TABLE documents;\n")
    state = "SELECT version, xmin FROM schema_migrations ORDER BY 1"
    before = action.database.query(state)
    run = action(push("main"))
    assert run.exit_code == 4
    assert run.outputs["outcome"] == "refused"
    [annotation] = run.annotations
    assert annotation.file == "migrations/01_knowledge_workspace_schema.sql"
    assert annotation.message.startswith(
        "Migration 01 checksum mismatch! File has been modified after being applied. This is unsafe."
    )
    assert action.database.query(state) == before


def test_a_failing_last_statement_leaves_nothing_and_is_annotated_in_place(action: Action) -> None:
    action.workspace.write(
        "migrations/08_invoices.sql",
        "CREATE TABLE invoices (id int);\n\nINSERT INTO invoices VALUES (1);\n\n  ALTER TABLE invoices ADD id int;\n",
    )
    run = action(push("main"))
    assert run.exit_code == 1
    assert run.outputs["outcome"] == "failed"
    assert json.loads(run.outputs["pending"]) == ["08"]
    [annotation] = [each for each in run.annotations if each.level == "error"]
    assert (annotation.level, annotation.file, annotation.line, annotation.column) == (
        "error", "migrations/08_invoices.sql", 5, 3,
    )  # fmt: skip
    assert action.database.query("SELECT to_regclass('invoices') IS NULL") == [["t"]]
    assert action.database.query("SELECT status FROM schema_migrations WHERE version = '08'") == [["failed"]]


def test_tells_everything_wrong_in_one_report_without_a_secret(action: Action) -> None:
    url = "postgresql://app:tr0ub4dor%&3@postgres:5432/app"
    run = action(push("main"), database_url=url, dry_run="yes", environment="Production", lock_timeout="soon")
    assert run.exit_code == 2
    messages = " ".join(annotation.message for annotation in run.annotations)
    for name in ("database-url", "dry-run", "environment", "lock-timeout"):
        assert f"{name}: " in messages
    assert "tr0ub4dor" not in run.published()


def test_a_missing_url_is_told_beside_a_wrong_boolean(action: Action) -> None:
    run = action(push("main"), database_url="", dry_run="yes")
    assert run.exit_code == 2
    for place in (run.log, run.summary, " ".join(annotation.message for annotation in run.annotations)):
        assert "database-url: is missing" in place
        assert "is neither true nor false" in place


@pytest.mark.parametrize("password", ["p@ss/w:rd", "pass%20word", "with ::error::inside", "ünïcödé'\"quotes"])
def test_a_password_is_nowhere_to_be_read(action: Action, password: str) -> None:
    url = f"postgresql://app:{quote(password, safe='')}@postgres:5432/{action.database.name}"
    run = action(push("main"), database_url=url)
    assert run.exit_code == 6
    assert "password authentication failed" in run.log
    assert password not in run.published()
    assert quote(password, safe="") not in run.published()


def test_a_tag_migrates_production_when_the_variable_confirms_it(action: Action) -> None:
    refused = action(push_tag("v1.2.3"), environment="production", review_delay="0")
    assert refused.exit_code == 3
    assert refused.outputs["outcome"] == "refused"
    assert action.database.query("SELECT to_regclass('schema_migrations') IS NULL") == [["t"]]
    confirmed = {"CONFIRM_PRODUCTION_MIGRATION": "true"}
    run = action(push_tag("v1.2.3"), confirmed, environment="production", review_delay="2s")
    assert run.succeeded, run.log
    assert "2 s left to cancel" in run.log
    assert "1 s left to cancel" in run.log
    assert run.outputs["applied-count"] == "7"
    assert action.database.query("SELECT ref FROM migration_runs") == [["refs/tags/v1.2.3"]]


def test_a_dispatched_production_run_is_a_dry_run_unless_told_otherwise(action: Action) -> None:
    given = {"environment": "production", "confirmation": "MIGRATE-PRODUCTION", "review_delay": "0"}
    run = action(workflow_dispatch({"confirmation": "MIGRATE-PRODUCTION"}), **given)
    assert run.succeeded
    assert run.outputs["outcome"] == "dry-run"
    assert action.database.query("SELECT to_regclass('schema_migrations') IS NULL") == [["t"]]
    run = action(workflow_dispatch({"dry-run": "false"}), dry_run="false", **given)
    assert run.outputs["outcome"] == "applied"


@pytest.mark.parametrize("signal", ["SIGINT", "SIGTERM"])
def test_cancelling_the_job_cancels_the_statement(action: Action, signal: str) -> None:
    action.workspace.write("migrations/08_slow.sql", "CREATE TABLE slow ();\nSELECT pg_sleep(60);\n")
    running = action.step(push("main"), verbose="true").start(action.client)
    running.wait_for_log("08_slow.sql: 2 statements")
    running.signal(signal)
    run = running.wait(timeout=6)
    assert run.exit_code == {"SIGINT": 130, "SIGTERM": 143}[signal]
    assert run.outputs["outcome"] == "cancelled"
    assert f"cancelled by {signal}" in run.summary
    assert action.database.query("SELECT to_regclass('slow') IS NULL") == [["t"]]
    assert action.database.query("SELECT status FROM schema_migrations WHERE version = '08'") == [["failed"]]
    assert action.database.query("SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(60)%'") == [["1"]]


def test_runs_on_its_own_embedded_server(action: Action) -> None:
    run = action(push("main"), database_url="embedded")
    assert run.succeeded, run.log
    assert run.outputs["applied-count"] == "7"


def test_shows_status_and_history(action: Action) -> None:
    action(push("main"), version="03", environment="staging")
    status = action(push("main"), command="status")
    assert status.succeeded
    assert json.loads(status.outputs["pending"]) == VERSIONS[3:]
    assert "knowledge_workspace_schema" in status.log
    history = action(push("main"), command="history")
    assert history.succeeded
    assert "success" in history.log
