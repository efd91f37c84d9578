"""How often something may happen."""

from collections.abc import Callable


class Bucket:
    """A token bucket: so many at once, and then so many a second."""

    def __init__(self, *, at_once: int, a_second: float, clock: Callable[[], float]) -> None:
        self._most, self._rate, self._clock = float(at_once), a_second, clock
        self._left, self._asked_at = self._most, clock()

    def take(self) -> float:
        """0 when it may happen now, and has been counted; else after how many seconds it may."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._asked_at) * self._rate)
        self._asked_at = now
        if self._left < 1:
            return (1 - self._left) / self._rate
        self._left -= 1
        return 0
