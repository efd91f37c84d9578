"""Who gets through: with a fake of the database's answer, and an application behind it that says what it was asked."""

import asyncio
import hmac
import threading
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.types import ASGIApp

from runner.api import database as module
from runner.api.answers import handlers
from runner.api.database import LASTS, InProduction, Watched
from runner.api.guard import Guard
from runner.errors import DatabaseUnusable, Finding
from runner.secrets import Scrubber
from tests.api.conftest import BEARER, TOKEN, ask

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE")


def a_database(*, production: bool = False) -> Watched:
    """One that says of itself what it is."""
    return Watched(lambda: SimpleNamespace(production=production))  # type: ignore[arg-type, return-value]


def guarded(
    inside: ASGIApp | None = None,
    *,
    closed: bool = False,
    production: bool = False,
    database: Watched | None = None,
    log: list[str] | None = None,
) -> Guard:
    """A guard before an application that answers everything."""
    lines: list[str] = [] if log is None else log
    return Guard(
        inside or PlainTextResponse("inside"),
        token=TOKEN,
        closed=closed,
        database=database or a_database(production=production),
        scrub=Scrubber([TOKEN]),
        tell=lambda line: lines.append(Scrubber([TOKEN])(line)),
        clock=lambda: 0.0,
    )


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_token_opens(scheme: str) -> None:
    answer = ask(guarded(), "GET", "/any", {"Authorization": f"{scheme} {TOKEN}"})
    assert (answer.status_code, answer.text) == (200, "inside")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer "},
        {"Authorization": TOKEN},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": f"Bearer {TOKEN}, Bearer {TOKEN}"},
        {"Authorization": "Bearer töken".encode()},
        [("Authorization", "Bearer x"), ("Authorization", f"Bearer {TOKEN}")],
        {"X-Authorization": f"Bearer {TOKEN}"},
        {"Cookie": f"token={TOKEN}"},
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_nothing_else_opens(method: str, headers: Any) -> None:
    answer = ask(guarded(), method, f"/api/migrations?token={TOKEN}", headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer realm=")
    assert (answer.headers["content-type"], answer.json()["status"]) == ("application/problem+json", 401)


def test_what_opens_is_decided_by_a_comparison_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[object, object]] = []

    def never_the_same(given: bytes, known: bytes) -> bool:
        compared.append((given, known))
        return False

    monkeypatch.setattr(hmac, "compare_digest", never_the_same)
    assert [ask(guarded(), "GET", "/", headers).status_code for headers in (BEARER, {})] == [401, 401]
    assert compared == [(TOKEN.encode(), TOKEN.encode()), (b"", TOKEN.encode())]


@pytest.mark.parametrize("headers", [BEARER, {}])
def test_every_answer_stays_out_of_caches(headers: Mapping[str, str]) -> None:
    answer = ask(guarded(), "GET", "/", headers)
    assert (answer.headers["cache-control"], answer.headers["x-content-type-options"]) == ("no-store", "nosniff")


@pytest.mark.parametrize("headers", [BEARER, {}, {"Authorization": "Bearer x"}])
@pytest.mark.parametrize(("closed", "production"), [(True, False), (False, True)])
def test_in_production_there_is_nothing(closed: bool, production: bool, headers: Mapping[str, str]) -> None:
    nothing = [ask(Starlette(), method, "/api/migrations", headers) for method in METHODS]
    guard = guarded(must_not_be_asked, closed=closed, production=production)
    answers = [ask(guard, method, "/api/migrations", headers) for method in METHODS]
    assert [facts(answer) for answer in answers] == [facts(answer) for answer in nothing]


async def must_not_be_asked(*_: object) -> None:
    pytest.fail("it came through")


def facts(answer: httpx.Response) -> tuple[int, bytes, list[tuple[str, str]]]:
    """All that a client sees."""
    return answer.status_code, answer.content, list(answer.headers.items())


def test_mounted_in_production_it_is_not_there_in_the_words_of_its_host() -> None:
    async def our_own_404(*_: object) -> PlainTextResponse:
        return PlainTextResponse("this shop has no such page", 404)

    host = Starlette(
        routes=[Mount("/ops", guarded(must_not_be_asked, closed=True))], exception_handlers={404: our_own_404}
    )
    assert facts(ask(host, "POST", "/ops/api/migrations")) == facts(ask(host, "POST", "/elsewhere"))


def test_guesses_are_bounded_and_do_not_keep_out_who_has_the_token() -> None:
    guard = guarded()
    guesses = [ask(guard, "GET", "/", {"Authorization": f"Bearer {guess}"}) for guess in range(22)]
    assert [guess.status_code for guess in guesses] == [401] * 20 + [429] * 2
    assert guesses[-1].headers["retry-after"] == "1"
    assert ask(guard, "GET", "/").status_code == 200


