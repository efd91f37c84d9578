"""Opening a connection while another one is already at work."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from threading import Thread

from runner.postgres.session import Connection
from runner.postgres.signals import unheard_by_threads

FAREWELL_S = 0.5  # for a connection that is nearly there: closing it in order is kinder to the server


@contextmanager
def opening(open_connection: Callable[[], Connection]) -> Iterator[Future[Connection]]:
    """Begin to open a connection. `result()` waits for it, and raises what kept it from being opened. It is closed with
    the block, also when nobody asked for it; one that hangs is left alone.
    """
    opened: Future[Connection] = Future()

    def work() -> None:
        try:
            opened.set_result(open_connection())
        except Exception as error:  # noqa: BLE001 - raised again where the result is asked for
            opened.set_exception(error)

    try:
        with unheard_by_threads():  # as the thread stays: a signal has to interrupt what the main thread waits for
            Thread(target=work, name="opening a connection", daemon=True).start()
        yield opened
    finally:
        opened.add_done_callback(_close)
        wait([opened], timeout=FAREWELL_S)


def _close(opened: Future[Connection]) -> None:
    if not opened.exception():
        opened.result().close()
