"""`command: check` in the built image, on the pull request event, as a repository's workflow would have it."""

import shutil
from collections.abc import Mapping
from pathlib import Path

import docker
import pytest

from runner.core.changes import PullRequest
from runner.resources import bundled
from tests.github_api import TOKEN, Origin, github_server

from .github_events import pull_request
from .github_runner import Step, StepRun, Workspace

EXAMPLE = bundled("examples/knowledge-workspace")
NEW = "migrations/08_invoices.sql"
SOUND = """\
-- Migration: Invoices
-- Purpose: Lets a workspace be billed.

CREATE TABLE invoices (
    id     BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    amount NUMERIC(12, 2) NOT NULL CHECK (amount > 0)
);

ALTER TABLE users
\tDROP COLUMN IF EXISTS "größe", DROP COLUMN IF EXISTS fax;
"""
UNDO = "DROP TABLE invoices;\n"


class PullRequests:
    """The example as a repository, and pull requests for it."""

    def __init__(self, client: docker.DockerClient, image: str, workspace: Workspace, folder: Path) -> None:
        self.client, self.image, self.workspace, self.folder = client, image, workspace, folder
        self.origin = Origin(folder / "origin")
        shutil.copytree(EXAMPLE, self.origin.path, dirs_exist_ok=True)
        self.origin.commit({"README.md": "# Knowledge workspace\n"})

    def open(self, changes: Mapping[str, str | None], *, depth: int = 2) -> PullRequest:
        """Open one with these changes, and check out GitHub's trial merge."""
        self.origin.branch_off("topic")
        self.origin.commit(changes, on="topic")
        pull = self.origin.pull("topic")
        checkout = self.origin.checkout(self.folder / "cloned", "refs/pull/7/merge", depth=depth)
        shutil.copytree(checkout, self.workspace.checkout, dirs_exist_ok=True)
        return pull

    def check(self, pull: PullRequest, *, github: Mapping[str, str] | None = None, **inputs: str) -> StepRun:
        """Run the action with `command: check`, without database and secret; keywords are inputs."""
        event = pull_request(head_sha=pull.head_sha, base_sha=pull.base_sha, merge_sha=pull.merge_sha)
        given = {"command": "check"} | {name.replace("_", "-"): value for name, value in inputs.items()}
        step = Step(
            image=self.image,
            workspace=self.workspace,
            event=event,
            inputs=given,
            github=github or {},
            network="host" if github else None,
            secrets=[TOKEN],
        )
        return step.run(self.client, timeout=120)


@pytest.fixture
def repository(
    docker_client: docker.DockerClient,
    action_image: str,
    workspace: Workspace,
    tmp_path_factory: pytest.TempPathFactory,
) -> PullRequests:
    return PullRequests(docker_client, action_image, workspace, tmp_path_factory.mktemp("repository"))


def test_a_sound_pull_request_passes_with_its_findings_in_place(repository: PullRequests) -> None:
    run = repository.check(repository.open({NEW: SOUND, NEW.replace(".sql", ".down.sql"): UNDO}))
    assert run.succeeded, run.log
    assert "8 migrations from zero on PostgreSQL 18" in run.log
    assert "1 undone and applied again" in run.log
    assert [(each.level, each.file, each.line, each.column) for each in run.annotations] == [
        ("warning", NEW, 10, 2), ("warning", NEW, 10, 33),
    ]  # fmt: skip
    assert "The check passed: 8 migrations run from zero, with 2 lint findings" in run.summary
    assert f"**{NEW.replace('_', chr(92) + '_')}**" in run.summary
    assert "[ban-drop-column](https://squawkhq.com/docs/ban-drop-column)" in run.summary
    assert run.outputs["outcome"] == "dry-run"


def test_what_the_base_branch_has_must_stay_as_it_is(repository: PullRequests) -> None:
    first = "migrations/01_knowledge_workspace_schema.sql"
    changes = {
        first: (EXAMPLE / first).read_text() + "\nDROP TABLE documents;\n",
        "migrations/06_seed_data.sql": None,
        "migrations/00_late.sql": "SELECT 1;\n",
        "migrations/05_taken.sql": "SELECT 1;\n",
        "migrations/08_broken.sql": "CREATE TABLE a ();\n\nBEGIN;\nSELECT 1;\n",
    }
    run = repository.check(repository.open(changes))
    assert not run.succeeded
    assert run.exit_code == 2
    errors = {(each.file, each.line) for each in run.annotations if each.level == "error"}
    assert errors >= {
        (first, 1),
        ("migrations/06_seed_data.sql", None),
        ("migrations/00_late.sql", 1),
        ("migrations/05_taken.sql", 1),
    }
    assert "from zero" not in run.log


def test_a_migration_that_fails_in_the_proof_is_annotated_in_place(repository: PullRequests) -> None:
    run = repository.check(repository.open({NEW: "CREATE TABLE a ();\n\n  ALTER TABLE nowhere ADD b int;\n"}))
    assert run.exit_code == 1
    [error] = [each for each in run.annotations if each.level == "error"]
    assert (error.file, error.line, error.column) == (NEW, 3, 3)
    assert 'relation "nowhere" does not exist' in error.message


def test_lint_refuses_when_it_is_asked_to(repository: PullRequests) -> None:
    pull = repository.open({NEW: SOUND})
    run = repository.check(pull, lint="error")
    assert run.exit_code == 3
    assert {(each.level, each.file) for each in run.annotations if each.file} == {("error", NEW)}
    assert repository.check(pull, lint="error", lint_exclude="ban-drop-column").succeeded


def test_without_history_github_is_asked_with_the_token_of_the_job(repository: PullRequests) -> None:
    pull = repository.open({"migrations/00_late.sql": "SELECT 1;\n"}, depth=1)
    with github_server(repository.origin) as github:
        run = repository.check(pull, github={"GITHUB_API_URL": github.url}, github_token=TOKEN)
    assert run.exit_code == 3, run.log
    assert ("error", "migrations/00_late.sql", 1) in {(each.level, each.file, each.line) for each in run.annotations}
    assert TOKEN not in run.published()
