"""Who waits behind the worker, and when that is too much."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import timedelta

from runner.core.durations import in_words
from runner.core.policies import WatchPolicy

SECOND = timedelta(seconds=1)
UPKEEP = "ShareUpdateExclusiveLock"  # wanted by VACUUM, ANALYZE and what has CONCURRENTLY in it: no query waits for it
OLD_SNAPSHOTS = "virtualxid"  # awaited by nothing but what has CONCURRENTLY in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A session that waits for a lock."""

    pid: int
    waited: timedelta
    behind: frozenset[int]  # the processes it waits for, those ahead of it in the lock's queue included
    kind: str = "relation"  # of the lock, and its mode, as in pg_locks
    mode: str = "AccessShareLock"

    @property
    def patient(self) -> bool:
        """It may wait as long as it takes, since no reader or writer waits for the lock that it wants."""
        return self.mode == UPKEEP or self.kind == OLD_SNAPSHOTS


def queue_behind(worker: int, waiting: Collection[Waiting]) -> tuple[Waiting, ...]:
    """Those that wait for the worker, or for somebody who does; without the patient, and who waits for those only."""
    reached, queue = {worker}, []
    left = [session for session in waiting if session.pid != worker and not session.patient]
    while found := [session for session in left if session.behind & reached]:
        queue += found
        reached |= {session.pid for session in found}
        left = [session for session in left if session.pid not in reached]
    return tuple(queue)


class Queue:
    """Those behind the worker, from samples. The server knows how long each has waited for its lock, but not since when
    that is the worker's doing: no longer than it was seen in the queue, give or take an interval.
    """

    def __init__(self) -> None:
        self._since: dict[int, float] = {}  # when those in the last sample were first seen, in seconds

    def see(self, queue: Collection[Waiting], *, at: float, interval: float) -> tuple[Waiting, ...]:
        """A sample; returns it with how long each has waited behind the worker."""
        self._since = {session.pid: self._since.get(session.pid, at) for session in queue}
        return tuple(
            replace(session, waited=min(session.waited, (at - self._since[session.pid] + interval) * SECOND))
            for session in queue
        )


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
