"""What a client may say: the body of a POST, and how long it is willing to wait."""

import asyncio
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request

from runner.api.answers import Problem

JSON = "application/json"
LARGEST_BODY = 4096  # bytes
PATIENCE = 10  # seconds for a body to arrive
LONGEST_WAIT = 60  # seconds
WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?(\d{1,6})", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a POST asks for."""

    dry_run: bool = True  # what nobody says does no harm


async def wanted(request: Request) -> Wanted:
    """The body, judged; nothing at all is as good as `{}`. Raises Problem."""
    body = await _body(request)
    if not body:
        return Wanted()
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, f"the body must be {JSON}", headers={"Accept-Post": JSON})
    return judged(_parsed(body))


def judged(content: object) -> Wanted:
    """What a parsed body asks for. Raises Problem with everything that is wrong."""
    if not isinstance(content, dict):
        raise _wrong([("", 'it must be an object, such as {"dryRun": true}')])
    wrong = [(_pointer(key), "there is no such field") for key in content if key != "dryRun"]
    dry_run = content.get("dryRun", True)
    if not isinstance(dry_run, bool):
        wrong.append(("/dryRun", "it must be true or false"))
    if wrong:
        raise _wrong(wrong)
    return Wanted(dry_run=dry_run)


def patience(request: Request) -> int:
    """Seconds that the client wants to wait for the end, at most LONGEST_WAIT.

    https://www.rfc-editor.org/rfc/rfc7240#section-4.3
    """
    found = WAIT.search(request.headers.get("prefer", ""))
    return min(int(found[1]), LONGEST_WAIT) if found else 0


async def _body(request: Request) -> bytes:
    """All of it, unless it is too large or does not come."""
    body = bytearray()
    try:
        async with asyncio.timeout(PATIENCE):
            async for chunk in request.stream():
                body += chunk
                if len(body) > LARGEST_BODY:
                    detail = f"the body must have at most {LARGEST_BODY} bytes"
                    raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, headers={"Connection": "close"})
    except TimeoutError:
        detail = f"the body did not arrive within {PATIENCE} s"
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, detail, headers={"Connection": "close"}) from None
    return bytes(body)


def _parsed(body: bytes) -> object:
    """Strict JSON: nothing in it may be read in two ways."""
    try:
        return json.loads(body.decode(), object_pairs_hook=_object, parse_constant=_refuse(ValueError))
    except (ValueError, RecursionError):
        raise Problem(HTTPStatus.BAD_REQUEST, "the body is not JSON, or names a field twice") from None


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) != len(pairs):
        raise ValueError
    return content


def _refuse(error: type[Exception]) -> Callable[[str], object]:
    def refuse(_: str) -> object:
        raise error

    return refuse


def _pointer(key: str) -> str:  # https://www.rfc-editor.org/rfc/rfc6901
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _wrong(found: Sequence[tuple[str, str]]) -> Problem:
    errors = [{"pointer": f"#{place}", "detail": detail} for place, detail in found]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, "the body is not what this path takes", errors=errors)
