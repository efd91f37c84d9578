"""The application: what each path answers (docs/api.md)."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from http import HTTPStatus
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from runner.api import documents, events
from runner.api.answers import Json, Problem, handlers
from runner.api.database import Watched, look
from runner.api.guard import Guard
from runner.api.openapi import description
from runner.api.requests import patience, wanted
from runner.api.runs import Busy, Closing, Run, Runs
from runner.api.settings import Settings
from runner.core.model import PRODUCTION
from runner.secrets import Scrubber

MOST_STREAMS = 16  # at once
LOOK_EVERY = 0.1  # seconds, while a client waits


class Application:
    """An ASGI application, to be served or mounted. In production it answers as if it were not there."""

    def __init__(self, settings: Settings, *, tell: Callable[[str], None]) -> None:
        """`tell` takes a line for each request."""
        self._settings = settings
        # Its own words a run keeps free of the secrets that it knows; the token it does not.
        self.runs = Runs(settings.environ, Scrubber([settings.token]))
        self.database = Watched(lambda: look(settings))
        self._streams = 0
        routes = [
            Route("/api/migrations", self._migrations, methods=["GET", "POST"]),
            Route(f"{documents.RUNS}/{{id}}", self._run),
            Route(f"{documents.RUNS}/{{id}}/events", self._events),
            Route("/api/openapi.json", self._openapi),
        ]
        inside = Starlette(routes=routes, exception_handlers=handlers(settings.scrub))
        inside.router.redirect_slashes = False
        self._guard = Guard(
            inside,
            token=settings.token,
            closed=settings.config.environment == PRODUCTION,
            database=self.database,
            scrub=settings.scrub,
            tell=lambda line: tell(settings.scrub(line)),
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, as ASGI says: https://asgi.readthedocs.io/en/stable/specs/main.html."""
        await self._guard(scope, receive, send)

    async def _migrations(self, request: Request) -> Response:
        return await (self._start(request) if request.method == "POST" else self._status(request))

    async def _status(self, request: Request) -> Response:
        seen = await self.database.now()
        standing = await asyncio.to_thread(documents.standing, self._settings, seen)
        run = self.runs.last
        return Json({"status": standing, "run": documents.brief(run, _root(request)) if run else None})

    async def _start(self, request: Request) -> Response:
        asked, wait = await wanted(request), patience(request)
        if (run := self.runs.last) and not run.ended:
            raise self._busy(run, request)
        seen = await self.database.now()
        if holder := seen.standing.holder:
            name = holder.application or f"a session of role {holder.role}"
            raise Problem(HTTPStatus.CONFLICT, f"another process migrates this database: {name}, pid {holder.pid}")
        run = await self._started(request, dry_run=asked.dry_run)
        await _end(run, wait)
        place = {"Location": documents.brief(run, _root(request))["url"]}
        applied = {"Preference-Applied": f"wait={wait}"} if wait else {}
        status = HTTPStatus.OK if run.ended else HTTPStatus.ACCEPTED
        return Json(documents.whole(run, _root(request)), status_code=status, headers={**place, **applied})

    async def _started(self, request: Request, *, dry_run: bool) -> Run:
        try:
            return await asyncio.to_thread(self.runs.start, dry_run=dry_run)
        except Busy as busy:
            raise self._busy(busy.run, request) from None
        except Closing:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, "the server is about to end") from None
        except OSError as error:
            detail = f"a run could not be started: {error.strerror}"
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, detail) from None

    def _busy(self, run: Run, request: Request) -> Problem:
        about = documents.brief(run, _root(request))
        return Problem(HTTPStatus.CONFLICT, "a run is under way", headers={"Location": about["url"]}, run=about)

    async def _run(self, request: Request) -> Response:
        return Json(documents.whole(self._known(request), _root(request)))

    async def _events(self, request: Request) -> Response:
        run, seen = self._known(request), events.last_seen(request.headers.get("last-event-id"))
        if events.all_seen(run, seen):
            return Response(status_code=HTTPStatus.NO_CONTENT)  # which keeps a browser from coming again
        if self._streams >= MOST_STREAMS:
            detail = f"{MOST_STREAMS} clients read events already"
            raise Problem(HTTPStatus.TOO_MANY_REQUESTS, detail, headers={"Retry-After": "5"})
        if request.method == "HEAD":
            return Response(media_type=events.MEDIA_TYPE)
        stream = self._counted(
            events.events(run, seen, lambda run: documents.whole(run, _root(request)), request.is_disconnected)
        )
        return StreamingResponse(stream, media_type=events.MEDIA_TYPE, headers={"X-Accel-Buffering": "no"})

    async def _counted(self, stream: AsyncIterator[str]) -> AsyncIterator[str]:
        self._streams += 1
        try:
            async for text in stream:
                yield text
        finally:
            self._streams -= 1

    async def _openapi(self, request: Request) -> Response:
        about: Mapping[str, Any] = description(_root(request) or "/")
        return Json(about)

    def _known(self, request: Request) -> Run:
        run = self.runs.get(request.path_params["id"])
        if run is None:
            raise Problem(HTTPStatus.NOT_FOUND, "there is no run of this id, or it is forgotten")
        return run


async def _end(run: Run, wait: int) -> None:
    """Until the run has ended, but so many seconds at most."""
    until = asyncio.get_running_loop().time() + wait
    while run.ended is None and asyncio.get_running_loop().time() < until:
        await asyncio.sleep(LOOK_EVERY)


def _root(request: Request) -> str:
    """Where the application is mounted: empty at the root."""
    root: str = request.scope.get("root_path", "")
    return root.rstrip("/")
