"""When a signal may be heard: while waiting for the server, and not in the middle of keeping account.

A signal's handler raises an exception (`Cancelled`) wherever the main thread happens to be. What was done and what was
told of it would come apart if that were between the two. So the handler calls `hear`, which keeps the exception while
nobody listens. (To block the signal would also block the alarm that ends a run whose output is stuck.)
"""

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM}


class _Ears:
    """Those of the main thread, in which Python runs the handlers of signals."""

    closed = False
    kept: BaseException | None = None


def hear(exception: BaseException) -> None:
    """Raise it now, or when somebody listens. To be called by the handler of a signal."""
    if not _Ears.closed:
        raise exception
    _Ears.kept = exception


@contextmanager
def deaf() -> Iterator[None]:
    """Signals wait until the block is left, or until what is inside of it listens."""
    with _ears(closed=True):
        yield
    _raise_kept()


@contextmanager
def audible() -> Iterator[None]:
    """Signals are heard inside of the block, first of all those that came before it."""
    with _ears(closed=False):
        _raise_kept()
        yield


@contextmanager
def _ears(*, closed: bool) -> Iterator[None]:
    before, _Ears.closed = _Ears.closed, closed
    try:
        yield
    finally:
        _Ears.closed = before


def _raise_kept() -> None:
    if _Ears.kept and not _Ears.closed:
        kept, _Ears.kept = _Ears.kept, None
        raise kept


@contextmanager
def unheard_by_threads() -> Iterator[None]:
    """Threads that are started inside of the block get no signals: those stay with the main thread, and interrupt what
    it waits for.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def terminate_at_end_of(pipe: int) -> None:
    """SIGTERM comes when whoever holds the other end of the pipe is gone, in whatever way: also one that nobody can
    handle, as SIGKILL.
    """

    def wait() -> None:
        while os.read(pipe, 4096):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    with unheard_by_threads():
        threading.Thread(target=wait, daemon=True).start()
