"""Production, in the built image, as its workflow runs it: all stages, each gate on its own, failures, cancelling."""

import io
import json
import re
import tarfile

import pytest

from .action import Action
from .github_events import Event, pull_request, push, push_tag, workflow_dispatch
from .github_runner import StepRun

TAG = push_tag("v1.2.3")
CONFIRMED = {"CONFIRM_PRODUCTION_MIGRATION": "true"}
QUICK = {"environment": "production", "review_delay": "0", "dry_run_mode": "preview"}
STAGE = re.compile(r"^[✓–✗] ([a-z ]{14}) ", re.MULTILINE)
WAY_BACK = "db-migrate rollback --environment=production --to=0 --confirmation=ROLLBACK-PRODUCTION"
CLOSED = "closed daily 00:00-24:00 UTC"


def dump(action: Action) -> str:
    """The whole database as SQL."""
    service = action.database.service
    command = ["pg_dump", f"--username={service.user}", f"--dbname={action.database.name}"]
    result = service.container.exec_run(command, environment={"PGPASSWORD": service.password})
    assert result.exit_code == 0
    assert isinstance(result.output, bytes)
    lines = result.output.decode().splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))


def stages(run: StepRun) -> list[str]:
    """The names of the stages in the log, in their order."""
    return [name.rstrip() for name in STAGE.findall(run.log)]


def errors(run: StepRun) -> str:
    return "\n".join(each.message for each in run.annotations if each.level == "error")


