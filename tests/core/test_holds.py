"""How long a lock was held, from samples."""

from datetime import timedelta

import pytest

from runner.core.holds import Holds, describe_lock
from runner.core.steps import LockHeld

T, U = ("public.t", "AccessExclusiveLock"), ("public.u", "ShareLock")


def held(*samples: tuple[float, object, list[tuple[str, str]]]) -> list[tuple[str, float]]:
    """The relation and the seconds of each lock, from samples of time, transaction and locks, one in a second."""
    holds = Holds()
    for at, transaction, locks in samples:
        holds.see(locks, transaction=transaction, at=at, interval=1)
    return [(lock.relation, lock.duration / timedelta(seconds=1)) for lock in holds.longest()]


def test_counts_from_the_first_sample_to_the_last() -> None:
    assert held((0, "a", [U]), (1, "a", [T, U]), (2, "a", [T, U]), (3, None, [])) == [("public.u", 3), ("public.t", 2)]


def test_keeps_the_longest_of_several() -> None:
    assert held((0, "a", [T]), (1, "a", [T]), (2, None, []), (3, "b", [T])) == [("public.t", 2)]


def test_a_lock_of_the_next_transaction_is_another() -> None:
    assert held((0, "a", [T]), (1, "b", [T]), (2, "b", [T])) == [("public.t", 2)]


def test_a_mode_is_a_lock_of_its_own() -> None:
    assert held((0, "a", [T, ("public.t", "ShareLock")])) == [("public.t", 1), ("public.t", 1)]


@pytest.mark.parametrize(
    ("mode", "text"),
    [
        ("AccessExclusiveLock", "ACCESS EXCLUSIVE on public.t, 1.2 s: blocks reads and writes"),
        ("ExclusiveLock", "EXCLUSIVE on public.t, 1.2 s: blocks writes"),
        ("ShareRowExclusiveLock", "SHARE ROW EXCLUSIVE on public.t, 1.2 s: blocks writes"),
        ("ShareLock", "SHARE on public.t, 1.2 s: blocks writes"),
    ],
)
def test_says_whom_a_lock_blocks(mode: str, text: str) -> None:
    assert describe_lock(LockHeld(relation="public.t", mode=mode, duration=timedelta(seconds=1.2))) == text
