"""Dry runs in the built image, and the workflow in which one job plans and another runs what was approved."""

import json
import re
from pathlib import Path
from typing import Any

import docker
import pytest
import yaml

from runner.postgres.engine import LABEL as OF_A_SHADOW
from runner.resources import bundled

from .action import Action
from .github_events import push, push_tag, workflow_dispatch
from .github_runner import StepRun

EXAMPLE = bundled("examples/knowledge-workspace")
PHRASE = {"confirmation": "MIGRATE-PRODUCTION"}


def left_behind(client: docker.DockerClient) -> list[str]:
    """The containers of shadows that are still there."""
    return [str(each.name) for each in client.containers.list(all=True, filters={"label": OF_A_SHADOW})]


def test_a_container_beside_ours_gets_the_schema_and_is_gone_afterwards(action: Action, postgres_image: str) -> None:
    first = {"dry_run_mode": "preview", "version": "05", "review_delay": "0", **PHRASE}
    assert action(push_tag("v1.2.3"), environment="production", **first).succeeded
    before = action.database.query("SELECT relname, relfilenode, xmin FROM pg_class ORDER BY oid")
    action.workspace.write("migrations/08_role.sql", "ALTER TABLE users ADD COLUMN role text NOT NULL DEFAULT 'x';\n")
    run = action(push(), environment="production", dry_run="true", shadow_database=f"docker://{postgres_image}")
    assert run.succeeded, run.log
    assert "3 migrations executed on a shadow: PostgreSQL 17" in run.log
    assert postgres_image in run.log
    assert "ACCESS EXCLUSIVE on public.users" in run.log
    assert "+ column role text NOT NULL DEFAULT 'x'::text" in run.summary
    assert action.database.query("SELECT relname, relfilenode, xmin FROM pg_class ORDER BY oid") == before
    assert left_behind(action.client) == []


def test_nothing_is_left_behind_by_a_migration_that_fails(action: Action, postgres_image: str) -> None:
    action.workspace.write("migrations/08_wrong.sql", "ALTER TABLE userz ADD COLUMN role text;\n")
    run = action(push(), environment="production", dry_run="true", shadow_database=f"docker://{postgres_image}")
    assert run.exit_code == 1
    assert 'relation "userz" does not exist' in run.log
    [annotation] = [each for each in run.annotations if each.level == "error"]
    assert (annotation.file, annotation.line) == ("migrations/08_wrong.sql", 1)
    assert action.database.query("SELECT to_regclass('users') IS NULL") == [["t"]]
    assert left_behind(action.client) == []


@pytest.mark.parametrize("moment", ["starting a container", "08_slow"])
def test_nothing_is_left_behind_when_the_job_is_cancelled(action: Action, postgres_image: str, moment: str) -> None:
    action.workspace.write("migrations/08_slow.sql", "SELECT pg_sleep(60);\n")
    image = f"docker://{postgres_image}"
    given = {"environment": "production", "dry_run": "true", "shadow_database": image, "verbose": "true"}
    running = action.step(push(), **given).start(action.client)
    running.wait_for_log("starting a container")
    if moment == "08_slow":
        running.wait_for_log("08_slow.sql: 1 statement")
    running.signal("SIGTERM")
    run = running.wait(timeout=8)
    assert run.exit_code == 143
    assert run.outputs["outcome"] == "cancelled"
    assert left_behind(action.client) == []


def test_the_server_in_the_image_serves_when_no_image_can_be_had(action: Action) -> None:
    run = action(push(), environment="production", dry_run="true")
    assert run.succeeded, run.log
    assert "7 migrations executed on a shadow: PostgreSQL 18" in run.log


# One job plans, another runs what was approved


