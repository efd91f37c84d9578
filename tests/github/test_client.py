"""Asking GitHub: what is sent, when it is asked again, and what is said when it does not answer."""

import itertools
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import pytest

from runner.errors import Finding, InputError
from runner.github import client
from runner.github.answers import Purpose
from runner.github.client import ATTEMPTS, PATIENCE, GitHub
from tests.github_api import MOVED, PERSON, REPOSITORY, TOKEN, Answer, GitHubServer, github_server

SHOP = f"/repos/{REPOSITORY}"
RELEASES = f"{SHOP}/releases"
BODY = {"tag_name": "v1.0.0"}
OK = Answer(body={"ok": True})
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
LIMITED = {"message": "You have exceeded a secondary rate limit. Please wait a few minutes before you try again."}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[GitHubServer]:
    with github_server() as server:
        yield server


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that the client would have waited."""
    return []


@pytest.fixture
def github(server: GitHubServer, pauses: list[float]) -> Iterator[GitHub]:
    with GitHub(TOKEN, api_url=server.url, pause=pauses.append) as github:
        yield github


@contextmanager
def sending(parts: Iterable[bytes]) -> Iterator[str]:
    """A server that answers one request with these parts, one after the other."""

    def serve() -> None:
        connection, _ = listening.accept()
        with connection:
            connection.recv(65536)
            for part in parts:
                try:
                    connection.sendall(part)
                except OSError:
                    return  # nobody listens any more

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        thread.join()


def refusal(github: GitHub) -> Finding:
    with pytest.raises(InputError) as caught:
        github.get(SHOP)
    (finding,) = caught.value.findings
    assert TOKEN not in repr(finding)
    assert TOKEN not in "".join(map(repr, (caught.value.__cause__, caught.value.__context__)))
    return finding


def test_sends_what_github_asks_for(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [OK]
    assert github.get(RELEASES, per_page="1") == {"ok": True}
    (request,) = server.requests
    assert (request.method, request.path, request.query) == ("GET", RELEASES, "per_page=1")
    assert request.headers["authorization"] == f"Bearer {TOKEN}"
    assert request.headers["accept"] == "application/vnd.github+json"
    assert request.headers["x-github-api-version"] == "2022-11-28"
    assert request.headers["user-agent"].startswith("db-migrate/")


def test_keeps_the_path_of_an_enterprise_server() -> None:
    with github_server(enterprise=True) as server:
        server.next_answers = [OK]
        assert server.url.endswith("/api/v3")
        with GitHub(TOKEN, api_url=server.url) as github:
            assert github.get(SHOP) == {"ok": True}


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Answer(status=500), id="500"),
        pytest.param(Answer(status=502, body="<html>Bad Gateway</html>"), id="502-in-html"),
        pytest.param(Answer(status=503, headers={"Retry-After": "1"}), id="503"),
        pytest.param(Answer(status=429), id="429"),
        pytest.param(Answer(status=429, headers={"Retry-After": "2"}), id="429-soon"),
        pytest.param(Answer(status=403, body=LIMITED), id="secondary-limit"),
        pytest.param(Answer(status=403, body=LIMITED, headers={"Retry-After": "0"}), id="secondary-limit-soon"),
        pytest.param(
            Answer(status=403, headers={"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1"}),
            id="primary-limit-over",
        ),
    ],
)
def test_asks_again_when_it_may_help(
    trouble: Answer, github: GitHub, server: GitHubServer, pauses: list[float]
) -> None:
    server.next_answers = [trouble, trouble, OK]
    assert github.get(SHOP) == {"ok": True}
    assert len(pauses) == 2
    assert all(0 <= pause <= PATIENCE for pause in pauses)


def test_waits_as_long_as_github_asks(github: GitHub, server: GitHubServer, pauses: list[float]) -> None:
    server.next_answers = [Answer(status=429, headers={"Retry-After": "3"}), OK]
    github.get(SHOP)
    assert pauses == [3.0]


def test_waits_longer_each_time_and_never_in_step_with_others(
    github: GitHub, server: GitHubServer, pauses: list[float]
) -> None:
    server.next_answers = [Answer(status=500)] * ATTEMPTS
    refusal(github)
    assert pauses == sorted(pauses)
    assert len(set(pauses)) == ATTEMPTS - 1


def test_gives_up_after_a_few_attempts(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=500, body={"message": "Server Error"})] * 20
    finding = refusal(github)
    assert finding.message == "GitHub answered with an error (500)"
    assert finding.detail == "Server Error"
    assert len(server.requests) == ATTEMPTS


@pytest.mark.parametrize(
    ("headers", "when"),
    [
        pytest.param({"Retry-After": "60"}, "in 60 s", id="retry-after"),
        pytest.param(
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 3000)}, "in ", id="reset"
        ),
    ],
)
def test_does_not_ask_before_github_allows_it(
    headers: dict[str, str], when: str, github: GitHub, server: GitHubServer, pauses: list[float]
) -> None:
    server.next_answers = [Answer(status=403, body=LIMITED, headers=headers)] * 2
    finding = refusal(github)
    assert f"GitHub asks to come back {when}" in finding.message
    assert "fetch-depth: 2" in finding.hint
    assert (len(server.requests), pauses) == (1, [])


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({"Retry-After": "9" * 400}, id="no-number-of-seconds"),
        pytest.param({"Retry-After": "86401"}, id="more-than-a-day"),
        pytest.param({"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9" * 400}, id="no-time"),
        pytest.param(
            {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": f"{time.time() * 1000:.0f}"}, id="milliseconds"
        ),
    ],
)
def test_a_time_that_github_cannot_mean_counts_as_not_said(
    headers: dict[str, str], github: GitHub, server: GitHubServer, pauses: list[float]
) -> None:
    server.next_answers = [Answer(status=429, headers=headers)] * ATTEMPTS
    assert refusal(github).message == "GitHub asks to come back later: too many requests (429)"
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "GitHub does not know the token (401)"),
        (403, "the token may not read the repository (403)"),
        (404, "GitHub has no such thing, or does not show it to this token (404)"),
    ],
)
def test_a_refused_token_is_told_with_both_ways_out(
    status: int, message: str, github: GitHub, server: GitHubServer
) -> None:
    server.next_answers = [Answer(status=status, body={"message": f"no, {TOKEN}"})]
    finding = refusal(github)
    assert finding.message == message
    assert finding.detail == "no, ***"
    for word in ("github-token", "permissions: contents: read", "fetch-depth: 2"):
        assert word in finding.hint
    assert len(server.requests) == 1


def test_finds_nothing_where_there_is_nothing(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=404), OK]
    assert github.find(f"{RELEASES}/tags/v1.0.0") is None
    assert github.find(f"{RELEASES}/tags/v1.0.0") == {"ok": True}


@pytest.mark.parametrize(
    "body", ["<html>Please log in to the guest network</html>", "", "[" * 100_000], ids=["html", "nothing", "too-deep"]
)
def test_an_answer_that_is_not_github_s_is_told(body: str, github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(body=body)]
    assert refusal(github).message == "what answered in GitHub's place did not send JSON"


def test_a_server_that_cannot_be_reached_is_told_with_what_to_do(pauses: list[float]) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with GitHub(TOKEN, api_url=url, pause=pauses.append) as github:
            finding = refusal(github)
    assert finding.message == "GitHub could not be asked at 127.0.0.1: ConnectError"
    assert "HTTPS_PROXY" in finding.hint
    assert len(pauses) == ATTEMPTS - 1


def test_a_server_that_says_nothing_is_asked_again(pauses: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "ANSWER_WITHIN", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        with GitHub(TOKEN, api_url=url, pause=pauses.append) as github:
            assert refusal(github).message == "GitHub could not be asked at 127.0.0.1: ReadTimeout"
    assert len(pauses) == ATTEMPTS - 1


@pytest.mark.parametrize("host", ["api..corp", "a" * 64 + ".corp", "xn--zzzzzzzzzz99999.corp"])
def test_a_host_that_no_name_server_can_know_is_told(host: str, pauses: list[float]) -> None:
    with GitHub(TOKEN, api_url=f"http://{host}/api/v3", pause=pauses.append) as github:
        finding = refusal(github)
    assert finding.message.startswith(f"GitHub could not be asked at {host}: ")
    assert "HTTPS_PROXY" in finding.hint
    assert pauses == []


@pytest.mark.parametrize(
    ("environ", "host"),
    [
        ({}, "api.github.com"),
        ({"GITHUB_API_URL": ""}, "api.github.com"),
        ({"GITHUB_API_URL": "https://github.corp/api/v3"}, "github.corp"),
    ],
)
def test_asks_the_github_that_the_job_runs_on(
    environ: dict[str, str], host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy..corp:3128")
    purpose = Purpose("contents: write", "write the release", "do it by hand")
    with GitHub.of(environ, TOKEN, purpose=purpose) as github:
        finding = refusal(github)
    assert finding.message == f"GitHub could not be asked at {host}: UnicodeError"
    assert finding.hint.endswith("do it by hand")


def test_the_largest_answer_is_taken_and_no_larger_one(
    github: GitHub, server: GitHubServer, pauses: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "LARGEST_ANSWER", 1_000)
    server.next_answers = [Answer(body=f"{1:1000}"), Answer(body=f"{1:1001}")]
    assert github.get(SHOP) == 1
    assert refusal(github).message == "what answered in GitHub's place sent more than 1,000 bytes"
    assert pauses == []


def test_follows_a_repository_to_its_new_name(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=301, headers={"Location": server.url + MOVED}), OK]
    assert github.get(SHOP) == {"ok": True}
    assert server.requests[1].headers["authorization"] == f"Bearer {TOKEN}"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_writes_the_same_where_a_repository_is_now(status: int, github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=status, headers={"Location": f"{server.url}{MOVED}/releases"})]
    assert github.post(RELEASES, BODY, unless=lambda: None)["tag_name"] == "v1.0.0"
    first, second = server.requests
    assert (second.method, second.body) == (first.method, first.body)
    assert second.headers["authorization"] == f"Bearer {TOKEN}"
    assert second.headers["content-type"] == "application/json"


def test_takes_the_token_to_no_other_server(github: GitHub, server: GitHubServer) -> None:
    with github_server() as other:
        server.next_answers = [Answer(status=302, headers={"Location": f"{other.url}/user"})]
        other.next_answers = [OK]
        github.get(SHOP)
    assert "authorization" not in other.requests[0].headers


def test_takes_what_it_writes_to_no_other_server(github: GitHub, server: GitHubServer) -> None:
    with github_server() as other:
        server.next_answers = [Answer(status=307, headers={"Location": other.url + RELEASES})]
        with pytest.raises(InputError, match=r"answered with an error \(307\)"):
            github.post(RELEASES, BODY, unless=lambda: None)
    assert other.requests == []


def test_a_redirect_in_a_circle_ends(github: GitHub, server: GitHubServer, pauses: list[float]) -> None:
    server.next_answers = [Answer(status=302, headers={"Location": SHOP})] * 50
    assert "TooManyRedirects" in refusal(github).message
    assert pauses == []


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "schlüssel", ""])
def test_a_token_that_no_header_can_carry_is_refused_without_being_shown(token: str) -> None:
    with pytest.raises(InputError, match="github-token") as caught:
        GitHub(token)
    assert not token or token not in repr(caught.value.findings)


def test_a_proxy_that_cannot_be_used_is_refused_without_its_password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "socks9://user:hunter2@proxy:1")
    with pytest.raises(InputError, match="HTTPS_PROXY") as caught:
        GitHub(TOKEN)
    assert "hunter2" not in repr(caught.value.findings)


def test_an_address_that_is_none_is_refused() -> None:
    with GitHub(TOKEN, api_url="not an address") as github:
        assert "UnsupportedProtocol" in refusal(github).message


def test_lists_page_by_page_as_long_as_there_is_a_next_one(github: GitHub, server: GitHubServer) -> None:
    for number in range(250):
        server.comment(str(number), by=PERSON)
    comments = github.each(f"{SHOP}/issues/7/comments", pages=30)
    assert [comment["body"] for comment in comments] == [str(number) for number in range(250)]
    assert [request.query for request in server.requests] == [
        "per_page=100", "per_page=100&page=2", "per_page=100&page=3",
    ]  # fmt: skip


def test_lists_no_more_pages_than_it_is_told(github: GitHub, server: GitHubServer) -> None:
    for number in range(250):
        server.comment(str(number), by=PERSON)
    assert len(list(github.each(f"{SHOP}/issues/7/comments", pages=2))) == 200


@pytest.mark.parametrize("link", ['<https://example.com/?page=2>; rel="next"', "<>", '<http://[>; rel="next"', "next"])
def test_the_next_page_is_of_the_same_list_whatever_it_is_called(
    link: str, github: GitHub, server: GitHubServer
) -> None:
    server.next_answers = [Answer(body=[1], headers={"Link": link}), Answer(body=[2])]
    assert list(github.each(RELEASES, pages=2)) in ([1], [1, 2])
    assert {request.path for request in server.requests} == {RELEASES}


def test_a_list_that_is_none_is_told(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [OK]
    with pytest.raises(InputError, match="no usable list"):
        list(github.each(RELEASES, pages=1))


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(Answer(status=502, late=True), id="it-worked-but-502"),
        pytest.param(Answer(status=0, late=True), id="it-worked-but-hung-up"),
    ],
)
def test_does_not_make_twice_what_it_may_have_made(trouble: Answer, github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [trouble]
    made = github.post(RELEASES, BODY, unless=lambda: github.find(f"{RELEASES}/tags/v1.0.0"))
    assert made["tag_name"] == "v1.0.0"
    assert [request.method for request in server.requests] == ["POST", "GET"]
    assert len(server.releases) == 1


@pytest.mark.parametrize(
    "trouble",
    [
        Answer(status=502),
        Answer(status=0),
        Answer(status=403, body=LIMITED, headers={"Retry-After": "7"}),
        Answer(status=429),
    ],
    ids=["502", "hung-up", "secondary-limit", "429"],
)
def test_makes_what_is_not_there_after_trouble(
    trouble: Answer, github: GitHub, server: GitHubServer, pauses: list[float]
) -> None:
    server.next_answers = [trouble]
    made = github.post(RELEASES, BODY, unless=lambda: github.find(f"{RELEASES}/tags/v1.0.0"))
    assert made["tag_name"] == "v1.0.0"
    assert [request.method for request in server.requests] == ["POST", "GET", "POST"]
    assert len(pauses) == 1


def test_does_not_send_again_what_was_refused(github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=422, body={"message": "Validation Failed", "errors": [{"code": "custom"}]})]
    with pytest.raises(InputError) as caught:
        github.post(RELEASES, BODY, unless=lambda: None)
    assert caught.value.findings[0].detail == "Validation Failed: custom"
    assert len(server.requests) == 1


@pytest.mark.parametrize("errors", [None, "x", ["x"], [{}], [{"code": ["already_exists"]}], {"code": 1}])
def test_a_refusal_of_any_shape_is_told(errors: object, github: GitHub, server: GitHubServer) -> None:
    server.next_answers = [Answer(status=422, body={"message": "no", "errors": errors})]
    assert refusal(github).detail.startswith("no")


def test_changes_again_what_may_be_changed_already(github: GitHub, server: GitHubServer) -> None:
    release = server.release("v1.0.0", "old")
    server.next_answers = [Answer(status=502, late=True), Answer(status=0)]
    assert github.patch(f"{RELEASES}/{release['id']}", {"body": "new"})["body"] == "new"
    assert len(server.sent) == 3


def test_writes_any_text(github: GitHub) -> None:
    text = 'ä 🐘 "\\ \x00 \r\n \u2028 \ud800'
    assert github.post(RELEASES, BODY | {"body": text}, unless=lambda: None)["body"] == text


def test_loses_patience(server: GitHubServer) -> None:
    now = [100.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    server.next_answers = [
        Answer(status=429, headers={"Retry-After": str(int(PATIENCE) - 1)}),
        OK,
        Answer(status=429, headers={"Retry-After": "2"}),
    ]
    with GitHub(TOKEN, api_url=server.url, pause=sleep, clock=lambda: now[0]) as github:
        assert github.get(SHOP) == {"ok": True}
        assert "come back in 2 s" in refusal(github).message
    assert now == [100.0 + PATIENCE - 1]


def test_an_answer_that_never_ends_is_not_read_to_its_end() -> None:
    def drops() -> Iterator[bytes]:
        yield HEAD
        for _ in range(500):
            time.sleep(0.002)
            yield b" "

    with sending(drops()) as url, GitHub(TOKEN, api_url=url, clock=itertools.count().__next__) as github:
        assert refusal(github).message == "GitHub is too slow: it has not answered everything within 25 s"


def test_no_answer_is_waited_for_longer_than_patience_lasts(pauses: list[float]) -> None:
    now, given_up = [0.0], threading.Event()

    def late() -> Iterator[bytes]:
        given_up.wait(5)
        yield HEAD + b"1".rjust(1000)

    with sending(late()) as url, GitHub(TOKEN, api_url=url, pause=pauses.append, clock=lambda: now[0]) as github:
        now[0] = PATIENCE - 0.05
        assert "ReadTimeout" in refusal(github).message
        given_up.set()
    assert pauses == []


def test_asks_for_no_further_page_when_patience_is_over(server: GitHubServer) -> None:
    now = [0.0]
    for number in range(101):
        server.comment(str(number), by=PERSON)
    with GitHub(TOKEN, api_url=server.url, clock=lambda: now[0]) as github:
        comments = github.each(f"{SHOP}/issues/7/comments", pages=30)
        now[0] = PATIENCE - 1
        assert next(comments)["body"] == "0"
        now[0] = PATIENCE
        with pytest.raises(InputError, match="GitHub is too slow") as caught:
            list(comments)
    assert "run the job again later" in caught.value.findings[0].hint
    assert len(server.requests) == 1


def test_a_refusal_names_what_the_token_is_for(server: GitHubServer) -> None:
    purpose = Purpose("contents: write", "write the release", "do it by hand")
    server.next_answers = [Answer(status=403, body={"message": "Resource not accessible by integration"})]
    with GitHub(TOKEN, api_url=server.url, purpose=purpose) as github:
        finding = refusal(github)
    assert finding.message == "the token may not write the release (403)"
    assert "permissions: contents: write" in finding.hint
    assert finding.hint.endswith("or do it by hand")
    assert "fetch-depth" not in finding.hint


@pytest.mark.parametrize(("token", "as_app"), [(TOKEN, True), ("ghp_1", False), ("github_pat_1", False)])
def test_knows_an_app_by_its_token(token: str, as_app: bool) -> None:
    with GitHub(token) as github:
        assert github.as_app is as_app
