"""Whether a migration that failed is tried again, and when."""

from dataclasses import replace
from datetime import timedelta

from runner.core.durations import in_words
from runner.core.policies import RetryPolicy
from runner.core.sessions import list_in_the_way
from runner.core.sqlstates import CANCELED, DEADLOCK, LOCK_TIMEOUT, SERIALIZATION
from runner.core.steps import Retry, Session
from runner.errors import Finding

FIRST_PAUSE = timedelta(seconds=0.5)
LONGEST_PAUSE = timedelta(seconds=30)
DOUBLINGS = 6  # no more change anything


def pause(attempt: int, jitter: float) -> timedelta:
    """The pause behind an attempt, from 1: doubled each time, of which `jitter`, from 0 to 1, takes the second half or
    leaves it. So runs that met once do not meet again.
    """
    longest = min(FIRST_PAUSE * (1 << min(attempt - 1, DOUBLINGS)), LONGEST_PAUSE)
    return longest * (1 + jitter) / 2


def retry_of(
    policy: RetryPolicy,
    *,
    attempt: int,
    sqlstate: str,
    reason: str,
    lock_timeout: timedelta,
    in_the_way: tuple[Session, ...],
    jitter: float,
) -> Retry | None:
    """What comes after an attempt, from 1, that failed with this code; None when nothing does. `reason` is why the
    watcher cancelled it, or empty.
    """
    why = _why(sqlstate, reason, lock_timeout)
    if not why or attempt > policy.retries:
        return None
    return Retry(attempt=attempt, why=why, pause=pause(attempt, jitter), in_the_way=in_the_way)


def _why(sqlstate: str, reason: str, lock_timeout: timedelta) -> str:
    """Empty for an error that would only come again."""
    waited = f"waited {in_words(lock_timeout)} for a lock" if lock_timeout else "did not get a lock at once"
    whys = {
        LOCK_TIMEOUT: waited,
        DEADLOCK: "was in a deadlock",
        SERIALIZATION: "could not be serialized with another transaction",
        CANCELED: reason,  # without one it was somebody else, or the statement timeout
    }
    return whys.get(sqlstate, "")


def explained(failure: Finding, *, attempts: int, reason: str, in_the_way: tuple[Session, ...]) -> Finding:
    """The failure of the last attempt, with what else is known: who was in the way, why the watcher cancelled it, how
    often it was tried.
    """
    said = [failure.detail]
    if reason and failure.sqlstate == CANCELED:
        said.append(f"cancelled by the watcher: {reason}")
    said += list_in_the_way(in_the_way)
    if attempts > 1:
        said.append(f"tried {attempts} times")
    return replace(failure, detail="\n".join(filter(None, said)))
