"""The comment on a pull request: one, up to date, and never somebody else's."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from runner.core.marked import marks_of
from runner.errors import Finding, InputError
from runner.github.client import GitHub
from runner.github.comments import COMMENTING, LARGEST_BODY, LARGEST_COMMENT, put_comment
from tests.github_api import (
    ANOTHER,
    BOT,
    PERSON,
    REPOSITORY,
    TOKEN,
    TOKEN_OF_A_PERSON,
    Answer,
    GitHubServer,
    github_server,
)  # fmt: skip

KEY = "deploy.yml migrations"
MARK = marks_of(KEY).begin
URL = f"https://github.com/{REPOSITORY}/pull/7#issuecomment-"
BODY = "## 2 migrations\n\n| 01 | users |"

Put = Callable[..., str]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[GitHubServer]:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with github_server() as server:
        yield server


@pytest.fixture
def put(server: GitHubServer) -> Iterator[Put]:
    with put_with(server) as put:
        yield put


@contextmanager
def put_with(server: GitHubServer) -> Iterator[Put]:
    with GitHub(server.token, api_url=server.url, purpose=COMMENTING, pause=lambda _: None) as github:

        def put(body: str = BODY, *, key: str = KEY, repository: str = REPOSITORY) -> str:
            return put_comment(github, repository=repository, number=7, key=key, body=body)

        yield put


def refusal(put: Put, body: str = BODY, **more: str) -> Finding:
    with pytest.raises(InputError) as caught:
        put(body, **more)
    (finding,) = caught.value.findings
    assert TOKEN not in repr(finding)
    return finding


def bodies(server: GitHubServer) -> list[str]:
    return [comment["body"] for comment in server.comments]


def test_makes_a_first_comment(put: Put, server: GitHubServer) -> None:
    server.comment("Looks good", by=PERSON)
    assert put() == URL + "2"
    assert bodies(server) == ["Looks good", f"{MARK}\n{BODY}"]


def test_writes_into_the_comment_that_is_there(put: Put, server: GitHubServer) -> None:
    first = put("old")
    server.comment("Looks good", by=PERSON)
    assert put("new") == first
    assert bodies(server) == [f"{MARK}\nnew", "Looks good"]


def test_sends_nothing_when_it_says_the_same(put: Put, server: GitHubServer) -> None:
    first = put()
    server.comments[0]["body"] = server.comments[0]["body"].replace("\n", "\r\n")
    assert put() == first
    assert len(server.sent) == 1


def test_each_key_has_a_comment_of_its_own(put: Put, server: GitHubServer) -> None:
    assert put("of the shop") != put("of billing", key="deploy.yml billing")
    put("of the shop, again")
    assert [body.split("\n")[1] for body in bodies(server)] == ["of the shop, again", "of billing"]


def test_finds_its_comment_among_many(put: Put, server: GitHubServer) -> None:
    for number in range(101):
        server.comment(str(number), by=PERSON)
    put("old")
    server.comment("later", by=PERSON)
    put("new")
    assert server.comments[101]["body"] == f"{MARK}\nnew"
    assert len(server.comments) == 103


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(f"> {MARK}\n> quoted", id="a-quote"),
        pytest.param(f"text\n{MARK}", id="further-down"),
        pytest.param(marks_of("other").begin, id="another-key"),
        pytest.param("", id="empty"),
    ],
)
def test_a_comment_that_does_not_begin_with_the_mark_is_not_ours(body: str, put: Put, server: GitHubServer) -> None:
    server.comment(body, by=BOT)
    assert put() == URL + "2"
    assert bodies(server)[0] == body


def test_a_person_who_pastes_the_mark_keeps_the_comment(put: Put, server: GitHubServer) -> None:
    server.comment(f"{MARK}\nmine", by=PERSON)
    assert put() == URL + "2"
    assert bodies(server)[0] == f"{MARK}\nmine"


def test_a_comment_of_a_deleted_account_is_not_ours(put: Put, server: GitHubServer) -> None:
    server.comment(f"{MARK}\nlost", by=BOT)["user"] = None
    assert put() == URL + "2"


def test_with_a_token_of_a_person_the_comments_of_that_person_are_ours(server: GitHubServer) -> None:
    server.token = TOKEN_OF_A_PERSON
    server.comment(f"{MARK}\nof a bot", by=BOT)
    server.comment(f"{MARK}\nof somebody else", by=ANOTHER)
    with put_with(server) as put:
        first = put("old")
        assert put("new") == first == URL + "3"
    assert bodies(server)[:2] == [f"{MARK}\nof a bot", f"{MARK}\nof somebody else"]


@pytest.mark.parametrize("trouble", [Answer(status=502, to="POST", late=True), Answer(status=0, to="POST", late=True)])
def test_never_makes_two(trouble: Answer, put: Put, server: GitHubServer) -> None:
    server.next_answers = [trouble]
    assert put() == URL + "1"
    assert len(server.comments) == 1


def test_trouble_while_it_looks_does_not_make_a_second(put: Put, server: GitHubServer) -> None:
    put("old")
    server.next_answers = [Answer(status=500)] * 10
    assert refusal(put).message == "GitHub answered with an error (500)"
    assert len(server.comments) == 1


def test_the_largest_body_is_taken(put: Put, server: GitHubServer) -> None:
    put("🐘" * LARGEST_BODY)
    assert len(server.comments[0]["body"]) == LARGEST_COMMENT


def test_a_larger_body_is_refused_before_anything_is_sent(put: Put, server: GitHubServer) -> None:
    finding = refusal(put, "x" * (LARGEST_BODY + 1))
    assert finding.message == "the comment has 65,537 characters, and GitHub takes 65,536"
    assert "pr_comment.md.j2" in finding.hint
    assert server.requests == []


def test_a_run_of_no_repository_asks_nothing(put: Put, server: GitHubServer) -> None:
    finding = refusal(put, repository="")
    assert finding.message.startswith("this run is of no repository")
    assert "pr-comment" in finding.hint
    assert server.requests == []


def test_without_the_right_it_says_which(put: Put, server: GitHubServer) -> None:
    server.next_answers = [
        Answer(status=403, body={"message": "Resource not accessible by integration"}, to="POST"),
    ]
    finding = refusal(put)
    assert finding.message == "the token may not comment on the pull request (403)"
    assert finding.detail == "Resource not accessible by integration"
    for word in ("pull-requests: write", "pr-comment", "fork"):
        assert word in finding.hint


@pytest.mark.parametrize("made", [{}, [], "x", {"id": 1}, {"id": "1", "html_url": 1}])
def test_an_answer_of_another_shape_ends_it(made: object, put: Put, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=201, body=made, to="POST")]
    assert "GitHub" in refusal(put).message


@pytest.mark.parametrize("listed", [[{}], ["x"], [None], [{"id": 1, "user": "x", "body": MARK}]])
def test_an_entry_of_another_shape_is_not_ours(listed: object, put: Put, server: GitHubServer) -> None:
    server.next_answers = [Answer(body=listed)]
    assert put() == URL + "1"
