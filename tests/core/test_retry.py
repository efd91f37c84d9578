"""Which failures are tried again, how often and when; what the last one says."""

from datetime import timedelta

import pytest

from runner.core.policies import MOST_RETRIES, RetryPolicy
from runner.core.retry import LONGEST_PAUSE, explained, pause, retry_of
from runner.core.steps import Retry, Session
from runner.errors import Finding

READER = Session(pid=4711, application="reporting")


def retry(
    sqlstate: str, *, attempt: int = 1, retries: int = 10, reason: str = "", lock_timeout: float = 5
) -> Retry | None:
    return retry_of(
        RetryPolicy(retries=retries),
        attempt=attempt,
        sqlstate=sqlstate,
        reason=reason,
        lock_timeout=timedelta(seconds=lock_timeout),
        in_the_way=(READER,),
        jitter=1,
    )


@pytest.mark.parametrize(
    ("sqlstate", "reason", "why"),
    [
        pytest.param("55P03", "", "waited 5.0 s for a lock", id="lock-timeout"),
        pytest.param("40P01", "", "was in a deadlock", id="deadlock"),
        pytest.param("40001", "", "could not be serialized with another transaction", id="serialization"),
        pytest.param("57014", "62 sessions waited behind it", "62 sessions waited behind it", id="the-watcher"),
        pytest.param("55P03", "62 sessions waited behind it", "waited 5.0 s for a lock", id="both"),
    ],
)
def test_tries_again_what_may_go_well_the_next_time(sqlstate: str, reason: str, why: str) -> None:
    assert retry(sqlstate, reason=reason) == Retry(
        attempt=1, why=why, pause=timedelta(seconds=0.5), in_the_way=(READER,)
    )


@pytest.mark.parametrize(
    ("sqlstate", "reason"),
    [
        pytest.param("42703", "", id="an-error-of-the-file"),
        pytest.param("42703", "62 sessions waited behind it", id="an-error-of-the-file-beside-a-cancel"),
        pytest.param("57014", "", id="cancelled-by-somebody-or-a-statement-timeout"),
        pytest.param("57P01", "", id="terminated"),
        pytest.param("", "", id="no-connection"),
    ],
)
def test_does_not_try_again_what_would_only_come_again(sqlstate: str, reason: str) -> None:
    assert retry(sqlstate, reason=reason) is None


def test_without_a_lock_timeout_only_nowait_ends_in_one() -> None:
    again = retry("55P03", lock_timeout=0)
    assert again is not None
    assert again.why == "did not get a lock at once"


def test_tries_as_often_as_asked() -> None:
    assert retry("55P03", attempt=10) is not None
    assert retry("55P03", attempt=11) is None
    assert retry("55P03", retries=0) is None


def test_pauses_double_up_to_half_a_minute() -> None:
    pauses = [pause(attempt, 1) / timedelta(seconds=1) for attempt in range(1, 10)]
    assert pauses == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]


def test_jitter_takes_up_to_half_of_a_pause() -> None:
    assert [pause(1, jitter) / timedelta(seconds=1) for jitter in (0, 0.5, 1)] == [0.25, 0.375, 0.5]


def test_the_pauses_are_bounded_in_all() -> None:
    def in_all(retries: int) -> timedelta:
        return sum((pause(attempt, 1) for attempt in range(1, retries + 1)), timedelta())

    assert in_all(10) == timedelta(minutes=2, seconds=31.5)  # docs/locks.md
    assert in_all(MOST_RETRIES) < timedelta(minutes=48)
    assert pause(MOST_RETRIES, 1) == LONGEST_PAUSE


def test_the_last_failure_says_who_was_in_the_way() -> None:
    failure = Finding("canceling statement due to lock timeout", detail="context: f()", sqlstate="55P03")
    assert explained(failure, attempts=11, reason="", in_the_way=(READER,)).detail == (
        "context: f()\nin the way: pid 4711, reporting\ntried 11 times"
    )


def test_the_last_failure_names_five_and_counts_the_others() -> None:
    failure = Finding("canceling statement due to lock timeout", sqlstate="55P03")
    sessions = tuple(Session(pid=pid) for pid in range(1, 71))
    detail = explained(failure, attempts=1, reason="", in_the_way=sessions).detail.split("\n")
    assert detail == [*(f"in the way: pid {pid}" for pid in range(1, 6)), "and 65 more"]


def test_the_last_failure_says_why_the_watcher_cancelled_it() -> None:
    failure = Finding("canceling statement due to user request", sqlstate="57014")
    assert explained(failure, attempts=1, reason="62 sessions waited behind it", in_the_way=()).detail == (
        "cancelled by the watcher: 62 sessions waited behind it"
    )


def test_another_failure_stays_as_it_is() -> None:
    failure = Finding("column does not exist", sqlstate="42703")
    assert explained(failure, attempts=1, reason="62 sessions waited behind it", in_the_way=()) == failure
