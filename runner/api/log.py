"""What a run tells as it goes on: its last events, numbered from 1."""

import json
import threading
from collections import deque
from collections.abc import Callable, Mapping
from enum import StrEnum
from itertools import islice
from typing import Any, NamedTuple

KEPT = 512 * 1024  # characters of events, the last ones


class Kind(StrEnum):
    """What an event tells."""

    LOG = "log"  # a line of the log
    STAGE = "stage"  # one has ended
    STEP = "step"  # a migration was applied or undone, or could not be
    GAP = "gap"  # events that are not kept any more
    END = "end"  # of the run


OF_A_RUN = (Kind.LOG, Kind.STAGE, Kind.STEP)


class Told(NamedTuple):
    """One event. `data` is a JSON object on one line."""

    kind: Kind
    data: str


class Log:
    """The last events of a run. Threads may share it."""

    def __init__(self, most: int = KEPT) -> None:
        self._most, self._size = most, 0
        self._events: deque[Told] = deque()
        self._dropped = 0
        self._turn = threading.Lock()

    def add(self, kind: Kind, content: Mapping[str, Any]) -> None:
        """One event more; the oldest ones go when there is no room."""
        told = Told(kind, json.dumps(content, ensure_ascii=False))
        with self._turn:
            self._events.append(told)
            self._size += len(told.data)
            while self._size > self._most:
                self._size -= len(self._events.popleft().data)
                self._dropped += 1

    def since(self, number: int) -> list[tuple[int, Told]]:
        """The events behind that number, as far as they are kept."""
        with self._turn:
            first = max(number, self._dropped)
            return list(enumerate(islice(self._events, first - self._dropped, None), first + 1))

    @property
    def last(self) -> int:
        """The number of the last event; 0 before the first."""
        with self._turn:
            return self._dropped + len(self._events)


def read(line: str) -> tuple[Kind, dict[str, Any]]:
    """What a line of a run's output tells: an event, as `runner.console` writes it, or else a line of the log."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        content = None
    if isinstance(content, dict) and content.get("event") in OF_A_RUN:
        return Kind(content.pop("event")), content
    return Kind.LOG, {"line": line}


def scrubbed(value: Any, scrub: Callable[[str], str]) -> Any:
    """What was JSON, without secrets in any of its texts."""
    match value:
        case str():
            return scrub(value)
        case list():
            return [scrubbed(each, scrub) for each in value]
        case dict():
            return {key: scrubbed(each, scrub) for key, each in value.items()}
    return value
