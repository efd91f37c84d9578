"""The release of a tag: made once, and shared with people and with other databases."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from runner.core.marked import marks_of, with_block
from runner.errors import Finding, InputError
from runner.github.client import GitHub
from runner.github.releases import LARGEST_RELEASE, RELEASING, put_release
from tests.github_api import REPOSITORY, TOKEN, Answer, GitHubServer, github_server

TAG, KEY = "v1.2.0", "production"
NOTES = "## Database\n\n- 0042 adds a column"
BLOCK = with_block("", KEY, NOTES)
URL = f"https://github.com/{REPOSITORY}/releases/tag/"
THEIRS = "# What is new\r\n\r\nWritten by hand. "

Put = Callable[..., str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with github_server() as server:
        server.tags.add(TAG)
        yield server


@pytest.fixture
def put(server: GitHubServer) -> Iterator[Put]:
    with put_with(server) as put:
        yield put


@contextmanager
def put_with(server: GitHubServer) -> Iterator[Put]:
    with GitHub(server.token, api_url=server.url, purpose=RELEASING, pause=lambda _: None) as github:

        def put(notes: str = NOTES, **more: Any) -> str:
            given: dict[str, Any] = {"repository": REPOSITORY, "tag": TAG, "key": KEY, "prerelease": False} | more
            return put_release(github, notes=notes, **given)

        yield put


def refusal(put: Put, notes: str = NOTES, **more: Any) -> Finding:
    with pytest.raises(InputError) as caught:
        put(notes, **more)
    (finding,) = caught.value.findings
    assert TOKEN not in repr(finding)
    return finding


@pytest.mark.parametrize("enterprise", [False, True], ids=["github.com", "enterprise-server"])
def test_makes_keeps_and_changes_a_release(enterprise: bool) -> None:
    with github_server(enterprise=enterprise) as server, put_with(server) as put:
        server.tags.add(TAG)
        assert put() == put() == put("less") == URL + TAG
        assert [request.method for request in server.sent] == ["POST", "PATCH"]
        assert server.releases[0]["body"] == with_block("", KEY, "less")


@pytest.mark.parametrize("prerelease", [True, False])
def test_a_first_release_is_named_for_its_tag(prerelease: bool, put: Put, server: GitHubServer) -> None:
    put(prerelease=prerelease)
    (sent,) = server.sent
    assert sent.json == {
        "tag_name": TAG,
        "name": TAG,
        "body": BLOCK,
        "prerelease": prerelease,
        "make_latest": "legacy",
    }


@pytest.mark.parametrize("text", [THEIRS, "", None])
def test_what_people_wrote_stays(text: str | None, put: Put, server: GitHubServer) -> None:
    server.release(TAG, text, name="A name by hand", prerelease=True)
    put()
    put("less")
    (release,) = server.releases
    assert release["body"] == with_block(text or "", KEY, "less")
    assert release["body"].startswith(text or "")
    assert (release["name"], release["prerelease"]) == ("A name by hand", True)
    assert all(request.json.keys() == {"body"} for request in server.sent)


def test_sends_nothing_when_the_notes_stand_there(put: Put, server: GitHubServer) -> None:
    server.release(TAG, with_block(THEIRS, KEY, NOTES).replace("\n", "\r\n"))
    assert put() == URL + TAG
    assert server.sent == []


def test_notes_that_are_there_stay_when_asked_to(put: Put, server: GitHubServer) -> None:
    put("of the run that applied it", keep=True)
    put("of one that applied nothing", keep=True)
    put("of billing, which applied nothing", key="billing", keep=True)
    (release,) = server.releases
    assert release["body"] == with_block(
        with_block("", KEY, "of the run that applied it"), "billing", "of billing, which applied nothing"
    )


def test_each_database_has_a_block_of_its_own(put: Put, server: GitHubServer) -> None:
    put("of the shop", key="shop")
    put("of billing", key="billing")
    put("of the shop, again", key="shop")
    (release,) = server.releases
    assert release["body"] == with_block(with_block("", "shop", "of the shop, again"), "billing", "of billing")


def test_a_deleted_mark_takes_nothing_with_it(put: Put, server: GitHubServer) -> None:
    begin, end = marks_of(KEY)
    server.release(TAG, f"before\n{begin}\nold\n\nby hand")
    put()
    put()
    assert server.releases[0]["body"] == f"before\n{begin}\n{NOTES}\n{end}\nold\n\nby hand"
    assert len(server.sent) == 1


def test_a_draft_is_found_and_stays_one(put: Put, server: GitHubServer) -> None:
    server.release(TAG, THEIRS, draft=True)
    for number in range(101):
        server.release(f"v2.0.{number}", None)
    server.release("v9.0.0", "another draft", draft=True)
    assert put().startswith(URL + "untagged-")
    draft = server.releases[-1]
    assert draft["body"] == with_block(THEIRS, KEY, NOTES)
    assert draft["draft"] is True
    assert len(server.releases) == 103


def test_a_published_release_goes_before_a_draft(put: Put, server: GitHubServer) -> None:
    server.release(TAG, "published")
    server.release(TAG, "draft", draft=True)
    assert put() == URL + TAG
    assert server.releases[0]["body"] == "draft"


@pytest.mark.parametrize("tag", ["release/v1.2.0", "v1.2.0+build.5", "v1.2.0#%3F?ä"])
def test_a_tag_may_have_any_name(tag: str, put: Put, server: GitHubServer) -> None:
    server.tags.add(tag)
    assert put(tag=tag) == put("less", tag=tag)
    assert [release["tag_name"] for release in server.releases] == [tag]


def test_a_release_never_makes_the_tag(put: Put, server: GitHubServer) -> None:
    server.tags.clear()
    assert refusal(put).message == "there is no tag v1.2.0 any more that a release could be for"
    assert server.sent == []


@pytest.mark.parametrize("trouble", [Answer(status=502, to="POST", late=True), Answer(status=0, to="POST", late=True)])
def test_never_makes_two(trouble: Answer, put: Put, server: GitHubServer) -> None:
    server.next_answers = [trouble]
    assert put() == URL + TAG
    assert len(server.releases) == 1


def test_writes_into_a_release_that_somebody_made_meanwhile(put: Put, server: GitHubServer) -> None:
    server.release(TAG, THEIRS)
    hidden = Answer(status=404, body={"message": "Not Found"})
    server.next_answers = [hidden, Answer(body=[])]
    assert put() == URL + TAG
    assert [request.method for request in server.sent] == ["POST", "PATCH"]
    assert server.releases[0]["body"] == with_block(THEIRS, KEY, NOTES)


def test_a_release_that_exists_and_is_never_shown_ends_it(put: Put, server: GitHubServer) -> None:
    taken = {"message": "Validation Failed", "errors": [{"code": "already_exists", "field": "tag_name"}]}
    server.next_answers = [Answer(status=422, body=taken, to="POST")] * 10
    finding = refusal(put)
    assert (finding.message, finding.detail) == (
        "GitHub answered with an error (422)",
        "Validation Failed: already_exists",
    )


@pytest.mark.parametrize("repository", ["", "shop", "octo-org/shop/releases", "octo-org/..", "../octo-org", "a/b?c"])
def test_a_run_of_no_repository_asks_nothing(repository: str, put: Put, server: GitHubServer) -> None:
    finding = refusal(put, repository=repository)
    assert finding.message == "this run is of no repository: GITHUB_REPOSITORY is not owner/name"
    assert "create-release" in finding.hint
    assert server.requests == []


def test_notes_that_no_release_can_hold_are_refused_before_anything_is_sent(put: Put, server: GitHubServer) -> None:
    finding = refusal(put, "x" * LARGEST_RELEASE)
    assert "GitHub takes 125,000" in finding.message
    assert "release-notes" in finding.hint
    assert server.requests == []


def test_what_people_wrote_is_not_cut_for_the_notes(put: Put, server: GitHubServer) -> None:
    text = "x" * (LARGEST_RELEASE - 50)
    server.release(TAG, text)
    assert "GitHub takes 125,000" in refusal(put).message
    assert server.releases[0]["body"] == text
    assert server.sent == []


def test_a_release_may_be_filled_to_the_brim(put: Put, server: GitHubServer) -> None:
    put("x" * (LARGEST_RELEASE - (len(BLOCK) - len(NOTES))))
    assert len(server.releases[0]["body"]) == LARGEST_RELEASE


@pytest.mark.parametrize("status", [401, 403, 404])
def test_without_the_right_it_says_which(status: int, put: Put, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=status, body={"message": f"no, {TOKEN}"}, to="POST")]
    finding = refusal(put)
    assert finding.detail == "no, ***"
    assert "permissions: contents: write" in finding.hint
    assert "create-release" in finding.hint


@pytest.mark.parametrize("made", [{}, [], "x", {"id": 1, "body": ""}, {"id": "1", "html_url": "x", "body": ""}])
def test_an_answer_of_another_shape_ends_it(made: object, put: Put, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=201, body=made, to="POST")]
    assert "GitHub" in refusal(put).message
