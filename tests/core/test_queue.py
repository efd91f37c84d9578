"""Who waits behind the worker, over however many others, and when that is too much."""

from datetime import timedelta

import pytest

from runner.core.policies import WatchPolicy
from runner.core.queue import Queue, Waiting, longest_wait, offence, queue_behind

WORKER = 1


def waits(pid: int, *behind: int, seconds: float = 1, **lock: str) -> Waiting:
    return Waiting(pid=pid, waited=timedelta(seconds=seconds), behind=frozenset(behind), **lock)


VACUUM = waits(2, WORKER, mode="ShareUpdateExclusiveLock")


@pytest.mark.parametrize(
    ("waiting", "queue"),
    [
        pytest.param([], [], id="nobody"),
        pytest.param([waits(2, WORKER), waits(3, WORKER)], [2, 3], id="for-the-worker"),
        pytest.param([waits(4, 3), waits(3, 2), waits(2, WORKER)], [2, 3, 4], id="over-others"),
        pytest.param([waits(2, 9)], [], id="for-somebody-else"),
        pytest.param([waits(2, 9), waits(3, 2, WORKER)], [3], id="for-both"),
        pytest.param([waits(WORKER, 9), waits(9, WORKER)], [9], id="a-deadlock"),
        pytest.param([waits(2, 3), waits(3, 2)], [], id="a-deadlock-of-others"),
        pytest.param([waits(2, 3, WORKER), waits(3, 2)], [2, 3], id="a-circle"),
        pytest.param([VACUUM, waits(3, 2)], [], id="a-vacuum-and-who-waits-for-it"),
        pytest.param([waits(2, WORKER, kind="virtualxid", mode="ShareLock")], [], id="a-concurrent-build"),
        pytest.param([VACUUM, waits(3, 2, WORKER), waits(4, 3)], [3, 4], id="who-wants-more-than-a-vacuum"),
        pytest.param([waits(2, WORKER, kind="transactionid", mode="ShareLock")], [2], id="for-a-row"),
    ],
)
def test_finds_the_queue_behind_the_worker(waiting: list[Waiting], queue: list[int]) -> None:
    assert sorted(session.pid for session in queue_behind(WORKER, waiting)) == queue


def test_a_long_chain_is_one_queue() -> None:
    chain = [waits(pid, pid - 1) for pid in range(300, 1, -1)]
    assert len(queue_behind(WORKER, chain)) == 299


def test_the_longest_wait_is_that_of_one_session() -> None:
    assert longest_wait([waits(2, WORKER, seconds=1), waits(3, WORKER, seconds=3)]) == timedelta(seconds=3)
    assert longest_wait([]) == timedelta()


def test_a_wait_counts_from_when_it_was_first_seen_behind_the_worker() -> None:
    queue = Queue()

    def seen(at: float, *sessions: Waiting) -> list[float]:
        return [one.waited / timedelta(seconds=1) for one in queue.see(sessions, at=at, interval=0.25)]

    assert seen(100, waits(2, WORKER, seconds=60)) == [0.25]  # for somebody else so far
    assert seen(101, waits(2, WORKER, seconds=61), waits(3, 2, seconds=0.5)) == [1.25, 0.25]
    assert seen(102, waits(2, WORKER, seconds=0), waits(3, 2, seconds=1.5)) == [0, 1.25]  # for another lock now
    assert seen(103, waits(3, 2, seconds=2.5)) == [2.25]
    assert seen(104, waits(2, WORKER, seconds=64)) == [0.25]  # not in between


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        pytest.param(WatchPolicy(), "", id="without-limits"),
        pytest.param(WatchPolicy(sessions=3), "", id="as-many-as-may"),
        pytest.param(WatchPolicy(sessions=2), "3 sessions waited behind it", id="too-many"),
        pytest.param(WatchPolicy(time=timedelta(seconds=12)), "", id="as-long-as-may"),
        pytest.param(
            WatchPolicy(sessions=3, time=timedelta(seconds=10)),
            "a session waited 12.0 s behind it",
            id="too-long",
        ),
    ],
)
def test_says_why_the_worker_must_make_way(policy: WatchPolicy, reason: str) -> None:
    queue = [waits(2, WORKER), waits(3, WORKER, seconds=12), waits(4, WORKER)]
    assert offence(policy, queue) == reason


def test_nobody_waiting_is_no_offence() -> None:
    assert offence(WatchPolicy(sessions=1, time=timedelta(milliseconds=1)), []) == ""
