"""What the built image writes to GitHub, and leaves for the steps that follow."""

import json
import shutil

import docker
import pytest

from runner.resources import bundled
from tests.github_api import REPOSITORY, TOKEN, Answer, GitHubServer, github_server

from .github_events import Event, pull_request, push_tag
from .github_runner import Step, StepRun, Workspace


@pytest.fixture(autouse=True)
def example(workspace: Workspace) -> None:
    """The checkout."""
    shutil.copytree(bundled("examples/knowledge-workspace"), workspace.checkout, dirs_exist_ok=True)


def run(
    client: docker.DockerClient, image: str, workspace: Workspace, github: GitHubServer, event: Event, **inputs: str
) -> StepRun:
    """A step on a server of its own, which asks GitHub on this machine; keywords are inputs."""
    given = {"database-url": "embedded", "github-token": TOKEN}
    given |= {name.replace("_", "-"): value for name, value in inputs.items()}
    api = {"GITHUB_API_URL": github.url}
    step = Step(
        image=image, workspace=workspace, event=event, inputs=given, github=api, network="host", secrets=[TOKEN]
    )
    return step.run(client, timeout=120)


def test_a_tag_gets_its_release_and_later_steps_their_files(
    docker_client: docker.DockerClient, action_image: str, workspace: Workspace
) -> None:
    production = {"environment": "production", "review_delay": "0", "dry_run_mode": "preview"}
    with github_server() as github:
        github.tags.add("v1.2.3")
        github.release("v1.2.3", "Thanks to all!")
        done = run(
            docker_client, action_image, workspace, github, push_tag("v1.2.3"), create_release="true",
            confirmation="MIGRATE-PRODUCTION", **production,
        )  # fmt: skip
    assert done.succeeded, done.log
    [made] = github.releases
    assert made["body"].startswith("Thanks to all!\n")
    assert "### Database migrations in v1.2.3" in made["body"]
    assert done.outputs["release-url"] == made["html_url"]
    for name in ("plan", "report", "release-notes"):
        path = workspace.checkout / done.outputs[name]
        assert path.stat().st_uid == workspace.checkout.stat().st_uid, name
    report = json.loads((workspace.checkout / done.outputs["report"]).read_text())
    assert (report["outcome"], report["context"]["ref"]) == ("applied", "refs/tags/v1.2.3")
    assert "```mermaid\nerDiagram" in done.summary
    assert TOKEN not in done.published()


@pytest.mark.parametrize("right", [True, False])
def test_a_pull_request_gets_its_comment_where_that_is_allowed(
    docker_client: docker.DockerClient, action_image: str, workspace: Workspace, right: bool
) -> None:
    with github_server() as github:
        if not right:
            refused = {"message": "Resource not accessible by integration"}
            github.next_answers.append(Answer(status=403, body=refused, to="POST"))
        event = pull_request()
        done = run(docker_client, action_image, workspace, github, event, pr_comment="true", dry_run="true")
    assert done.succeeded, done.log
    assert [REPOSITORY in comment["html_url"] for comment in github.comments] == [True] * right
    warnings = [each.message for each in done.annotations if each.level == "warning"]
    assert any("pull-requests: write" in message for message in warnings) is not right
    assert TOKEN not in done.published()
