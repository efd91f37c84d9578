"""The locks of a run that block others: how long each was held, and what that means for them."""

from collections.abc import Collection
from datetime import timedelta

from runner.core.durations import in_words
from runner.core.lock_modes import blocks, mode_name
from runner.core.steps import LockHeld


def describe_lock(lock: LockHeld) -> str:
    """`ACCESS EXCLUSIVE on public.users, 1.2 s: blocks reads and writes`."""
    return f"{mode_name(lock.mode)} on {lock.relation}, {in_words(lock.duration)}: {blocks(lock.mode)}"


class Holds:
    """The longest hold of each relation and mode, from samples. A lock that is in `n` samples in a row was held for `n`
    intervals, give or take one.
    """

    def __init__(self) -> None:
        self._since: dict[tuple[str, str], float] = {}  # of those in the last sample, in seconds
        self._transaction: object = None
        self._longest: dict[tuple[str, str], float] = {}

    def see(self, held: Collection[tuple[str, str]], *, transaction: object, at: float, interval: float) -> None:
        """A sample: the relation and mode of each lock. No lock outlives its `transaction`."""
        before = self._since if transaction == self._transaction else {}
        self._transaction = transaction
        self._since = {lock: before.get(lock, at) for lock in held}
        for lock, since in self._since.items():
            self._longest[lock] = max(self._longest.get(lock, 0), at - since + interval)

    def longest(self) -> tuple[LockHeld, ...]:
        """The longest first."""
        locks = (
            LockHeld(relation=relation, mode=mode, duration=timedelta(seconds=seconds))
            for (relation, mode), seconds in self._longest.items()
        )
        return tuple(sorted(locks, key=lambda lock: (-lock.duration, lock.relation, lock.mode)))