class Workflow:
    """approve-plan.yml, as one copies it: its action steps run as GitHub's runner runs them."""

    def __init__(self, action: Action) -> None:
        self.action = action
        path = bundled("examples/workflows/approve-plan.yml")
        self.jobs: dict[str, dict[str, Any]] = yaml.safe_load(path.read_text())["jobs"]
        self.values = {"secrets.DATABASE_URL": action.database.url}
        self.artifact = b""

    def plan(self) -> StepRun:
        """The first job: its outputs and artifact are there for the second."""
        job = self.jobs["plan"]
        step = self.migrating(job)
        run = self.run(step)
        self.values |= {f"steps.{step['id']}.outputs.{name}": value for name, value in run.outputs.items()}
        self.values |= {f"needs.plan.outputs.{name}": self.filled(text) for name, text in job["outputs"].items()}
        [upload] = [each for each in job["steps"] if each.get("name") == "Keep the plan"]
        self.artifact = (self.action.workspace.checkout / self.filled(upload["with"]["path"])).read_bytes()
        return run

    def migrate(self) -> StepRun:
        """The second job, which has a checkout of its own, once it was approved."""
        job = self.jobs["migrate"]
        assert self.values["needs.plan.outputs.plan-digest"]
        [download] = [each for each in job["steps"] if each.get("uses", "").startswith("actions/download-artifact")]
        folder = self.action.workspace.checkout / download["with"]["path"]
        folder.mkdir()
        (folder / "plan.json").write_bytes(self.artifact)
        return self.run(self.migrating(job))

    def run(self, step: dict[str, Any]) -> StepRun:
        inputs = {name.replace("-", "_"): self.filled(value) for name, value in step["with"].items()}
        return self.action(workflow_dispatch({}), **inputs, review_delay="0")

    def migrating(self, job: dict[str, Any]) -> dict[str, Any]:
        [step] = [each for each in job["steps"] if each.get("uses", "").startswith("org/db-migrate-action")]
        return dict(step)

    def filled(self, text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: self.values[found[1]], text)


def test_what_was_approved_runs(action: Action) -> None:
    workflow = Workflow(action)
    plan = workflow.plan()
    assert plan.succeeded, plan.log
    assert plan.outputs["plan"] == "db-migrate-report/plan.json"
    assert f"Plan digest `{plan.outputs['plan-digest']}`" in plan.summary
    assert action.database.query("SELECT to_regclass('schema_migrations') IS NULL") == [["t"]]
    run = workflow.migrate()
    assert run.succeeded, run.log
    assert run.outputs["applied-count"] == "7"
    assert action.database.query("SELECT plan_digest FROM migration_runs") == [[plan.outputs["plan-digest"]]]


def test_a_file_that_was_pushed_between_the_two_jobs_does_not_run(action: Action) -> None:
    workflow = Workflow(action)
    workflow.plan()
    action.workspace.write("migrations/08_admin.sql", "CREATE ROLE attacker SUPERUSER LOGIN PASSWORD 'x';\n")
    run = workflow.migrate()
    assert run.exit_code == 3
    assert "this is not the plan that was approved: migrations/08_admin.sql is new" in run.log
    assert json.loads(run.outputs["applied"]) == []
    assert action.database.query("SELECT to_regclass('schema_migrations') IS NULL") == [["t"]]
    assert action.database.query("SELECT count(*) FROM pg_roles WHERE rolname = 'attacker'") == [["0"]]


def test_an_output_that_did_not_arrive_does_not_open_the_gate(action: Action) -> None:
    run = action(push(), environment="production", approved_plan="", review_delay="0", **PHRASE)
    assert run.exit_code == 2
    assert "approved-plan: it is empty" in run.log
    assert action.database.query("SELECT to_regclass('schema_migrations') IS NULL") == [["t"]]


def test_the_plan_belongs_to_the_owner_of_the_workspace(action: Action) -> None:
    action(push(), dry_run="true")
    workspace = action.workspace.checkout
    for path in (workspace / "db-migrate-report", workspace / "db-migrate-report/plan.json"):
        assert owner(path) == owner(workspace)


def owner(path: Path) -> tuple[int, int]:
    return path.stat().st_uid, path.stat().st_gid
