"""GitHub's REST API: asks, asks again where that helps, and says what to do where it does not.

https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api
"""

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl

from runner import __version__
from runner.errors import Finding, InputError
from runner.github.answers import NO_JSON, READING, Purpose, message_of, pause_after, refusal

if TYPE_CHECKING:
    import httpx

API_URL = "https://api.github.com"
API_VERSION = "2022-11-28"
REPOSITORY = re.compile(r"(?!\.+/)[\w.-]+/(?!\.+$)[\w.-]+", re.ASCII)  # dots alone would lead elsewhere in a path
ANSWER_WITHIN = 10.0  # seconds for each of connecting, sending and reading
ATTEMPTS = 4
PATIENCE = 25.0  # seconds from the beginning of a conversation; nothing is asked, and no answer read, after that
LARGEST_ANSWER = 64 * 1024 * 1024  # bytes; beyond a page of 100 releases of 125,000 characters
LARGEST_PAGE = 100  # entries of a list; GitHub sends no more at once
LONGEST_MESSAGE = 200  # characters
CHECK_THE_WAY = (
    "check the way from the runner to GitHub: HTTPS_PROXY names a proxy, SSL_CERT_FILE certificates of your own"
)


class GitHub:
    """A conversation with GitHub. The token is in no message."""

    def __init__(
        self,
        token: str,
        *,
        api_url: str = API_URL,
        purpose: Purpose = READING,
        pause: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`api_url` is that of GITHUB_API_URL. Raises InputError when token or network settings cannot be used."""
        import httpx

        self.purpose = purpose
        if not token or not (token.isascii() and token.isprintable()) or " " in token:
            raise InputError(
                Finding("github-token: it is empty, has blanks or line breaks, or is not ASCII", hint=purpose.hint)
            )
        self._token, self._pause, self._clock = token, pause, clock
        self._deadline = clock() + PATIENCE
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
            )
        except (httpx.InvalidURL, ImportError, OSError, ValueError):
            raise InputError(
                Finding(
                    "the network cannot be used: GITHUB_API_URL, HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, SSL_CERT_FILE or "
                    "SSL_CERT_DIR is not what it should be",
                    hint="a proxy is given as http://host:port, a certificate as a file or folder of the container",
                )
            ) from None

    @classmethod
    def of(cls, environ: Mapping[str, str], token: str, *, purpose: Purpose = READING) -> Self:
        """A conversation with the GitHub that a job runs on; with github.com outside of a job."""
        return cls(token, api_url=environ.get("GITHUB_API_URL") or API_URL, purpose=purpose)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    @property
    def as_app(self) -> bool:
        """Whether GitHub takes us for an app, as with the token of a job, and not for a person.

        https://docs.github.com/en/authentication/keeping-your-account-and-data-secure/about-authentication-to-github#githubs-token-formats
        """
        return self._token.startswith("ghs_")

    def path_of(self, repository: str) -> str:
        """Where a repository stands, from its name: octo-org/shop. Raises InputError when that is none."""
        if not REPOSITORY.fullmatch(repository):
            raise InputError(
                Finding(
                    "this run is of no repository: GITHUB_REPOSITORY is not owner/name",
                    hint=f"run it in a job on GitHub, whose runner sets the variable; or {self.purpose.otherwise}",
                )
            )
        return f"/repos/{repository}"

    def get(self, path: str, **query: str) -> Any:
        """The JSON that GitHub answers. Raises InputError when it does not."""
        return self._json(self._checked(self._ask("GET", path, query)))

    def find(self, path: str) -> Any:
        """The same; None for what is not there, or must not be seen."""
        answer = self._ask("GET", path)
        return None if answer.status_code == 404 else self._json(self._checked(answer))

    def each(self, path: str, *, pages: int) -> Iterator[Any]:
        """The entries of a list, of so many pages at most.

        https://docs.github.com/en/rest/using-the-rest-api/using-pagination-in-the-rest-api
        """
        query = {"per_page": str(LARGEST_PAGE)}
        for _ in range(pages):
            answer = self._checked(self._ask("GET", path, query))
            entries = self._json(answer)
            if not isinstance(entries, list):
                raise self.unusable("list")
            yield from entries
            following = answer.links.get("next", {}).get("url", "")
            if not following:
                return
            query = dict(parse_qsl(following.partition("?")[2]))  # the path stays ours: the token goes nowhere else

    def patch(self, path: str, body: Mapping[str, object]) -> Any:
        """Change what is there. It is sent again as often as it helps: twice does what once does."""
        return self._json(self._checked(self._ask("PATCH", path, body=body)))

    def post(self, path: str, body: Mapping[str, object], *, unless: Callable[[], Any]) -> Any:
        """Make something new, once. Nobody knows what became of a request whose answer is lost, so before it is sent
        again `unless` looks for what it may have made; what that finds is the answer.
        """
        attempt, tried = 1, self._try("POST", path, body=body)
        while self._waited(tried, attempt):
            if (found := unless()) is not None:
                return found
            attempt, tried = attempt + 1, self._try("POST", path, body=body)
        return self._json(self._checked(self._answered(tried)))

    def unusable(self, what: str) -> InputError:
        """The error for an answer that lacks what GitHub says it has."""
        return InputError(Finding(f"GitHub's answer has no usable {what}", hint=self.purpose.otherwise))

    def _ask(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, object] | None = None
    ) -> "httpx.Response":
        """The answer, once it is one or nothing is gained by asking again."""
        attempt, tried = 1, self._try(method, path, query, body)
        while self._waited(tried, attempt):
            attempt, tried = attempt + 1, self._try(method, path, query, body)
        return self._answered(tried)

    def _try(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: Mapping[str, object] | None = None
    ) -> "httpx.Response | Exception":
        """What comes of one attempt. Raises InputError when it is not worth another."""
        import httpx

        content, headers = (None, {}) if body is None else (json.dumps(body), {"Content-Type": "application/json"})
        try:
            request = self._http.build_request(method, path, params=query or None, content=content, headers=headers)
            return self._send(request)
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:  # UnicodeError: a name no host has
            return error

    def _send(self, request: "httpx.Request") -> "httpx.Response":
        """The answer of where a repository has moved to. What is written is sent there as it is, which httpx itself
        does not do, and to GitHub alone; to other servers the token does not go.

        https://docs.github.com/en/rest/using-the-rest-api/best-practices-for-using-the-rest-api#follow-redirects
        """
        import httpx

        for _ in range(self._http.max_redirects):
            request.extensions["timeout"] = httpx.Timeout(min(ANSWER_WITHIN, self._left())).as_dict()
            with closing(self._http.send(request, stream=True)) as coming:
                answer = self._read(coming)
            onward = coming.next_request
            if onward is None:
                return answer
            if request.method != "GET" and (answer.status_code == 303 or "Authorization" not in onward.headers):
                return answer
            request = httpx.Request(request.method, onward.url, headers=onward.headers, content=request.content)
        raise httpx.TooManyRedirects("", request=request)

    def _read(self, coming: "httpx.Response") -> "httpx.Response":
        """The answer with its body. httpx itself gives up on silence, and takes all from whom keeps sending."""
        import httpx

        body = bytearray()
        for part in coming.iter_bytes():
            self._left()
            body += part
            if len(body) > LARGEST_ANSWER:
                raise self._not_github(f"sent more than {LARGEST_ANSWER:,} bytes")
        headers = coming.headers.copy()
        headers.pop("Content-Encoding", None)
        return httpx.Response(coming.status_code, headers=headers, content=bytes(body))

    def _left(self) -> float:
        """The seconds that the conversation may go on. Raises InputError when there are none."""
        left = self._deadline - self._clock()
        if left <= 0:
            raise InputError(
                Finding(
                    f"GitHub is too slow: it has not answered everything within {PATIENCE:.0f} s",
                    hint=f"run the job again later; or {self.purpose.otherwise}",
                )
            )
        return left

    def _waited(self, tried: "httpx.Response | Exception", attempt: int) -> bool:
        """Whether it is worth trying again; if so, it is time to."""
        pause = pause_after(tried, attempt)
        if pause is None or attempt == ATTEMPTS or self._clock() + pause > self._deadline:
            return False
        self._pause(pause)
        return True

    def _answered(self, tried: "httpx.Response | Exception") -> "httpx.Response":
        """The answer, if there is one."""
        import httpx

        if isinstance(tried, httpx.Response):
            return tried
        raise InputError(
            Finding(
                f"GitHub could not be asked at {self._http.base_url.raw_host.decode()}: {type(tried).__name__}",
                detail=self._readable(str(tried)),
                hint=f"{CHECK_THE_WAY}; or {self.purpose.otherwise}",
            )
        )

    def _checked(self, answer: "httpx.Response") -> "httpx.Response":
        """The answer, if it is one to the question."""
        if answer.is_success:
            return answer
        message, hint = refusal(answer, self.purpose)
        raise InputError(Finding(message, detail=self._readable(message_of(answer)), hint=hint))

    def _json(self, answer: "httpx.Response") -> Any:
        try:
            return answer.json()
        except NO_JSON:
            raise self._not_github("did not send JSON") from None

    def _not_github(self, why: str) -> InputError:
        return InputError(
            Finding(f"what answered in GitHub's place {why}", hint=f"{CHECK_THE_WAY}; or {self.purpose.otherwise}")
        )

    def _readable(self, text: str) -> str:
        """What somebody else said, in short, without the token."""
        said = text.replace(self._token, "***") if self._token else text
        return said if len(said) <= LONGEST_MESSAGE else f"{said[:LONGEST_MESSAGE]}…"