def archived(name: str, data: bytes) -> bytes:
    """A file as a container takes it."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        entry = tarfile.TarInfo(name)
        entry.size = len(data)
        tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


# The happy path


def test_a_tag_goes_through_every_stage_in_order(action: Action) -> None:
    run = action(
        TAG, CONFIRMED, environment="production", review_delay="1s", smoke_tests="smoke-tests/*.sql", backup="schema",
        freeze_windows="daily 00:00-24:00 UTC",
    )  # fmt: skip
    assert run.succeeded, run.log
    assert stages(run) == [
        "files", "connect", "environment", "tag", "plan", "confirmation", "freeze windows", "health", "parse", "lint",
        "approved plan", "sessions", "dry run", "review window", "mutex", "backup", "restore point", "apply", "verify",
        "smoke tests", "release",
    ]  # fmt: skip
    assert "v1.2.3 is a version" in run.log
    assert "7 migrations executed on a shadow" in run.log
    assert run.outputs["outcome"] == "applied"
    assert action.database.query("SELECT environment FROM migration_environment") == [["production"]]
    recorded = "SELECT outcome, restore_point, ref, plan_digest FROM migration_runs"
    assert action.database.query(recorded) == [
        ["applied", run.outputs["restore-point"], "refs/tags/v1.2.3", run.outputs["plan-digest"]]
    ]
    assert re.fullmatch("db_migrate_[0-9a-f]{8}", run.outputs["restore-point"])
    workspace = action.workspace.checkout
    notes = (workspace / run.outputs["release-notes"]).read_text()
    assert notes.startswith("### Database migrations in v1.2.3")
    assert "+ table public.users" in notes
    backup = workspace / run.outputs["backup"]
    assert backup.read_bytes().startswith(b"PGDMP")
    assert backup.stat().st_uid == workspace.stat().st_uid
    assert "### Rollback" in run.summary


def test_a_second_tag_with_nothing_new_changes_nothing(action: Action) -> None:
    assert action(TAG, CONFIRMED, **QUICK).succeeded
    before = dump(action)
    run = action(push_tag("v1.2.4"), **QUICK)
    assert run.succeeded, run.log
    assert run.outputs["outcome"] == "up-to-date"
    assert dump(action) == before


def test_the_file_of_the_checkout_sets_values_and_locks_them(action: Action) -> None:
    action.workspace.write(
        "db-migrate.yml",
        "lock-timeout: 3s\nenvironments:\n  production:\n    freeze-windows: closed daily 00:00-24:00 UTC\n"
        "    locked: [freeze-windows, health]\n",
    )
    before = dump(action)
    loosened = action(TAG, CONFIRMED, **QUICK, freeze_windows="daily 00:00-24:00 UTC", health="off")
    assert loosened.exit_code == 2, loosened.log
    assert "freeze-windows: is locked here" in errors(loosened)
    assert "health: is locked here" in errors(loosened)
    [place] = {(each.file, each.line) for each in loosened.annotations if each.level == "error"}
    assert place == ("db-migrate.yml", 5)
    assert "freeze windows: " in errors(action(TAG, CONFIRMED, environment="production"))
    shown = action(TAG, command="config", environment="production", database_url="")
    assert shown.succeeded, shown.log
    assert "environments.production, db-migrate.yml:4, locked" in shown.log
    assert dump(action) == before


# Each gate, alone


@pytest.mark.parametrize(
    ("event", "env", "inputs", "gate", "way_out"),
    [
        (push(), CONFIRMED, {}, "tag: production is migrated by tags, and this run is of branch main", "v1.2.3"),
        (push_tag("v1.2"), CONFIRMED, {}, "tag: the tag v1.2 is not one of a version", "v1.2.3"),
        (push_tag("v1.2.3-rc.1"), CONFIRMED, {}, "tag: v1.2.3-rc.1 is a pre-release", "allow-prerelease"),
        (pull_request(), CONFIRMED, {}, "tag: production is not migrated by `pull_request`", "dry-run"),
        (TAG, {}, {}, "confirmation: production needs a confirmation", "MIGRATE-PRODUCTION"),
        (TAG, {}, {"confirmation": "migrate-production"}, "confirmation: the confirmation must be in capitals", ""),
        (
            workflow_dispatch(), CONFIRMED, {"dry_run": "false"},
            "confirmation: CONFIRM_PRODUCTION_MIGRATION does not confirm a run started by hand", "MIGRATE-PRODUCTION",
        ),
        (TAG, CONFIRMED, {"freeze_windows": CLOSED}, "freeze windows: ", "freeze-windows"),
        (TAG, CONFIRMED, {"approved_plan": "0" * 64}, "approved plan: this is not the plan that was approved", ""),
    ],
)  # fmt: skip
def test_a_gate_refuses_alone_and_nothing_is_written(
    action: Action, event: Event, env: dict[str, str], inputs: dict[str, str], gate: str, way_out: str
) -> None:
    before = dump(action)
    run = action(event, env, **QUICK, **inputs)
    assert run.exit_code == 3, run.log
    assert run.outputs["outcome"] == "refused"
    assert gate in errors(run)
    assert len([each for each in run.annotations if each.level == "error"]) == 1
    assert way_out in run.log
    assert gate.partition(": ")[2].partition(" `")[0] in run.summary.replace("\\", "")
    assert dump(action) == before


def test_a_staging_workflow_that_was_given_productions_url_gets_nowhere(action: Action) -> None:
    assert action(TAG, CONFIRMED, **QUICK, version="05").succeeded
    before = dump(action)
    run = action(push("main"), environment="staging")
    assert run.exit_code == 3
    assert "this database is production, and the run claims to be staging" in errors(run)
    assert "repair --set-environment staging" in run.log
    assert dump(action) == before
    repair = {"command": "repair", "set_environment": "staging", "yes": "true"}
    for event, env in ((push("main"), CONFIRMED), (workflow_dispatch(), CONFIRMED), (workflow_dispatch(), {})):
        assert action(event, env, **repair).exit_code == 3
        assert dump(action) == before
    assert action(workflow_dispatch(), **repair, confirmation="MIGRATE-PRODUCTION").succeeded
    assert action(push("main"), environment="staging").succeeded
    assert action.database.query("SELECT environment FROM migration_environment") == [["staging"]]


def test_a_sick_server_refuses_where_health_is_to_be_an_error(action: Action) -> None:
    action.database.query("CREATE TABLE old (a int); CREATE INDEX old_idx ON old (a)")
    action.database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'old_idx'::regclass")
    before = dump(action)
    run = action(TAG, CONFIRMED, **QUICK, health="error")
    assert run.exit_code == 3, run.log
    assert "health: " in errors(run)
    assert "old_idx" in run.log
    assert dump(action) == before


@pytest.mark.parametrize(
    ("sql", "inputs", "gate"),
    [
        ("ALTER TABLE users DROP COLUMN email;\n", {"lint": "error"}, "lint: "),
        ("CREATE INDEX CONCURRENTLY users_idx ON users (id);\n", {"transaction": "release"}, "transaction: "),
    ],
)
def test_a_gate_refuses_what_a_file_says(action: Action, sql: str, inputs: dict[str, str], gate: str) -> None:
    action.workspace.write("migrations/08_more.sql", sql)
    before = dump(action)
    run = action(TAG, CONFIRMED, **QUICK, **inputs)
    assert run.exit_code == 3
    assert gate in errors(run)
    assert dump(action) == before


def test_a_restore_point_that_is_required_must_be_one_that_the_role_may_make(action: Action) -> None:
    name, service = action.database.name, action.service
    role = f"deployer_{name[-6:]}"
    action.database.query(
        f"CREATE ROLE {role} LOGIN PASSWORD 'pw'; GRANT CREATE ON DATABASE \"{name}\" TO {role}; "
        f"GRANT CREATE ON SCHEMA public TO {role}"
    )
    url = service.url(name, user=role, password="pw")
    before = dump(action)
    run = action(TAG, CONFIRMED, **QUICK, database_url=url, restore_point="required")
    assert run.exit_code == 3, run.log
    assert "restore point: " in errors(run)
    assert "GRANT EXECUTE ON FUNCTION" in run.log
    assert dump(action) == before
    run = action(TAG, CONFIRMED, **QUICK, database_url=url)
    assert run.succeeded, run.log
    assert re.match(r"[0-9A-F]+/[0-9A-F]+ at \d{4}-", run.outputs["restore-point"])


def test_all_that_refuses_is_told_at_once(action: Action) -> None:
    run = action(TAG, {}, **QUICK, freeze_windows=CLOSED, approved_plan="0" * 64)
    assert run.exit_code == 3
    for gate in ("confirmation: ", "freeze windows: ", "approved plan: "):
        assert gate in errors(run)


# What goes wrong later


def test_a_failure_in_the_middle_tells_what_is_in_and_what_undoes_it(action: Action) -> None:
    action.workspace.write("migrations/08_wrong.sql", "CREATE TABLE late (id int);\nSELECT 1 / 0;\n")
    run = action(TAG, CONFIRMED, **QUICK)
    assert run.exit_code == 1
    assert json.loads(run.outputs["applied"]) == [f"0{number}" for number in range(1, 8)]
    assert json.loads(run.outputs["pending"]) == ["08"]
    assert action.database.query("SELECT to_regclass('late') IS NULL") == [["t"]]
    assert WAY_BACK in run.summary
    assert run.outputs["restore-point"] in run.summary.replace("\\", "")


@pytest.mark.parametrize("on_failure", ["fail", "rollback"])
def test_a_smoke_test_that_fails(action: Action, on_failure: str) -> None:
    action.workspace.write("smoke-tests/wrong.sql", "SELECT true;\n\nSELECT count(*) > 1000 FROM users;\n")
    run = action(TAG, CONFIRMED, **QUICK, smoke_tests="smoke-tests/*.sql", on_smoke_failure=on_failure)
    assert run.exit_code == 1, run.log
    [annotation] = [each for each in run.annotations if each.level == "error"]
    assert (annotation.file, annotation.line) == ("smoke-tests/wrong.sql", 3)
    applied, tables = json.loads(run.outputs["applied"]), action.database.query("SELECT to_regclass('users') IS NULL")
    outcome = action.database.query("SELECT outcome FROM migration_runs")
    if on_failure == "fail":
        assert (run.outputs["outcome"], len(applied), tables) == ("failed", 7, [["f"]])
        assert outcome == [["failed"]]
    else:
        assert (run.outputs["outcome"], applied, tables) == ("rolled-back", [], [["t"]])
        assert outcome == [["rolled-back"]]
        history = "SELECT action, status, count(*) FROM migration_history GROUP BY 1, 2 ORDER BY 1"
        assert action.database.query(history) == [["apply", "success", "7"], ["rollback", "success", "7"]]
        assert action(TAG, CONFIRMED, **QUICK).succeeded


def test_a_smoke_test_that_would_write_is_refused_before_anything_runs(action: Action) -> None:
    action.workspace.write("smoke-tests/writes.sql", "DELETE FROM users;\n")
    before = dump(action)
    run = action(TAG, CONFIRMED, **QUICK, smoke_tests="smoke-tests/*.sql")
    assert run.exit_code == 2
    assert "smoke-tests/writes.sql" in run.log
    assert dump(action) == before


def test_cancelling_in_the_review_window_executes_nothing(action: Action) -> None:
    before = dump(action)
    given = {**QUICK, "review_delay": "60s"}
    running = action.step(TAG, CONFIRMED, **given).start(action.client)
    running.wait_for_log("left to cancel")
    run = running.cancel()
    assert run.exit_code == 130
    assert run.outputs["outcome"] == "cancelled"
    assert "before a migration was executed" in run.summary
    assert dump(action) == before


def test_cancelling_while_a_migration_runs_keeps_what_is_complete(action: Action) -> None:
    action.workspace.write("migrations/08_slow.sql", "CREATE TABLE slow (id int);\nSELECT pg_sleep(60);\n")
    running = action.step(TAG, CONFIRMED, **QUICK, verbose="true").start(action.client)
    running.wait_for_log("08_slow.sql: 2 statements")
    run = running.cancel()
    assert run.exit_code == 130
    assert len(json.loads(run.outputs["applied"])) == 7
    assert action.database.query("SELECT to_regclass('slow') IS NULL") == [["t"]]
    assert WAY_BACK in run.summary


def test_the_backup_of_all_can_be_restored(action: Action) -> None:
    assert action(TAG, CONFIRMED, **QUICK, version="05").succeeded
    run = action(TAG, CONFIRMED, **QUICK, backup="dump", backup_path="out/before.dump")
    assert run.succeeded, run.log
    assert run.outputs["backup"] == "out/before.dump"
    file = action.workspace.checkout / "out/before.dump"
    assert file.stat().st_mode & 0o077 == 0
    service = action.service
    other = service.create_database()
    service.container.put_archive("/tmp", archived("before.dump", file.read_bytes()))
    restored = service.container.exec_run(
        ["pg_restore", f"--username={service.user}", f"--dbname={other.name}", "/tmp/before.dump"],
        environment={"PGPASSWORD": service.password},
    )
    assert restored.exit_code == 0, restored.output
    assert other.query("SELECT max(version) FROM schema_migrations WHERE status = 'completed'") == [["05"]]
