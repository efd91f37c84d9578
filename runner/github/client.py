"""GitHub's REST API: asks, asks again where that helps, and says what to do where it does not.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

import math
import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from runner import __version__
from runner.core.changes import ASK_GITHUB, FETCH_MORE
from runner.errors import Finding, InputError

if TYPE_CHECKING:
    import httpx

API_URL = "https://api.github.com"
API_VERSION = "2022-11-28"
ANSWER_WITHIN = 10.0  # seconds for each of connecting, sending and reading
ATTEMPTS = 4
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 5.0  # seconds
LONGEST_MESSAGE = 200  # characters
TOKEN_HINT = f"{ASK_GITHUB}; or {FETCH_MORE}"
NETWORK_HINT = (
    "check the way from the runner to GitHub: HTTPS_PROXY names a proxy, SSL_CERT_FILE certificates of your own; "
    f"or {FETCH_MORE}"
)


class GitHub:
    """A conversation with GitHub. Reads only. The token is in no message."""

    def __init__(self, token: str, *, api_url: str = API_URL, pause: Callable[[float], None] = time.sleep) -> None:
        """`api_url` is that of GITHUB_API_URL. Raises InputError when token or network settings cannot be used."""
        import httpx

        if not token or not (token.isascii() and token.isprintable()) or " " in token:
            raise InputError(
                Finding("github-token: it is empty, has blanks or line breaks, or is not ASCII", hint=TOKEN_HINT)
            )
        self._token, self._pause = token, pause
        try:
            self._http = httpx.Client(
                base_url=api_url,
                headers={
                    "Accept": "application/vnd.github+json",
                    "Authorization": f"Bearer {token}",
                    "User-Agent": f"db-migrate/{__version__}",
                    "X-GitHub-Api-Version": API_VERSION,
                },
                timeout=ANSWER_WITHIN,
                follow_redirects=True,  # a repository that was renamed; to other hosts the token does not go
            )
        except (httpx.InvalidURL, ImportError, OSError, ValueError):
            raise InputError(
                Finding(
                    "the network cannot be used: GITHUB_API_URL, HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE or "
                    "SSL_CERT_DIR is not what it should be",
                    hint="a proxy is given as http://host:port, a certificate as a file or folder of the container",
                )
            ) from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def get(self, path: str, **query: str) -> Any:
        """The JSON that GitHub answers. Raises InputError when it does not."""
        return _json(self._checked(self._ask(path, query)))

    def find(self, path: str) -> Any:
        """The same; None for what is not there, or must not be seen."""
        answer = self._ask(path, {})
        return None if answer.status_code == 404 else _json(self._checked(answer))

    def _ask(self, path: str, query: dict[str, str]) -> "httpx.Response":
        """The answer, once it is one or nothing is gained by asking again."""
        import httpx

        answer: httpx.Response | httpx.RequestError
        for attempt in range(1, ATTEMPTS + 1):
            try:
                answer = self._http.get(path, params=query)
                pause = _pause_after_answer(answer, attempt)
            except httpx.RequestError as error:
                answer, pause = error, _pause_after_failure(error, attempt)
            if pause is None or attempt == ATTEMPTS:
                break
            self._pause(pause)
        if isinstance(answer, httpx.RequestError):
            raise InputError(self._unreachable(answer))
        return answer

    def _unreachable(self, error: "httpx.RequestError") -> Finding:
        return Finding(
            f"GitHub could not be asked at {self._http.base_url.host}: {type(error).__name__}",
            detail=self._readable(str(error)),
            hint=NETWORK_HINT,
        )

    def _checked(self, answer: "httpx.Response") -> "httpx.Response":
        """The answer, if it is one to the question."""
        if answer.is_success:
            return answer
        message, hint = _refusal(answer)
        raise InputError(Finding(message, detail=self._readable(_message(answer)), hint=hint))

    def _readable(self, text: str) -> str:
        """What somebody else said, in short, without the token."""
        return (text.replace(self._token, "***") if self._token else text)[:LONGEST_MESSAGE]


def _refusal(answer: "httpx.Response") -> tuple[str, str]:
    """What an answer that is none means, and what to do."""
    status = answer.status_code
    if _is_limited(answer):
        seconds = _seconds_to_wait(answer)
        when = f" in {math.ceil(seconds)} s" if seconds is not None else " later"
        return (
            f"GitHub asks to come back{when}: too many requests ({status})",
            f"run the job again{when}; or {FETCH_MORE}",
        )
    match status:
        case 401:
            return "GitHub does not know the token (401)", TOKEN_HINT
        case 403:
            return "the token may not read the repository (403)", TOKEN_HINT
        case 404:
            return "GitHub has no such thing, or does not show it to this token (404)", TOKEN_HINT
        case _:
            return f"GitHub answered with an error ({status})", f"run the job again later; or {FETCH_MORE}"


def _json(answer: "httpx.Response") -> Any:
    try:
        return answer.json()
    except ValueError:
        raise InputError(
            Finding("what answered in GitHub's place did not send JSON", hint=NETWORK_HINT),
        ) from None


def _message(answer: "httpx.Response") -> str:
    """What GitHub says about a refusal."""
    try:
        said = answer.json()
    except ValueError:
        return ""
    return str(said.get("message", "")) if isinstance(said, dict) else ""


def _pause_after_answer(answer: "httpx.Response", attempt: int) -> float | None:
    """Seconds until it is worth asking again; None when it is not, or not soon."""
    if _is_limited(answer):
        seconds = _seconds_to_wait(answer)
        if seconds is not None:
            return seconds if seconds <= LONGEST_PAUSE else None
    elif not answer.is_server_error:
        return None
    return _usual_pause(attempt)


def _pause_after_failure(error: "httpx.RequestError", attempt: int) -> float | None:
    import httpx

    for_good = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.TooManyRedirects)
    return None if isinstance(error, for_good) else _usual_pause(attempt)


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
            or "rate limit" in _message(answer).lower()
        )
    )


def _seconds_to_wait(answer: "httpx.Response") -> float | None:
    """As GitHub asks; None when it does not say."""
    if (after := answer.headers.get("retry-after", "")).isdecimal():
        return float(after)
    if answer.headers.get("x-ratelimit-remaining") == "0":
        reset = answer.headers.get("x-ratelimit-reset", "")
        return max(0.0, float(reset) - time.time()) if reset.isdecimal() else None
    return None
