"""A network of the tests' own between the program and its server: it counts, delays, and breaks where a test says."""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Coroutine, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

from runner.core.database_url import DatabaseUrl
from tests.faults.messages import ENCRYPT, START, Frame, Frames, Message, Statements, parameters, tag

CHUNK = 64 * 1024
NO_ENCRYPTION = b"N"
READY, GOODBYE = "Z", "X"
RESET_ON_CLOSE = struct.pack("ii", 1, 0)


@dataclass(eq=False)
class Trap:
    """A fault that waits for its message."""

    at: Callable[[Message], bool]
    spring: Callable[[], object]
    swallow: bool
    sprung: threading.Event = field(default_factory=threading.Event)


class Proxy:
    """Passes connections on 127.0.0.1 to a server's Unix socket, in a thread of its own.

    A *turn* begins with what the client sends once it has received something that the server sent after the turn before
    had reached it: a round trip that cost its distance. What is sent ahead while earlier answers come in belongs to the
    turn under way. Turns and messages count from the moment at which a connection is ready for its first query, without
    its goodbye. With `delay`, in seconds, every byte arrives that much later, in each direction; how much is under way
    at once has no limit.
    """

    def __init__(self, server: Path, *, delay: float = 0) -> None:
        self.delay = delay
        self.away = False  # whether new connections are refused
        self.links: list[Link] = []
        self._server = server
        self._trap: Trap | None = None
        self._numbers: dict[str, int] = {}
        self._errors: list[BaseException] = []
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)

    def url(self, database: str) -> DatabaseUrl:
        """The URL of a database, through the proxy."""
        return DatabaseUrl(value=f"postgresql://postgres@127.0.0.1:{self._port}/{quote(database)}")

    @property
    def turns(self) -> int:
        """Of all connections together."""
        return sum(link.turns for link in self.links)

    @property
    def connections(self) -> int:
        """How many were there, those that only asked for a cancellation left out."""
        return sum(link.ready for link in self.links)

    def messages(self, application: str) -> int:
        """How many the connections of an application have exchanged, both ways."""
        return sum(number for name, number in self._numbers.items() if application in name)

    def trap(self, at: Callable[[Message], bool], spring: Callable[[], object], *, swallow: bool = False) -> Trap:
        """When the first message comes that `at` accepts: what was before it is passed on, everything stands still,
        `spring` is called, and the message goes on unless it is to be swallowed. There is one trap at a time.
        """
        self._trap = Trap(at, spring, swallow)
        return self._trap

    def cut(self, *, reset: bool = True, half: str = "") -> None:
        """Break all connections at once, by TCP's reset or as if both ends had closed them. With `half`, only those of
        an application, and only on the client's side: the server does not notice.
        """

        def cut() -> None:
            for link in self.links:
                if half in link.application:
                    link.cut(reset=reset, half=bool(half))

        self._call(cut)

    # Inside of its thread

    def look(self, link: "Link", frame: Frame, *, from_client: bool) -> Trap | None:
        """Count a message, and say which trap it springs."""
        if frame.kind == START:
            link.application = parameters(frame).get("application_name", "")
        text = link.statements.of(frame) if from_client else tag(frame)
        if not link.count(frame, from_client=from_client):
            return None
        number = self._numbers[link.application] = self._numbers.get(link.application, 0) + 1
        message = Message(
            number=number, application=link.application, from_client=from_client, kind=frame.kind, text=text
        )
        trap = self._trap
        return trap if trap and not trap.sprung.is_set() and trap.at(message) else None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        link = Link(self, writer)
        try:
            if self.away:
                return
            from_server, link.to_server = await asyncio.open_unix_connection(str(self._server))
            self.links.append(link)
            async with asyncio.TaskGroup() as both:
                both.create_task(link.pump(reader, link.to_server, from_client=True))
                both.create_task(link.pump(from_server, writer, from_client=False))
        except OSError:
            pass  # the server is down
        except ExceptionGroup as group:
            self._errors += group.exceptions
        finally:
            link.cut(reset=False)

    async def open(self) -> None:
        """Begin to listen."""
        self._listening = await asyncio.start_server(self.serve, "127.0.0.1", 0, limit=CHUNK)
        self._port = self._listening.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Break what is left, and wait until nothing is."""
        self._listening.close()
        for link in self.links:
            link.cut(reset=False)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        if others:
            await asyncio.wait(others, timeout=5)
        await asyncio.sleep(0)  # for the last transports to close

    # Between the threads

    def start(self) -> None:
        self._thread.start()
        self._run(self.open())

    def stop(self) -> None:
        """Raises what went wrong inside."""
        self._run(self.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self._errors:
            raise self._errors[0]

    def _run(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    def _call(self, work: Callable[[], object]) -> None:
        if threading.current_thread() is self._thread:
            work()
            return

        async def there() -> None:
            work()

        self._run(there())


class Link:
    """One connection through the proxy."""

    def __init__(self, proxy: Proxy, to_client: asyncio.StreamWriter) -> None:
        self.application = ""
        self.turns = 0
        self.ready = False  # for its first query
        self.statements = Statements()
        self.to_server: asyncio.StreamWriter | None = None
        self._proxy, self._to_client = proxy, to_client
        self._reached = 0  # the last turn that has reached the server
        self._heard = 0  # the last one that the client has something of from the server
        self._cut = False

    def cut(self, *, reset: bool, half: bool = False) -> None:
        """Break it: what is under way is lost. With `half` the server's side stays open."""
        first, self._cut = not self._cut, True
        if first and reset:
            with contextlib.suppress(OSError):
                made: socket.socket = self._to_client.get_extra_info("socket")
                made.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        for writer in (self._to_client, None if half else self.to_server):
            if writer is not None:
                writer.transport.abort()

    async def pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, from_client: bool) -> None:
        """Pass on what comes from one side, until it ends."""
        frames = Frames(from_client=from_client)
        line = _Line(writer, self._proxy.delay, self._reach if from_client else self._hear)
        try:
            while chunk := await reader.read(CHUNK):
                passing = self._judged(frames.feed(chunk), line, from_client=from_client)
                await line.send(passing, self._turn(from_client=from_client))
            if not self._cut:
                await line.end(bytes(frames.rest))
        except OSError:  # one end is gone: so is the connection
            self.cut(reset=False)
        finally:
            await line.stop()

    def _judged(self, arrived: Iterable[Frame], line: "_Line", *, from_client: bool) -> bytes:
        """What of these messages is passed on; what comes before a trap is sent before it springs."""
        passing = bytearray()
        for frame in arrived:
            trap = self._proxy.look(self, frame, from_client=from_client)
            if trap:
                line.send_now(bytes(passing), self._turn(from_client=from_client))
                passing.clear()
                trap.spring()
                trap.sprung.set()
            if frame.kind == ENCRYPT:
                self._to_client.write(NO_ENCRYPTION)
            elif not (trap and trap.swallow):
                passing += frame.data
        return b"" if self._cut else bytes(passing)

    def count(self, frame: Frame, *, from_client: bool) -> bool:
        """Count a message; False while the connection is not ready for a query."""
        if not self.ready:
            self.ready = not from_client and frame.kind == READY
            return False
        if from_client and frame.kind != GOODBYE and self._heard == self.turns:
            self.turns += 1
        return True

    def _turn(self, *, from_client: bool) -> int:
        """The turn that what is sent now belongs to."""
        return self.turns if from_client else self._reached

    def _reach(self, turn: int) -> None:
        self._reached = turn

    def _hear(self, turn: int) -> None:
        self._heard = turn


