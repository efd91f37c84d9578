"""A run as server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from runner.api.log import Kind
from runner.api.runs import Run

MEDIA_TYPE = "text/event-stream"
HEARTBEAT = 15  # seconds without a word, which proxies take for the end
LOOK_EVERY = 0.2  # seconds
RECONNECT_AFTER = 2000  # milliseconds


def last_seen(header: str | None) -> int:
    """What a client that comes again has seen already; 0 for nothing, or for what is no number of ours."""
    return int(header) if header and header.isascii() and header.isdecimal() and len(header) < 10 else 0


def all_seen(run: Run, seen: int) -> bool:
    """Nothing will come any more, the end included."""
    return run.ended is not None and seen > run.log.last


async def events(
    run: Run,
    seen: int,
    document: Callable[[Run], Mapping[str, Any]],
    gone: Callable[[], Awaitable[bool]],
) -> AsyncIterator[str]:
    """What the run has told behind number `seen`, then the end with the run's `document`; nothing more once the client
    is `gone`.
    """
    yield f"retry: {RECONNECT_AFTER}\n\n"
    spoke = time.monotonic()
    while not await gone():
        ended = run.ended is not None  # before looking: then nothing comes behind what is found
        found = run.log.since(seen)
        if found and found[0][0] > seen + 1:
            yield _event(Kind.GAP, json.dumps({"events": found[0][0] - seen - 1}))
        if found:
            yield "".join(_event(told.kind, told.data, number) for number, told in found)
            seen, spoke = found[-1][0], time.monotonic()
        if ended:
            yield _event(Kind.END, json.dumps(document(run), ensure_ascii=False), run.log.last + 1)
            return
        if time.monotonic() - spoke > HEARTBEAT:
            yield ": still running\n\n"
            spoke = time.monotonic()
        await asyncio.sleep(LOOK_EVERY)


def _event(kind: Kind, data: str, number: int | None = None) -> str:
    """One event. `data`: JSON on one line, as a line break would begin another field."""
    identity = f"id: {number}\n" if number is not None else ""
    return f"{identity}event: {kind}\ndata: {data}\n\n"
