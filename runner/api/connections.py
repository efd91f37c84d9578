"""Connections of `db-migrate serve`: how many there may be, and how long one may keep its place and do nothing."""

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

from runner.api.guard import CROWDED

MOST_AT_ONCE = 64
PATIENCE = 10  # seconds for the whole head of a request to arrive
LONGEST_PAUSE = 60  # seconds in which a client reads nothing of what it is answered


class Connection(H11Protocol):
    """One that does not ask, or does not listen, is closed: it would hold its place for ever. For one too many, each
    request says so in its state.
    """

    _unheard: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has come."""
        super().connection_made(transport)
        if len(self.connections) > MOST_AT_ONCE:
            self.app_state = {**self.app_state, CROWDED: True}
        self._wait_for_a_head()

    def handle_events(self) -> None:
        """Something has arrived: with a whole head the next cycle of request and answer begins."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            _cancel(self._unheard)

    def on_response_complete(self) -> None:
        """An answer is given, and the next request may come."""
        self._wait_for_a_head()
        super().on_response_complete()

    def pause_writing(self) -> None:
        """The client does not read as fast as it is answered."""
        super().pause_writing()
        self._unread = self.loop.call_later(LONGEST_PAUSE, self.transport.abort)

    def resume_writing(self) -> None:
        """It has read."""
        super().resume_writing()
        _cancel(self._unread)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was sent away."""
        super().connection_lost(exc)
        _cancel(self._unheard)
        _cancel(self._unread)

    def _wait_for_a_head(self) -> None:
        _cancel(self._unheard)
        self._unheard = self.loop.call_later(PATIENCE, self.timeout_keep_alive_handler)


def _cancel(timer: asyncio.TimerHandle | None) -> None:
    if timer is not None:
        timer.cancel()
