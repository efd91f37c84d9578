"""What one rendering may use of the machine: steps, memory and time."""

from collections.abc import Callable, ItemsView, KeysView, ValuesView
from typing import Any

MOST_STEPS = 200_000  # rounds of loops, calls and includes
LARGEST_VALUE = 4 * 1024 * 1024  # characters of one text, or what a list comes to; GitHub takes a quarter of it at most
MOST_MADE = 64 * 1024 * 1024  # characters of all texts and lists together
LONGEST = 10.0  # seconds
WIDEST_NUMBER = 14_000  # bits, which are 4,200 digits; Python writes no number of more than 4,300
ENTRY = 8  # characters that an entry of a list counts for, besides its own


class Budget:
    """Is asked before and after whatever a template has done. Each method raises OverflowError for too much."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock, self._end = clock, clock() + LONGEST
        self._steps = self._made = 0

    def step(self) -> None:
        """One round of a loop, call or include."""
        self._steps += 1
        if self._steps > MOST_STEPS:
            raise OverflowError(f"it takes more than {MOST_STEPS:,} rounds of loops, calls and includes")
        self._look_at_the_clock()

    def use(self, *values: Any) -> None:
        """Values that are given to a function, or made by it."""
        for value in values:
            self.make(_size(value))
            if isinstance(value, int) and value.bit_length() > WIDEST_NUMBER:
                raise OverflowError("it calculates with a number of too many digits")

    def make(self, size: int) -> None:
        """A text of so many characters."""
        if size > LARGEST_VALUE:
            raise OverflowError(f"it makes a text or list of more than {LARGEST_VALUE // 1024**2} MiB")
        self._made += size
        if self._made > MOST_MADE:
            raise OverflowError(f"it makes texts and lists of more than {MOST_MADE // 1024**2} MiB")
        self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        if self._clock() > self._end:
            raise OverflowError(f"it takes more than {LONGEST:.0f} seconds")


def _size(value: Any) -> int:
    """In characters. Lists count for the texts in them too: what sorts them makes a copy of each."""
    match value:
        case str():
            return len(value)
        case dict():
            return _size(value.keys()) + _size(value.values())
        case list() | tuple() | frozenset() | range() | KeysView() | ValuesView() | ItemsView():
            return len(value) * ENTRY + sum(len(entry) for entry in value if isinstance(entry, str))
        case _:
            return 0
