"""What one look at the worker shows, and when it is worth a line."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from runner.core.durations import in_words
from runner.core.lock_modes import mode_name
from runner.core.progress import Progress, describe_progress
from runner.core.queue import Waiting
from runner.core.sessions import describe
from runner.core.steps import Session

FIRST_LINE, NEXT_LINE = 1.0, 10.0  # seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class Awaited:
    """The lock that the worker waits for."""

    kind: str  # as in pg_locks: "relation", "transactionid"
    mode: str
    relation: str = ""
    waited: timedelta = timedelta()

    def __str__(self) -> str:
        match self.kind:
            case "relation":
                return f"{mode_name(self.mode)} on {self.relation}"
            case "transactionid" | "virtualxid":
                return "the end of another transaction"
            case "tuple":
                return f"a row of {self.relation}"
        return f"a lock ({self.kind})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """The worker as the watcher saw it at one moment."""

    transaction: datetime | None = None  # when it began; None between two
    awaited: Awaited | None = None
    blockers: tuple[Session, ...] = ()  # those it waits for, the oldest transaction first
    waiting: tuple[Waiting, ...] = ()  # all other sessions of the database that wait, for whomever
    locks: tuple[tuple[str, str], ...] = ()  # relation and mode of what it holds that blocks writers
    progress: Progress | None = None


def session_of(row: Mapping[str, Any], query: str) -> Session:
    """A session from its columns, which are None where our role may not see them."""
    return Session(
        pid=row["pid"],
        application=row["application"] or "",
        role=row["role"] or "",
        state=row["state"] or "",
        age=None if row["age"] is None else timedelta(seconds=max(0.0, float(row["age"]))),
        query=query,
    )


class Narrator:
    """Turns samples into lines: the first when the worker has waited or worked for a second, then one in ten."""

    def __init__(self) -> None:
        self._busy_since: float | None = None
        self._told_at: float | None = None
        self._first: tuple[float, Progress] | None = None  # sample of the phase under way

    def line(self, sample: Sample, *, at: float) -> str:
        """What is to be told now, empty for nothing; `at` is in seconds."""
        self._remember(sample.progress, at)
        if not (sample.progress or sample.awaited):
            self._busy_since = None
            return ""
        if self._busy_since is None:
            self._busy_since = at
        early = at - self._busy_since < FIRST_LINE
        if early or (self._told_at is not None and at - self._told_at < NEXT_LINE):
            return ""
        self._told_at = at
        return self._text(sample, at)

    def _remember(self, progress: Progress | None, at: float) -> None:
        if progress is None:
            self._first = None
        elif not (self._first and self._first[1].same_phase(progress) and self._first[1].done <= progress.done):
            self._first = at, progress

    def _text(self, sample: Sample, at: float) -> str:
        if sample.progress and self._first:
            since, first = self._first
            text = describe_progress(sample.progress, first=first, seconds=at - since)
        elif sample.awaited:
            text = f"waiting for {sample.awaited}, for {in_words(sample.awaited.waited)} so far"
        else:
            return ""
        if not sample.blockers:
            return text
        more = f"; and {len(sample.blockers) - 1} more" if len(sample.blockers) > 1 else ""
        return f"{text}; in the way: {describe(sample.blockers[0])}{more}"
