"""Connections that hold their place and do nothing: real ones, to a server inside of the test's process."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.server import ServerState

from runner.api import connections
from runner.api.connections import Connection
from tests.api.conftest import TOKEN
from tests.api.test_guard import guarded

SOON = 0.05  # seconds
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
GET = f"GET / HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()
HELLO = PlainTextResponse("hello")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody has the patience for ten seconds."""
    for name in ("PATIENCE", "LONGEST_PAUSE"):
        monkeypatch.setattr(connections, name, SOON)


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[Callable[[], Awaitable[Streams]]]:
    """Serve an application; what it yields connects to it. Nothing in the block may last for ever."""
    config = uvicorn.Config(app, http=Connection, ws="none", lifespan="off", log_config=None, log_level="critical")
    state, loop = ServerState(), asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(config, state, {}), "127.0.0.1", 0)
    opened: list[asyncio.StreamWriter] = []

    async def connect() -> Streams:
        reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
        opened.append(writer)
        return reader, writer

    try:
        async with asyncio.timeout(20):
            yield connect
    finally:
        for writer in opened:
            writer.transport.abort()
        server.close()


async def answer(reader: asyncio.StreamReader) -> bytes:
    """A whole answer, whose connection may stay open."""
    head = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in head.splitlines() if line.lower().startswith(b"content-length: "))
    return head + await reader.readexactly(int(length.partition(b" ")[2]))


@pytest.mark.parametrize("said", [b"", b"GET", b"GET / HTTP/1.1\r\nHost: api\r\n"])
def test_who_does_not_ask_is_sent_away(said: bytes) -> None:
    async def told() -> bytes:
        async with serving(HELLO) as connect:
            reader, writer = await connect()
            writer.write(said)
            return await reader.read()

    assert asyncio.run(told()) == b""


def test_who_asks_letter_by_letter_is_sent_away() -> None:
    async def told() -> bytes:
        async with serving(HELLO) as connect:
            reader, writer = await connect()

            async def dawdle() -> None:
                while not writer.is_closing():
                    writer.write(b"G")
                    await asyncio.sleep(SOON / 10)

            dawdling = asyncio.create_task(dawdle())
            try:
                return await reader.read()
            except ConnectionResetError:  # a letter came after the end
                return b""
            finally:
                dawdling.cancel()

    assert asyncio.run(told()) == b""


def test_who_begins_to_ask_again_and_does_not_go_on_is_sent_away() -> None:
    async def told() -> tuple[bytes, bytes]:
        async with serving(HELLO) as connect:
            reader, writer = await connect()
            writer.write(GET)
            first = await answer(reader)
            writer.write(GET[:9])
            return first, await reader.read()

    first, rest = asyncio.run(told())
    assert (first.startswith(b"HTTP/1.1 200"), rest) == (True, b"")


def test_who_waits_for_an_answer_is_not_sent_away() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.sleep(SOON * 4)
        await HELLO(scope, receive, send)

    async def told() -> list[bytes]:
        async with serving(slow) as connect:
            reader, writer = await connect()
            writer.write(GET * 2)
            return [await answer(reader) for _ in range(2)]

    assert [each.endswith(b"hello") for each in asyncio.run(told())] == [True, True]


def test_who_does_not_listen_is_sent_away() -> None:
    gone = asyncio.Event()

    async def endless(_: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

        async def talk() -> None:
            while True:
                await send({"type": "http.response.body", "body": bytes(1_000_000), "more_body": True})

        talking = asyncio.create_task(talk())
        while (await receive())["type"] != "http.disconnect":
            pass
        talking.cancel()
        gone.set()

    async def ends() -> bool:
        async with serving(endless) as connect:
            _, writer = await connect()
            writer.write(GET)
            return await gone.wait()

    assert asyncio.run(ends())


def test_one_connection_too_many_is_told_so_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "MOST_AT_ONCE", 1)
    monkeypatch.setattr(connections, "PATIENCE", 20)
    log: list[str] = []

    async def told() -> tuple[bytes, bytes, bytes]:
        async with serving(guarded(log=log)) as connect:
            first, second = await connect(), await connect()
            second[1].write(GET)
            crowded = await second[0].read()
            first[1].write(GET)
            served = await answer(first[0])
            first[1].close()
            await first[0].read()
            third = await connect()
            third[1].write(GET)
            return crowded, served, await answer(third[0])

    crowded, *served = asyncio.run(told())
    assert crowded.startswith(b"HTTP/1.1 503")
    assert (b"application/problem+json" in crowded, b"too many connections are open" in crowded) == (True, True)
    assert [each.endswith(b"inside") for each in served] == [True, True]
    assert log[0] == "too many connections are open: one is turned away"
    assert [line.split()[3] for line in log[1:]] == ["503", "200", "200"]
