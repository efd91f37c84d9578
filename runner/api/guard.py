"""Who gets through to the API: nobody in production, elsewhere whoever has the token, and not too often."""

import hmac
import math
import time
from collections.abc import Callable, Sequence
from http import HTTPStatus

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.routing import Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from runner.api.answers import Problem
from runner.api.database import LASTS, Watched
from runner.api.limits import Bucket
from runner.core.visible import visible
from runner.errors import Finding

SCHEME = b"bearer"
CHALLENGE = 'Bearer realm="db-migrate"'
HEADERS = ((b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff"))
LONGEST_PATH = 200  # characters of it in the log
CROWDED = "db-migrate.crowded"  # in the state of a request: its connection is one too many

nowhere = Router()  # answers as if there were nothing, in the words of the application that it is mounted in


class Guard:
    """Stands before an application. Every answer has the headers that keep it out of caches, and a line in the log."""

    def __init__(
        self,
        inside: ASGIApp,
        *,
        token: str,
        closed: bool,
        database: Watched,
        scrub: Callable[[str], str],
        tell: Callable[[str], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`closed`: it is production's by configuration, and the database is not asked."""
        self._inside, self._token, self._closed, self._database = inside, token.encode(), closed, database
        self._scrub, self._tell = scrub, tell
        self._requests = Bucket(at_once=60, a_second=20, clock=clock)
        self._guesses = Bucket(at_once=20, a_second=1, clock=clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] != "http":
            await nowhere(scope, receive, send)
            return
        started, status = time.monotonic(), 0

        async def noted(message: Message) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            if not self._closed and (production := await self._database.production()) is not True:
                answer = self._refusal(scope, known=production is not None) or self._inside
                await answer({**scope}, receive, _uncached(noted))  # a copy: Starlette puts itself into it
            if not status:  # it is production's, or was found to be so just now
                await nowhere(scope, receive, noted)
        except HTTPException:  # the nowhere of the application that we are mounted in
            raise
        except Exception as error:  # noqa: BLE001 - nobody may see more of it than that there was one
            self._tell(f"an error of db-migrate itself: {type(error).__name__} {_place(error)}".rstrip())
            if not status:
                detail = "an error of db-migrate itself: the log of the server tells where"
                response = Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail).response(self._scrub)
                await response(scope, receive, _uncached(noted))
        finally:
            took = (time.monotonic() - started) * 1000
            place = visible(scope.get("raw_path", b"").decode("ascii", "backslashreplace"))[:LONGEST_PATH]
            self._tell(f"{_client(scope)} {scope['method']} {place} {status or '-'} {took:.0f} ms")

    def _refusal(self, scope: Scope, *, known: bool) -> Response | None:
        """Why a request gets no further; None when it does. `known`: whose database it is."""
        if CROWDED in scope.get("state", ()):
            self._tell("too many connections are open: one is turned away")
            return self._unavailable("too many connections are open: try again", Connection="close")
        if not known:
            findings = self._database.why if self._knows(scope) else ()
            return self._unavailable("whose database this is nobody knows: it has not answered yet", findings)
        if not self._knows(scope):
            if wait := self._guesses.take():
                return self._too_often(wait)
            told = any(name == b"authorization" for name, _ in scope["headers"])
            wrong = ', error="invalid_token"' if told else ""  # https://www.rfc-editor.org/rfc/rfc6750#section-3.1
            problem = Problem(
                HTTPStatus.UNAUTHORIZED,
                "the token is missing or wrong: send `Authorization: Bearer TOKEN`",
                headers={"WWW-Authenticate": CHALLENGE + wrong},
            )
            return problem.response(self._scrub)
        wait = self._requests.take()
        return self._too_often(wait) if wait else None

    def _knows(self, scope: Scope) -> bool:
        """Whether the request has the token, compared in a time that tells nothing of it."""
        given = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, credentials = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        same = hmac.compare_digest(credentials.strip(), self._token)
        return same and scheme.lower() == SCHEME and bool(self._token)

    def _unavailable(self, detail: str, findings: Sequence[Finding] = (), **headers: str) -> Response:
        """Not now, whoever asks."""
        problem = Problem(
            HTTPStatus.SERVICE_UNAVAILABLE, detail, headers={"Retry-After": str(LASTS), **headers}, findings=findings
        )
        return problem.response(self._scrub)

    def _too_often(self, wait: float) -> Response:
        seconds = math.ceil(wait)
        detail = f"too many requests: try again in {seconds} s"
        headers = {"Retry-After": str(seconds)}
        return Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers=headers).response(self._scrub)


def _uncached(send: Send) -> Send:
    """Adds the headers that keep an answer out of caches, and browsers from guessing its type."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            message = {**message, "headers": [*message["headers"], *HEADERS]}
        await send(message)

    return sent


def _client(scope: Scope) -> str:
    return scope["client"][0] if scope.get("client") else "-"


def _place(error: Exception) -> str:
    """Where it was raised, without the values, which could be secret: `in runs.py:42`."""
    trace = error.__traceback__
    while trace and trace.tb_next:
        trace = trace.tb_next
    return f"in {trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}" if trace else ""