class _Line:
    """A line of a certain length: what is sent arrives in order, `delay` seconds later; `told` then hears its turn."""

    def __init__(self, writer: asyncio.StreamWriter, delay: float, told: Callable[[int], None]) -> None:
        self._writer, self._delay, self._told = writer, delay, told
        self._under_way: asyncio.Queue[tuple[float, bytes, int]] = asyncio.Queue()
        self._arriving = asyncio.create_task(self._arrive()) if delay else None

    async def send(self, data: bytes, turn: int) -> None:
        """Wait while the other end does not take more."""
        self.send_now(data, turn)
        if not self._delay and data:
            await self._writer.drain()

    def send_now(self, data: bytes, turn: int) -> None:
        if not data:  # which would mean the end
            return
        if self._delay:
            self._under_way.put_nowait((asyncio.get_running_loop().time() + self._delay, data, turn))
        else:
            self._writer.write(data)
            self._told(turn)

    async def end(self, rest: bytes) -> None:
        """Nothing comes behind this; returns when it has arrived."""
        if self._arriving:
            self._under_way.put_nowait((asyncio.get_running_loop().time() + self._delay, b"", 0))
            await self._arriving
        self._writer.write(rest)
        self._writer.write_eof()

    async def stop(self) -> None:
        """Lose what has not arrived."""
        if self._arriving:
            self._arriving.cancel()
            await asyncio.wait([self._arriving])

    async def _arrive(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, data, turn = await self._under_way.get()
                await asyncio.sleep(due - asyncio.get_running_loop().time())
                if not data:
                    return
                self._writer.write(data)
                self._told(turn)
                await self._writer.drain()


@contextmanager
def proxy_to(folder: Path, *, delay: float = 0) -> Iterator[Proxy]:
    """A proxy before the server whose socket is in a folder, while the block runs."""
    proxy = Proxy(folder / ".s.PGSQL.5432", delay=delay)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()
