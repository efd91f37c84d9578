"""The day after, in the built image: where a database stands, back from a release, joining, mending, serving."""

import json

import pytest

from .action import Action
from .github_events import push, push_tag, workflow_dispatch
from .github_runner import LABEL
from .test_production import QUICK, dump, errors

TAG = push_tag("v1.2.3")
CONFIRMED = {"CONFIRM_PRODUCTION_MIGRATION": "true"}
BY_HAND = workflow_dispatch()
LEDGER = "SELECT version FROM schema_migrations WHERE status = 'completed' ORDER BY version"
STAYING = [[f"0{number}"] for number in range(1, 6)]


def test_a_production_release_goes_back_from_a_checkout_without_its_files_and_forward_again(action: Action) -> None:
    assert action(TAG, CONFIRMED, version="05", **QUICK).succeeded
    before = dump_of_objects(action)
    assert action(TAG, CONFIRMED, **QUICK).succeeded
    files = {path: path.read_text() for path in (action.workspace.checkout / "migrations").glob("0[67]_*")}
    for path in files:
        path.unlink()
    refused = action(BY_HAND, command="rollback", to="05", dry_run="false", confirmation="MIGRATE-PRODUCTION", **QUICK)
    assert refused.exit_code == 3
    assert "phrase of a migration" in errors(refused)
    back = action(BY_HAND, command="rollback", to="05", dry_run="false", confirmation="ROLLBACK-PRODUCTION", **QUICK)
    assert back.succeeded, back.log
    assert (back.outputs["outcome"], json.loads(back.outputs["undone"])) == ("rolled-back", ["07", "06"])
    assert (back.outputs["current-version"], back.outputs["applied"]) == ("05", "[]")
    assert "2 migrations undone in production, back at 05" in back.summary
    assert action.database.query(LEDGER) == STAYING
    assert dump_of_objects(action) == before
    for path, text in files.items():
        path.write_text(text)
    again = action(TAG, CONFIRMED, **QUICK)
    assert json.loads(again.outputs["applied"]) == ["06", "07"]
    history = action(BY_HAND, command="history", environment="production")
    assert history.succeeded
    assert history.summary.count("| rollback |") == 2


def test_a_rollback_by_hand_is_a_dry_run_on_a_shadow_until_somebody_says_otherwise(action: Action) -> None:
    assert action(TAG, CONFIRMED, **QUICK).succeeded
    before = dump(action)
    tried = action(BY_HAND, command="rollback", steps="1", environment="production", shadow_database="embedded")
    assert tried.succeeded, tried.log
    assert tried.outputs["outcome"] == "dry-run"
    assert "1 migration would be undone in production" in tried.summary
    assert dump(action) == before


def test_a_database_joins_and_is_mended_and_tells_where_it_stands(action: Action) -> None:
    joined = action(push("main"), command="baseline", version="05", environment="staging")
    assert joined.succeeded, joined.log
    assert action.database.query(LEDGER) == STAYING
    path = action.workspace.checkout / "migrations" / "01_knowledge_workspace_schema.sql"
    path.write_text(f"-- a comment more\n{path.read_text()}")
    shown = action(push("main"), command="repair", environment="staging")
    assert shown.exit_code == 3
    assert "yes: true" in "\n".join(each.message for each in shown.annotations) + shown.summary
    mended = action(push("main"), command="repair", environment="staging", yes="true")
    assert mended.succeeded, mended.log
    status = action(push("main"), command="status", environment="staging", exit_code="true")
    assert status.exit_code == 1
    assert json.loads(status.outputs["pending"]) == ["06", "07"]
    assert "staging is at 05, 2 migrations pending" in status.summary


@pytest.mark.parametrize("argv", [["serve", "--help"], ["rollback", "--help"], ["convert", "--help"]])
def test_the_image_is_a_command_line_too(action: Action, argv: list[str]) -> None:
    output = action.client.containers.run(action.image, argv, remove=True, labels=[LABEL])
    assert b"Usage: db-migrate" in output


def dump_of_objects(action: Action) -> str:
    """The database as SQL, without the rows of the ledger's tables, which remember all that was done, and without where
    its sequences stand: numbers that were given are not given again.
    """
    text = "\n".join(line for line in dump(action).splitlines() if not line.startswith("SELECT pg_catalog.setval("))
    start, *tables = text.split("\nCOPY ")
    ours = ("public.schema_migrations", "public.migration_")
    return "\nCOPY ".join([start, *(table for table in tables if not table.startswith(ours))])
