"""What it means when GitHub does not do what it is asked: whether to ask again, and when; else what to tell.

https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api and
https://docs.github.com/en/rest/using-the-rest-api/troubleshooting-the-rest-api
"""

import math
import random
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from runner.core.changes import FETCH_MORE

if TYPE_CHECKING:
    import httpx

FIRST_PAUSE = 0.5  # seconds
LONGEST_WAIT = 24 * 60 * 60.0  # seconds; GitHub counts requests by the hour
NO_JSON = (ValueError, RecursionError)  # the latter for what is nested too deeply


class Purpose(NamedTuple):
    """What a token is for: what is said when GitHub refuses it."""

    permission: str  # of the job, as a workflow spells it: "contents: read"
    deed: str  # what the token may not: "read the repository"
    otherwise: str  # what else helps

    @property
    def hint(self) -> str:
        """What to do about the token."""
        give = f"give `github-token: ${{{{ github.token }}}}` in a job with `permissions: {self.permission}`"
        return f"{give}; or {self.otherwise}"


READING = Purpose("contents: read", "read the repository", FETCH_MORE)


def refusal(answer: "httpx.Response", purpose: Purpose) -> tuple[str, str]:
    """What an answer that is none means, and what to do."""
    status = answer.status_code
    if _is_limited(answer):
        seconds = _seconds_to_wait(answer)
        when = f" in {math.ceil(seconds)} s" if seconds is not None else " later"
        return (
            f"GitHub asks to come back{when}: too many requests ({status})",
            f"run the job again{when}; or {purpose.otherwise}",
        )
    match status:
        case 401:
            return "GitHub does not know the token (401)", purpose.hint
        case 403:
            return f"the token may not {purpose.deed} (403)", purpose.hint
        case 404:
            return "GitHub has no such thing, or does not show it to this token (404)", purpose.hint
        case _:
            return f"GitHub answered with an error ({status})", f"run the job again later; or {purpose.otherwise}"


def _said(answer: "httpx.Response") -> Mapping[str, Any]:
    """What GitHub says about a refusal."""
    try:
        said = answer.json()
    except NO_JSON:
        return {}
    return said if isinstance(said, dict) else {}


def _errors(answer: "httpx.Response") -> list[Mapping[str, Any]]:
    """What it says about each field that it does not take (422)."""
    errors = _said(answer).get("errors")
    return [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []


def message_of(answer: "httpx.Response") -> str:
    """The same in words."""
    of_fields = (error.get("message") or error.get("code") for error in _errors(answer))
    return ": ".join(str(part) for part in (_said(answer).get("message"), *of_fields) if part)


def pause_after(tried: "httpx.Response | Exception", attempt: int) -> float | None:
    """Seconds until it is worth trying again; None when it is not."""
    import httpx

    if isinstance(tried, Exception):
        for_good = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects)
        temporary = isinstance(tried, httpx.RequestError) and not isinstance(tried, for_good)
        return _usual_pause(attempt) if temporary else None
    if _is_limited(tried):
        seconds = _seconds_to_wait(tried)
        return _usual_pause(attempt) if seconds is None else seconds
    return _usual_pause(attempt) if tried.is_server_error or _exists_already(tried) else None


def _exists_already(answer: "httpx.Response") -> bool:
    """Whether somebody else has just made what was to be made."""
    return answer.status_code == 422 and any(error.get("code") == "already_exists" for error in _errors(answer))


def _usual_pause(attempt: int) -> float:
    spread = random.uniform(0.75, 1.25)  # noqa: S311 - no secret
    return spread * FIRST_PAUSE * 2.0 ** (attempt - 1)


def _is_limited(answer: "httpx.Response") -> bool:
    """Whether one of GitHub's rate limits is exceeded; it says so with 403 or 429."""
    return answer.status_code == 429 or (
        answer.status_code == 403
        and (
            "retry-after" in answer.headers
            or answer.headers.get("x-ratelimit-remaining") == "0"
            or "rate limit" in message_of(answer).lower()
        )
    )


def _seconds_to_wait(answer: "httpx.Response") -> float | None:
    """As GitHub asks; None when it does not say, or what it cannot mean."""
    after, reset = answer.headers.get("retry-after", ""), answer.headers.get("x-ratelimit-reset", "")
    if after.isdecimal():
        seconds = float(after)
    elif answer.headers.get("x-ratelimit-remaining") == "0" and reset.isdecimal():
        seconds = max(0.0, float(reset) - time.time())
    else:
        return None
    return seconds if seconds <= LONGEST_WAIT else None
