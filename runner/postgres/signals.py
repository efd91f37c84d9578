"""When a signal may be heard: while waiting for the server, and not in the middle of keeping account.

A signal becomes an exception (`Cancelled`) wherever the main thread happens to be. What was done and what was told
of it would come apart if that were between the two.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

HEARD = {signal.SIGINT, signal.SIGTERM, signal.SIGALRM}


@contextmanager
def deaf() -> Iterator[None]:
    """Signals wait until the block is left, or until what is inside of it listens."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HEARD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def audible() -> Iterator[None]:
    """Signals are heard inside of the block, first of all those that came before it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, ())
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HEARD)
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