def test_requests_are_bounded() -> None:
    guard = guarded()
    answers = [ask(guard, "GET", "/") for _ in range(61)]
    assert [answer.status_code for answer in answers] == [200] * 60 + [429]
    assert answers[-1].headers["retry-after"] == "1"


def test_a_defect_is_told_by_its_kind_and_place_and_nobody_sees_more() -> None:
    async def broken(*_: object) -> None:
        raise LookupError("postgresql://u:p4ssw0rd@db/app")

    log: list[str] = []
    answer = ask(guarded(broken, log=log), "GET", "/")
    assert (answer.status_code, answer.headers["content-type"]) == (500, "application/problem+json")
    assert log[0].startswith("an error of db-migrate itself: LookupError in test_guard.py:")
    assert "p4ssw0rd" not in answer.text + "".join(log)


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/api/migrations?token=abc", "GET /api/migrations 200"),
        (f"/{TOKEN}", "GET /*** 200"),
        ("/a%0Ab%1b", "GET /a%0Ab%1b 200"),
        ("/" + "x" * 9000, f"GET /{'x' * 199} 200"),
    ],
)
def test_each_request_is_one_line_in_the_log_without_query_and_token(path: str, told: str) -> None:
    log: list[str] = []
    ask(guarded(log=log), "GET", path)
    (line,) = log
    assert told in line
    assert line.endswith(" ms")


# What is known of the database


class Clock:
    """Time as the test wants it."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def watching(answers: list[bool | None]) -> tuple[Watched, Clock, Callable[[], bool | None]]:
    """One whose database gives these answers, one after the other; None: it cannot be reached."""
    clock = Clock()

    def look() -> Any:
        if (answer := answers.pop(0)) is None:
            raise DatabaseUnusable(Finding("gone"))
        return SimpleNamespace(production=answer)

    watched = Watched(look, clock)

    def production() -> bool | None:
        return asyncio.run(watched.production())

    return watched, clock, production


def test_the_database_is_asked_again_when_its_answer_is_old() -> None:
    answers: list[bool | None] = [False, True]
    _, clock, production = watching(answers)
    assert [production(), production(), len(answers)] == [False, False, 1]
    clock.now += LASTS
    assert production()


def test_the_last_answer_counts_while_the_database_cannot_be_asked() -> None:
    _, clock, production = watching([True, None, False])
    seen = []
    for _ in range(3):
        seen.append(production())
        clock.now += LASTS
    assert seen == [True, True, False]


def test_an_answer_that_is_asked_for_anew_counts_from_then_on() -> None:
    watched, _, production = watching([False, True])
    assert production() is False
    with pytest.raises(InProduction):
        asyncio.run(watched.now())
    assert production() is True


@pytest.mark.parametrize(("headers", "findings"), [(BEARER, ["gone"]), ({}, []), ({"Authorization": "Bearer x"}, [])])
def test_before_the_database_has_answered_nothing_is_there_for_anybody(
    headers: Mapping[str, str], findings: list[str]
) -> None:
    watched, _, _ = watching([None])
    guard = guarded(must_not_be_asked, database=watched)
    answers = [ask(guard, method, "/api/openapi.json", headers) for method in ("GET", "POST")]
    assert [(answer.status_code, answer.headers["content-type"]) for answer in answers] == [
        (503, "application/problem+json")
    ] * 2
    assert [finding["message"] for finding in answers[0].json().get("findings", [])] == findings


@pytest.mark.parametrize(("before", "status"), [(None, 503), (False, 200), (True, 404)])
def test_a_database_that_hangs_is_looked_at_once_and_keeps_nobody_waiting(
    before: bool | None, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "HURRY", 0.01)
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    hangs, clock, looks = threading.Event(), Clock(), 0

    def look() -> Any:
        nonlocal looks
        looks += 1
        if looks > 1 or before is None:
            hangs.wait()
        return SimpleNamespace(production=True if looks > 1 or before is None else before)

    watched = Watched(look, clock)
    guard = guarded(database=watched)
    try:
        if before is not None:
            watched.ask()
        for _ in range(3):
            clock.now += LASTS
            assert ask(guard, "GET", "/").status_code == status
        with pytest.raises(DatabaseUnusable, match="the database has not answered within"):
            asyncio.run(watched.now())
        assert looks == (1 if before is None else 2)
    finally:
        hangs.set()
    while asyncio.run(watched.production()) is not True:
        pass
    assert ask(guard, "GET", "/").status_code == 404


def test_who_finds_out_that_it_is_productions_is_told_no_more_than_anybody_after() -> None:
    watched, _, _ = watching([False, True])

    async def start(*_: object) -> Response:
        await watched.now()
        pytest.fail("it is production's")

    inside = Starlette(routes=[Route("/", start)], exception_handlers=handlers(str))
    guard = guarded(inside, database=watched)
    answers = [ask(guard, "GET", "/") for _ in range(2)]
    assert [facts(answer) for answer in answers] == [facts(ask(Starlette(), "GET", "/"))] * 2
