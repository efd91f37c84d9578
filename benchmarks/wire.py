"""A line of a certain length between a tool and the server: it passes bytes on later, and counts how often the tool
waited for an answer.
"""

import asyncio
import contextlib
import selectors
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHUNK = 256 * 1024


class Wire:
    """Passes connections on 127.0.0.1 on to the server's port there, each byte half a round trip later. How much is
    under way at once has no limit.

    A round trip begins with what a tool sends once it has heard something that the server sent after the round trip
    before had reached it; what is sent ahead meanwhile belongs to the one under way. It counts once it is answered: a
    goodbye is none. TCP's own handshake is the first of each connection.
    """

    def __init__(self, to_port: int, *, round_trip: float) -> None:
        self.port = 0
        self._to_port, self._round_trip = to_port, round_trip
        self._links: list[_Link] = []
        # The other selectors round what they wait up to a whole millisecond.
        self._loop = asyncio.SelectorEventLoop(selectors.SelectSelector())
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

    @property
    def round_trips(self) -> int:
        """Of all connections together."""
        return sum(link.answered for link in self._links)

    def start(self) -> None:
        """Begin to listen, in a thread of its own."""
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._open(), self._loop).result(10)

    def stop(self) -> None:
        """End all connections."""
        asyncio.run_coroutine_threadsafe(self._close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=CHUNK)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # for the last transports to close

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        ends = [writer]
        try:
            await asyncio.sleep(self._round_trip)  # TCP's handshake: the kernel has made its own already
            link = _Link()
            self._links.append(link)
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to_port, limit=CHUNK)
            ends.append(to_server)
            await asyncio.gather(
                self._pass_on(reader, to_server, sent=link.ask, arrived=link.reach),
                self._pass_on(from_server, writer, sent=link.answer, arrived=link.hear),
            )
        except asyncio.CancelledError:
            pass  # what a tool leaves open ends with the line
        finally:
            for end in ends:
                end.close()

    async def _pass_on(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        sent: Callable[[], int],
        arrived: Callable[[int], None],
    ) -> None:
        """`sent` tells the round trip that something belongs to, `arrived` hears it."""
        under_way: asyncio.Queue[tuple[float, bytes, int]] = asyncio.Queue()
        arriving = asyncio.create_task(self._arrive(under_way, writer, arrived))
        with contextlib.suppress(OSError):
            while chunk := await reader.read(CHUNK):
                if self._round_trip:
                    under_way.put_nowait((self._due(), chunk, sent()))
                else:
                    arrived(sent())
                    writer.write(chunk)
        under_way.put_nowait((self._due(), b"", 0))
        await arriving

    async def _arrive(
        self,
        under_way: "asyncio.Queue[tuple[float, bytes, int]]",
        writer: asyncio.StreamWriter,
        arrived: Callable[[int], None],
    ) -> None:
        with contextlib.suppress(OSError):
            while True:
                due, chunk, turn = await under_way.get()
                if (pause := due - self._loop.time()) > 0:
                    await asyncio.sleep(pause)
                if not chunk:
                    break
                arrived(turn)
                writer.write(chunk)
                await writer.drain()
        writer.close()

    def _due(self) -> float:
        """When what is sent now arrives."""
        return self._loop.time() + self._round_trip / 2


class _Link:
    """The round trips of one connection, numbered from 1, which is TCP's."""

    def __init__(self) -> None:
        self.answered = 1  # the last one that the tool has something of
        self._begun = 1
        self._reached = 1  # the last one that has reached the server

    def ask(self) -> int:
        if self.answered == self._begun:
            self._begun += 1
        return self._begun

    def reach(self, turn: int) -> None:
        self._reached = turn

    def answer(self) -> int:
        return self._reached

    def hear(self, turn: int) -> None:
        self.answered = turn


@contextmanager
def wire(to_port: int, *, round_trip: float) -> Iterator[Wire]:
    """A line of this length in seconds, while the block runs."""
    line = Wire(to_port, round_trip=round_trip)
    line.start()
    try:
        yield line
    finally:
        line.stop()
