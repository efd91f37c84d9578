"""Who runs this, from where, for what."""

import json
from pathlib import Path

import pytest

from runner.github.event import run_context

GITHUB = {
    "GITHUB_ACTOR": "ada",
    "GITHUB_TRIGGERING_ACTOR": "grace",
    "GITHUB_REPOSITORY": "acme/app",
    "GITHUB_REF": "refs/tags/v1.2.3",
    "GITHUB_SHA": "0123abc",
    "GITHUB_RUN_ID": "42",
    "GITHUB_RUN_ATTEMPT": "2",
    "GITHUB_SERVER_URL": "https://github.example",
    "GITHUB_EVENT_NAME": "push",
    "USER": "root",
}


def test_reads_what_the_runner_sets() -> None:
    context = run_context(GITHUB)
    assert (context.actor, context.triggering_actor, context.repository) == ("ada", "grace", "acme/app")
    assert (context.ref, context.sha, context.event, context.run_attempt) == ("refs/tags/v1.2.3", "0123abc", "push", 2)
    assert context.run_url == "https://github.example/acme/app/actions/runs/42/attempts/2"
    assert context.source_url == "https://github.example/acme/app/blob/0123abc"


def test_outside_of_github_only_the_user_is_known() -> None:
    context = run_context({"USER": "ada"})
    assert (context.actor, context.run_url, context.source_url, context.event) == ("ada", "", "", "")
    assert context.run_attempt is None


def test_links_to_github_unless_another_server_is_named() -> None:
    context = run_context({"GITHUB_REPOSITORY": "acme/app", "GITHUB_RUN_ID": "42", "GITHUB_SHA": "0123abc"})
    assert context.run_url == "https://github.com/acme/app/actions/runs/42"
    assert context.source_url == "https://github.com/acme/app/blob/0123abc"


@pytest.mark.parametrize(
    "known", [{"GITHUB_REPOSITORY": "acme/app"}, {"GITHUB_RUN_ID": "42"}], ids=["repository", "run"]
)
def test_half_an_address_is_not_linked(known: dict[str, str]) -> None:
    assert (run_context(known).run_url, run_context(known).source_url) == ("", "")


def test_somebody_always_acts() -> None:
    assert run_context({}).actor == run_context({"GITHUB_ACTOR": "", "USER": ""}).actor == "unknown"


@pytest.mark.parametrize(
    ("event", "manual"),
    [("workflow_dispatch", True), ("push", False), ("repository_dispatch", False), ("schedule", False), ("", False)],
)
def test_only_githubs_form_is_a_run_by_hand(event: str, manual: bool) -> None:
    assert run_context({"GITHUB_EVENT_NAME": event}).manual is manual


@pytest.mark.parametrize("attempt", ["", "first", "-1"])
def test_an_attempt_that_is_no_number_is_unknown(attempt: str) -> None:
    assert run_context({"GITHUB_RUN_ATTEMPT": attempt}).run_attempt is None


def test_each_run_has_an_id_of_its_own() -> None:
    assert run_context(GITHUB).run_id != run_context(GITHUB).run_id


def test_a_commit_without_a_repository_is_not_linked() -> None:
    assert run_context({"GITHUB_SHA": "0123abc"}).source_url == ""


@pytest.mark.parametrize(("event", "activity"), [("release", "deleted"), ("push", "")])
def test_what_happened_to_a_release_is_read_from_its_event(tmp_path: Path, event: str, activity: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(json.dumps({"action": "deleted", "release": {}}))
    assert run_context({"GITHUB_EVENT_NAME": event, "GITHUB_EVENT_PATH": str(path)}).activity == activity


@pytest.mark.parametrize("text", ["", "[]", '{"action": 1}', "\xff"])
def test_an_event_that_does_not_tell_is_no_problem(tmp_path: Path, text: str) -> None:
    path = tmp_path / "event.json"
    path.write_text(text, encoding="latin-1")
    assert run_context({"GITHUB_EVENT_NAME": "release", "GITHUB_EVENT_PATH": str(path)}).activity == ""
