"""The pull request of an event, and its files as GitHub tells them: the same as git would."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from runner.core.changes import PullRequest, Trees, changes_of
from runner.errors import InputError
from runner.git_history import locate, trees_from_git
from runner.github.client import GitHub
from runner.github.pull_request import read_pull_request, trees_from_github
from tests.container.github_events import BEFORE, SHA, pull_request, push
from tests.github_api import REPOSITORY, TOKEN, Answer, GitHubServer, Origin, github_server

FOLDER = PurePosixPath("db/migrations")
MERGE = "c" * 40


def environ(tmp_path: Path, payload: object = None, **others: str) -> dict[str, str]:
    event = pull_request()
    path = tmp_path / "event.json"
    path.write_text(payload if isinstance(payload, str) else json.dumps(payload or event.payload))
    return event.variables() | {"GITHUB_SHA": MERGE, "GITHUB_EVENT_PATH": str(path)} | others


def test_reads_the_event(tmp_path: Path) -> None:
    assert read_pull_request(environ(tmp_path)) == PullRequest(
        number=7, repository=REPOSITORY, base_ref="main", base_sha=BEFORE, head_sha=SHA, merge_sha=MERGE
    )


def test_a_target_event_runs_for_no_merge(tmp_path: Path) -> None:
    pull = read_pull_request(environ(tmp_path, GITHUB_EVENT_NAME="pull_request_target", GITHUB_REF="refs/heads/main"))
    assert pull
    assert (pull.head_sha, pull.merge_sha) == (SHA, "")


def test_a_repository_may_be_named_with_dots(tmp_path: Path) -> None:
    payload = event_without("repository", "full_name", put="octo-org/.github")
    pull = read_pull_request(environ(tmp_path, payload))
    assert pull
    assert pull.repository == "octo-org/.github"


@pytest.mark.parametrize("variables", [push().variables(), {"GITHUB_EVENT_NAME": "merge_group"}, {}])
def test_other_events_have_no_pull_request(variables: Mapping[str, str]) -> None:
    assert read_pull_request(variables) is None


def event_without(*keys: str, put: object = None) -> dict[str, Any]:
    payload: dict[str, Any] = json.loads(json.dumps(pull_request().payload))
    place = payload
    for key in keys[:-1]:
        place = place[key]
    place[keys[-1]] = put
    return payload


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        (event_without("pull_request"), "no usable pull_request.number"),
        (event_without("pull_request", "number", put="7"), "no usable pull_request.number"),
        (event_without("pull_request", "number", put=True), "no usable pull_request.number"),
        (event_without("pull_request", "base"), "no usable pull_request.base.ref"),
        (event_without("pull_request", "base", "sha"), "no usable pull_request.base.sha"),
        (event_without("pull_request", "head", put=[]), "no usable pull_request.head.sha"),
        (event_without("pull_request", "head", "sha", put="../../x"), "no usable pull_request.head.sha"),
        (event_without("repository"), "no usable repository.full_name"),
        (event_without("repository", "full_name", put="shop?x="), "no usable repository.full_name"),
        (event_without("repository", "full_name", put="../shop"), "no usable repository.full_name"),
        (event_without("repository", "full_name", put="octo-org/.."), "no usable repository.full_name"),
        ([], "no usable pull_request.number"),
        ("{", "the event is not JSON"),
        pytest.param("[" * 100_000, "the event is not JSON", id="a-deep-one"),
        ("\udcff".encode(errors="surrogateescape").decode("latin-1"), "the event is not JSON"),
    ],
)
def test_says_what_is_wrong_with_an_event(payload: object, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as caught:
        read_pull_request(environ(tmp_path, payload or "[]"))
    assert caught.value.findings[0].hint


@pytest.mark.parametrize(
    ("path", "message"), [("", "the variable is not set"), ("/nowhere/event.json", "No such file"), (".", "directory")]
)
def test_says_that_there_is_no_event(path: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message):
        read_pull_request(environ(tmp_path, GITHUB_EVENT_PATH=path))


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    """The branch `feature` leaves `main`, changes 02 and adds 03 twice; `main` goes on with 04."""
    origin = Origin(tmp_path / "origin")
    origin.commit({f"{FOLDER}/01_ä.sql": "SELECT 1;", f"{FOLDER}/02_b.sql": "SELECT 2;", "README.md": "a shop"})
    origin.branch_off("feature")
    origin.commit({f"{FOLDER}/03_c.sql": "SELECT 3;", f"{FOLDER}/02_b.sql": "SELECT 22;"}, on="feature")
    origin.commit({f"{FOLDER}/03_d.sql": "SELECT 3;", f"{FOLDER}/data/04_e.sql": "SELECT 4;"}, on="feature")
    origin.commit({f"{FOLDER}/04_of_others.sql": "SELECT 4;"})
    return origin


@pytest.fixture
def server(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with github_server(origin) as server:
        yield server


def asked(server: GitHubServer, pull: PullRequest, folder: PurePosixPath = FOLDER, *, token: str = TOKEN) -> Trees:
    with GitHub(token, api_url=server.url, pause=lambda _: None) as github:
        return trees_from_github(github, pull, [folder])


def test_github_says_the_same_as_git(server: GitHubServer, origin: Origin, tmp_path: Path) -> None:
    pull = origin.pull("feature")
    of_head = origin.checkout(tmp_path / "head", pull.head_sha)
    trees = asked(server, pull)
    assert trees == trees_from_git(pull, locate(of_head, FOLDER))
    of_merge = origin.checkout(tmp_path / "merge", "refs/pull/7/merge", depth=2)
    merged = trees_from_git(pull, locate(of_merge, FOLDER))
    assert merged
    assert changes_of(trees) == changes_of(merged)
    assert changes_of(trees).touched == ("02_b.sql", "03_c.sql", "03_d.sql")


@pytest.mark.parametrize("folder", [".", "db", "db/migrations/data", "nowhere", "README.md", "README.md/x"])
def test_every_folder_is_found_as_git_finds_it(
    folder: str, server: GitHubServer, origin: Origin, tmp_path: Path
) -> None:
    pull = origin.pull("feature")
    place = locate(origin.checkout(tmp_path / "checkout", pull.head_sha), PurePosixPath(folder))
    assert asked(server, pull, place.folder) == trees_from_git(pull, place)


def test_links_are_followed_as_in_git(server: GitHubServer, origin: Origin, tmp_path: Path) -> None:
    origin.commit(
        {
            "shared/b.sql": "SELECT 2;",
            "elsewhere": Path("shared"),
            "named": Path("db"),
            f"{FOLDER}/05_direct.sql": Path("../../shared/b.sql"),
            f"{FOLDER}/06_chain.sql": Path("../../elsewhere/b.sql"),
            f"{FOLDER}/07_nowhere.sql": Path("/etc/hostname"),
        }
    )
    origin.branch_off("sly")
    origin.commit({"shared/b.sql": "SELECT 22;"}, on="sly")
    pull = origin.pull("sly", number=8)
    folder = PurePosixPath("named/migrations")
    place = locate(origin.checkout(tmp_path / "checkout", pull.head_sha), folder)
    trees = asked(server, pull, folder)
    assert trees == trees_from_git(pull, place)
    assert changes_of(trees).changed == ("05_direct.sql", "06_chain.sql")
    paths = [request.path for request in server.requests]
    assert len(paths) == len(set(paths))


@pytest.mark.parametrize("blob", [{}, {"encoding": "base64", "content": "?"}, {"encoding": "none", "content": "x"}, []])
def test_a_link_that_github_does_not_tell_ends_it(blob: object, server: GitHubServer, origin: Origin) -> None:
    link = {"path": "db", "mode": "120000", "type": "blob", "sha": SHA}
    server.next_answers = [
        Answer(body={"object": {"sha": BEFORE}}),
        Answer(body={"merge_base_commit": {"sha": SHA}}),
        Answer(body={"tree": [link]}),
        Answer(body=blob),
    ]
    with pytest.raises(InputError, match="no usable content of a link"):
        asked(server, origin.pull("feature"))


def test_the_base_branch_is_looked_up_as_the_event_may_be_old(server: GitHubServer, origin: Origin) -> None:
    pull = origin.pull("feature", base_sha=origin.git("rev-parse", "main~1"))
    assert "04_of_others.sql" in asked(server, pull).base


def test_a_base_branch_that_is_deleted_is_as_the_event_says(server: GitHubServer, origin: Origin) -> None:
    pull = replace(origin.pull("feature"), base_ref="gone")
    assert "04_of_others.sql" in asked(server, pull).base


def test_a_base_branch_may_have_any_name(server: GitHubServer, origin: Origin) -> None:
    origin.git("branch", "release/1.x#ä%", "main")
    pull = replace(origin.pull("feature"), base_ref="release/1.x#ä%", base_sha="0" * 40)
    assert "04_of_others.sql" in asked(server, pull).base


def test_no_more_is_asked_than_needed(server: GitHubServer, origin: Origin) -> None:
    asked(server, origin.pull("feature"))
    paths = [request.path.removeprefix(f"/repos/{REPOSITORY}/") for request in server.requests]
    assert paths[0] == "git/ref/heads/main"
    assert paths[1].startswith("compare/")
    assert server.requests[1].query == "per_page=1"
    assert len(paths) == len(set(paths)) == 2 + 3 * 3
    assert all(path.startswith("git/trees/") for path in paths[2:])


def test_a_pull_request_that_is_up_to_date_asks_less(server: GitHubServer, origin: Origin) -> None:
    origin.branch_off("fresh")
    origin.commit({"README.md": "a better shop"}, on="fresh")
    trees = asked(server, origin.pull("fresh"))
    assert trees.merge_base == trees.base == trees.head
    assert len(server.requests) == 2 + 3 + 1


def test_a_refused_token_ends_it(server: GitHubServer, origin: Origin) -> None:
    with pytest.raises(InputError, match=r"does not know the token \(401\)"):
        asked(server, origin.pull("feature"), token="wrong")


def test_a_commit_that_github_does_not_have_ends_it(server: GitHubServer, origin: Origin) -> None:
    with pytest.raises(InputError, match="no such thing"):
        asked(server, replace(origin.pull("feature"), head_sha="0" * 40))


def test_a_folder_that_is_not_listed_in_full_ends_it(server: GitHubServer, origin: Origin) -> None:
    server.truncated = True
    with pytest.raises(InputError, match="does not list this folder in full") as caught:
        asked(server, origin.pull("feature"))
    assert "fetch-depth" in caught.value.findings[0].hint


@pytest.mark.parametrize(
    ("answers", "message"),
    [
        pytest.param([{"object": {"sha": "../../other"}}], "no usable object.sha", id="a-commit-that-is-none"),
        pytest.param([{"object": None}], "no usable object.sha", id="no-commit"),
        pytest.param(
            [{"object": {"sha": BEFORE}}, {"merge_base_commit": None}],
            "no usable merge_base_commit.sha",
            id="no-merge-base",
        ),
        pytest.param(
            [{"object": {"sha": BEFORE}}, {"merge_base_commit": {"sha": SHA}}, {"tree": "?"}],
            "no usable tree",
            id="no-tree",
        ),
        pytest.param([[]], "no usable object.sha", id="a-list"),
        pytest.param(
            [
                {"object": {"sha": BEFORE}},
                {"merge_base_commit": {"sha": SHA}},
                {"tree": [{"path": "db", "mode": "040000", "type": "forest", "sha": SHA}]},
            ],
            "no usable tree",
            id="a-kind-that-is-none",
        ),
    ],
)
def test_an_answer_of_another_shape_ends_it(
    answers: list[object], message: str, server: GitHubServer, origin: Origin
) -> None:
    server.next_answers = [Answer(body=body) for body in answers]
    with pytest.raises(InputError, match=message):
        asked(server, origin.pull("feature"))
