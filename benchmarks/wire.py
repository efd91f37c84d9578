"""A line of a certain length between a tool and the server: it passes bytes on later, and counts how often the tool
waited for an answer.
"""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

CHUNK = 256 * 1024


class Wire:
    """Passes connections on 127.0.0.1 on to the server's port there, each byte half a round trip later.

    A round trip begins with what a tool sends once it has heard something that the server sent after the round trip
    before had reached it; what is sent ahead meanwhile belongs to the one under way. Those of connecting count too, and
    a connection counts when it has ended.
    """

    def __init__(self, to_port: int, *, round_trip: float) -> None:
        self.port = 0
        self.round_trips = 0
        self._to_port, self._delay = to_port, round_trip / 2
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="wire", daemon=True)

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

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        link = _Link()
        from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to_port, limit=CHUNK)
        with contextlib.suppress(asyncio.CancelledError):  # what a tool leaves open ends with the line
            await asyncio.gather(
                self._pass_on(reader, to_server, sent=link.ask, arrived=link.reach),
                self._pass_on(from_server, writer, sent=link.answer, arrived=link.hear),
            )
        self.round_trips += link.turns

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
                under_way.put_nowait((self._loop.time() + self._delay, chunk, sent()))
        under_way.put_nowait((self._loop.time() + self._delay, b"", 0))
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


class _Link:
    """The round trips of one connection."""

    def __init__(self) -> None:
        self.turns = 0
        self._reached = 0  # the last one that has reached the server
        self._heard = 0  # the last one that the tool has something of

    def ask(self) -> int:
        if self._heard == self.turns:
            self.turns += 1
        return self.turns

    def reach(self, turn: int) -> None:
        self._reached = turn

    def answer(self) -> int:
        return self._reached

    def hear(self, turn: int) -> None:
        self._heard = turn


@contextmanager
def wire(to_port: int, *, round_trip: float) -> Iterator[Wire]:
    """A line of this length in seconds, while the block runs."""
    line = Wire(to_port, round_trip=round_trip)
    line.start()
    try:
        yield line
    finally:
        line.stop()
