"""Who waits behind the worker, and when that is too much."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from runner.core.durations import in_words


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchPolicy:
    """What others may suffer before the worker is cancelled; zero is without limit."""

    sessions: int = 0  # that wait behind it at once
    time: timedelta = timedelta()  # that one of them waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A session that waits for a lock."""

    pid: int
    waited: timedelta
    behind: frozenset[int]  # the processes it waits for, those ahead of it in the lock's queue included


def queue_behind(worker: int, waiting: Collection[Waiting]) -> tuple[Waiting, ...]:
    """Those that wait for the worker, or for somebody who does."""
    reached, queue = {worker}, []
    left = [session for session in waiting if session.pid != worker]
    while found := [session for session in left if session.behind & reached]:
        queue += found
        reached |= {session.pid for session in found}
        left = [session for session in left if session.pid not in reached]
    return tuple(queue)


def longest_wait(queue: Collection[Waiting]) -> timedelta:
    """Of those in the queue; zero when nobody is."""
    return max((session.waited for session in queue), default=timedelta())


def offence(policy: WatchPolicy, queue: Collection[Waiting]) -> str:
    """Why the worker must make way, such as `62 sessions waited behind it`; empty when it need not."""
    longest = longest_wait(queue)
    if policy.sessions and len(queue) > policy.sessions:
        return f"{len(queue)} sessions waited behind it"
    if policy.time and longest > policy.time:
        return f"a session waited {in_words(longest)} behind it"
    return ""
