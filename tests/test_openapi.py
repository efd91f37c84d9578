"""What does not fit GitHub's description of its API is found, in what is asked and in what is answered."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import tests.openapi
from runner.errors import InputError
from runner.github.client import GitHub
from tests.github_api import REPOSITORY, TOKEN, github_server
from tests.openapi import CLOUD, JSON, Description, Operation, description

SHOP = f"/repos/{REPOSITORY}"
GIVEN = b'{"tag_name": "v1.0.0"}'


def operation(method: str, path: str) -> Operation:
    found = description(CLOUD).operation(method, path)
    assert found
    return found


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/user", "/user"),
        (f"{SHOP}/releases/latest", "/repos/{owner}/{repo}/releases/latest"),
        (f"{SHOP}/releases/7", "/repos/{owner}/{repo}/releases/{release_id}"),
        (f"{SHOP}/releases/tags/release/1.0", "/repos/{owner}/{repo}/releases/tags/{tag}"),
        (f"{SHOP}/git/ref/heads/a/b", "/repos/{owner}/{repo}/git/ref/{ref}"),
    ],
)
def test_finds_what_a_path_asks_for(path: str, template: str) -> None:
    assert operation("GET", path).template == template


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/nowhere"),
        ("GET", f"{SHOP}/"),
        ("GET", f"{SHOP}/issues/7/comments/1"),
        ("DELETE", "/user"),
        ("GET", "/repos//shop"),
    ],
)
def test_what_github_does_not_have_is_nothing(method: str, path: str) -> None:
    assert description(CLOUD).operation(method, path) is None


@pytest.mark.parametrize(
    ("method", "query", "content_type", "body", "wrong"),
    [
        ("GET", "per_page=100&page=2", "", b"", []),
        ("GET", "perpage=100", "", b"", ["it has no query parameter perpage"]),
        ("GET", "page=two", "", b"", ["page is a number, not 'two'"]),
        ("GET", "", JSON, b"{}", ["it takes no body"]),
        ("POST", "", JSON, GIVEN, []),
        ("POST", "", "", GIVEN, ["its body is JSON, not of no type"]),
        ("POST", "", "text/plain", GIVEN, ["its body is JSON, not text/plain"]),
        ("POST", "", JSON, b"{}", ["$: 'tag_name' is a required property"]),
        ("POST", "", JSON, b'{"tag_name": null}', ["$.tag_name: None is not of type 'string'"]),
        ("POST", "", JSON, b'{"tag_name": "v1", "prelease": true}', ["it has no prelease"]),
    ],
)
def test_a_wrong_request_is_found(method: str, query: str, content_type: str, body: bytes, wrong: list[str]) -> None:
    asked = operation(method, f"{SHOP}/releases")
    assert description(CLOUD).wrong_request(asked, query, content_type, body) == wrong


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, []),
        ({"body": None, "published_at": None}, []),
        ({"draft": None}, ["$.draft: None is not of type 'boolean'"]),
        ({"author": {"login": 1}}, ["$.author.login: 1 is not of type 'string'"]),
    ],
)
def test_a_wrong_answer_is_found(changes: dict[str, Any], wrong: list[str]) -> None:
    made = operation("POST", f"{SHOP}/releases")
    answer = description(CLOUD).example(made, 201) | changes
    found = description(CLOUD).wrong_answer(made, 201, answer)
    assert [each for each in found if "required" not in each] == wrong


def test_an_answer_that_is_never_given_is_found() -> None:
    asked = operation("GET", f"{SHOP}/releases")
    assert description(CLOUD).wrong_answer(asked, 418, {}) == ["it never answers 418"]


def ask_for_releases(release: dict[str, Any], **query: str) -> None:
    with github_server() as server, GitHub(TOKEN, api_url=server.url) as github:
        server.release("v1.0.0", "").update(release)
        with suppress(InputError):
            github.get(f"{SHOP}/releases", **query)


def test_what_does_not_fit_fails_the_test_that_did_it() -> None:
    ask_for_releases({}, page="1")
    with pytest.raises(AssertionError, match=f"GET {SHOP}/releases: it has no query parameter colour"):
        ask_for_releases({}, colour="red")
    with pytest.raises(AssertionError, match="draft: None is not of type 'boolean'"):
        ask_for_releases({"draft": None})


def test_a_description_that_is_not_there_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tests.openapi, "GENERATED", tmp_path)
    with pytest.raises(AssertionError, match="run `make test`"):
        Description(CLOUD)
