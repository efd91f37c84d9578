"""What a client may say."""

import json
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from runner.api.answers import Json, Problem
from runner.api.requests import LARGEST_BODY, LONGEST_WAIT, patience, wanted
from tests.api.conftest import ask

IS_JSON = {"content-type": "application/json"}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Says what it was asked for."""
    request = Request(scope, receive)
    response: Response
    try:
        asked = await wanted(request)
        response = Json({"dryRun": asked.dry_run, "wait": patience(request)})
    except Problem as problem:
        response = problem.response(str)
    await response(scope, receive, send)


APP: ASGIApp = app


def answer(body: bytes, headers: dict[str, str] = IS_JSON) -> tuple[int, Any]:
    """Status and content of what it says to a body."""
    said = ask(APP, "POST", "/", headers, content=body)
    return said.status_code, said.json()


@pytest.mark.parametrize(
    ("body", "dry_run"),
    [
        (b"", True),
        (b"{}", True),
        (b'{"dryRun": true}', True),
        (b'{"dryRun": false}', False),
        (b' {"dryRun":false}\n', False),
    ],
)
def test_a_run_is_a_dry_run_unless_somebody_says_otherwise(body: bytes, dry_run: bool) -> None:
    assert answer(body) == (200, {"dryRun": dry_run, "wait": 0})


@pytest.mark.parametrize("kind", ["application/json", "application/json; charset=utf-8", "Application/JSON"])
def test_takes_json(kind: str) -> None:
    assert answer(b"{}", {"content-type": kind})[0] == 200


@pytest.mark.parametrize("headers", [{}, {"content-type": "text/plain"}, {"content-type": "application/jsonx"}])
def test_takes_nothing_else(headers: dict[str, str]) -> None:
    said = ask(APP, "POST", "/", headers, content=b'{"dryRun": false}')
    assert (said.status_code, said.headers["accept-post"]) == (415, "application/json")


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"dryRun=false",
        b'{"dryRun": false}}',
        b'{"dryRun": False}',
        b'{"dryRun": NaN}',
        b'{"dryRun": true, "dryRun": false}',
        b"\xff\xfe{}",
        "{}".encode("utf-16"),
        b"\xef\xbb\xbf{}",
        b"[" * LARGEST_BODY,
        b"{}\0",
    ],
)
def test_what_is_no_json_or_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    assert answer(body)[0] == 400


@pytest.mark.parametrize(
    ("content", "pointers"),
    [
        ({"dryRun": 0}, ["#/dryRun"]),
        ({"dryRun": "false"}, ["#/dryRun"]),
        ({"dryRun": None}, ["#/dryRun"]),
        ({"dryrun": False}, ["#/dryrun"]),
        ({"dryRun": [], "a/b~c": 1}, ["#/a~1b~0c", "#/dryRun"]),
        ({"\ud800": 1}, ["#/\ud800"]),
        ([], ["#"]),
        (None, ["#"]),
        (False, ["#"]),
        ("", ["#"]),
        (int("9" * 4000), ["#"]),
    ],
)
def test_what_is_wrong_is_told_with_its_place(content: object, pointers: list[str]) -> None:
    status, said = answer(json.dumps(content).encode())
    assert (status, [error["pointer"] for error in said["errors"]]) == (422, pointers)


def test_a_body_has_its_bounds() -> None:
    room = LARGEST_BODY - len(b'{"dryRun":false}')
    assert answer(b'{"dryRun":' + b" " * room + b"false}")[0] == 200
    assert answer(b'{"dryRun":' + b" " * (room + 1) + b"false}")[0] == 413


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("wait=30", 30),
        ("respond-async, wait=5", 5),
        ('Wait = "7"', 7),
        ("wait=999999", LONGEST_WAIT),
        ("wait=-1", 0),
        ("wait=soon", 0),
        ("await=5", 0),
        ("", 0),
    ],
)
def test_a_client_says_how_long_it_waits(header: str, seconds: int) -> None:
    assert answer(b"", {"prefer": header})[1]["wait"] == seconds
