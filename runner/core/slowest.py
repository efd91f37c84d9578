"""The statements of a migration that took longest."""

import heapq
from datetime import timedelta

from runner.core.steps import StatementTime

KEPT = 10
WORTH_KEEPING = timedelta(milliseconds=1)


class Slowest:
    """Collects durations, flat in memory however many there are."""

    def __init__(self) -> None:
        self._kept: list[tuple[timedelta, int]] = []

    def add(self, line: int, duration: timedelta) -> None:
        """Keep the duration of the statement in this line, when it is one of the longest."""
        if duration >= WORTH_KEEPING:
            (heapq.heappush if len(self._kept) < KEPT else heapq.heappushpop)(self._kept, (duration, line))

    def times(self) -> tuple[StatementTime, ...]:
        """The longest first."""
        return tuple(StatementTime(line=line, duration=duration) for duration, line in sorted(self._kept, reverse=True))
