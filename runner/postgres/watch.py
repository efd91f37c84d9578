"""The watcher looks at the worker several times a second while migrations run, and may cancel what it does."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from types import TracebackType
from typing import Any

import psycopg
from psycopg.rows import dict_row

from runner.core.holds import Holds
from runner.core.policies import WatchPolicy
from runner.core.progress import progress_of
from runner.core.queue import Queue, Waiting, longest_wait, offence, queue_behind
from runner.core.samples import Awaited, Narrator, Sample, session_of
from runner.core.sessions import one_line, without_values
from runner.core.steps import Session, Watched
from runner.errors import Finding, Level
from runner.postgres.session import Connection
from runner.postgres.signals import unheard_by_threads
from runner.resources import PACKAGE

INTERVAL = timedelta(milliseconds=250)
SHORTEST = timedelta(milliseconds=20)
LOOKS_PER_TIMEOUT = 3  # so that a lock timeout does not end between two looks
CANCEL_AGAIN = 1.0  # seconds; a cancel that reaches the worker between two statements does nothing
RECENT = 2.0  # seconds; what was longer ago, and not seen again, is not what ended the worker's statement
LEAVE = 1.0  # seconds that the thread has to end, twice
ONLY_WHEN_ASKED = 10**9  # executions before psycopg prepares a statement by itself
SECOND = timedelta(seconds=1)

LOOK = (PACKAGE / "postgres" / "sql" / "watch.sql").read_bytes()
CANCEL = """
    SELECT pg_cancel_backend(pid) FROM pg_stat_activity
    WHERE pid = %s AND xact_start = %s"""  # a transaction that has ended since is not the next one's fault


class Watch:
    """Samples the worker, a server process, from a thread of its own while the block runs: tells what it does and waits
    for, cancels it by `policy`, and keeps what the report wants. `connection` is the watcher's, in autocommit, so that
    no snapshot stays open; others may execute on it meanwhile.

    `tell` is called by that thread, `warn` behind the block, when that has not failed for another reason. Of other
    people's queries the values are left out; what is left goes through `scrub` before it is cut.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        worker: int,
        policy: WatchPolicy,
        tell: Callable[[str], None],
        warn: Callable[[Finding], None],
        scrub: Callable[[str], str] = str,
        limit: timedelta = timedelta(),
        interval: timedelta = INTERVAL,
    ) -> None:
        self._connection, self._worker, self._policy = connection, worker, policy
        self._tell, self._warn, self._scrub = tell, warn, scrub
        self._limit, self._interval = limit, interval
        self._guard = threading.Lock()  # of what both threads touch: all from here to the next blank line
        self._blocked: tuple[float, tuple[Session, ...]] = 0.0, ()  # when last, and by whom
        self._reason: tuple[float, str] = 0.0, ""  # of the last cancel, and when
        self._holds = Holds()
        self._largest_queue, self._longest_wait = 0, timedelta()

        self._narrator, self._queue = Narrator(), Queue()
        self._trouble: Finding | None = None
        self._cancelled: tuple[object, float] = None, 0.0  # the transaction, and when
        self._ended, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._prepare_threshold = connection.prepare_threshold

    def __enter__(self) -> "Watch":
        self._connection.prepare_threshold = ONLY_WHEN_ASKED
        with unheard_by_threads():
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join(LEAVE)
        if self._thread.is_alive():  # the server does not answer
            with suppress(psycopg.Error):
                self._connection.cancel_safe(timeout=LEAVE)
            self._thread.join(LEAVE)
        self._connection.prepare_threshold = self._prepare_threshold
        if self._trouble and kind is None:
            self._warn(self._trouble)
        self._trouble = None

    @property
    def limit(self) -> timedelta:
        """The worker's lock timeout, zero for none: the watcher looks more often when it is short."""
        return self._limit

    @limit.setter
    def limit(self, value: timedelta) -> None:
        if value != self._limit:
            self._limit = value
            self._wake.set()

    @property
    def watched(self) -> Watched:
        """What was seen so far."""
        with self._guard:
            return Watched(
                locks=self._holds.longest(), largest_queue=self._largest_queue, longest_wait=self._longest_wait
            )

    def in_the_way(self, since: float) -> tuple[Session, ...]:
        """Who blocks the worker, or did when its wait ended just now; the oldest transaction first. Nobody who was
        last seen before `since` (of time.monotonic).
        """
        with self._guard:
            at, sessions = self._blocked
        return sessions if at >= max(since, time.monotonic() - RECENT) else ()

    def take_reason(self) -> str:
        """Why the worker was cancelled just now, empty when it was not, or when it was asked before. Ask ahead of an
        attempt, too: a cancel that came too late for the one before is no reason of this one.
        """
        with self._guard:
            (at, reason), self._reason = self._reason, (0.0, "")
        return reason if time.monotonic() - at < RECENT else ""

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - a migration must not suffer from who watches it
                if not self._goes_on(error):
                    return
            self._wake.wait(self._pause() / SECOND)
            self._wake.clear()

    def _goes_on(self, error: Exception) -> bool:
        """Whether another look is worth it. The first trouble is told at once, and is a warning at the end."""
        closed = self._connection.closed
        if self._ended.is_set() or (closed and not self._connection.broken):  # by ourselves, to end the run
            return False
        said = self._scrub(" ".join(str(error).split()))
        if closed:
            self._tell(f"the watcher's connection is lost, and with it the mutex: {said}")
            hint = "a queue behind the migrations was no longer noticed"
            self._trouble = Finding(f"the watcher saw nothing from then on: {said}", level=Level.WARNING, hint=hint)
        elif self._trouble is None:
            self._tell(f"the watcher could not look, and tries again: {said}")
            hint = "a queue behind the migrations may have gone unnoticed"
            self._trouble = Finding(f"the watcher did not see all of the run: {said}", level=Level.WARNING, hint=hint)
        return not closed

    def _pause(self) -> timedelta:
        if not self._limit:
            return self._interval
        return min(self._interval, max(SHORTEST, self._limit / LOOKS_PER_TIMEOUT))

    def _look(self) -> None:
        with self._connection.cursor(row_factory=dict_row) as cursor:
            row = cursor.execute(LOOK, {"worker": self._worker}, prepare=True, binary=True).fetchone()
        at = time.monotonic()
        if row is None or self._ended.is_set():
            return
        sample = self._sample(row)
        queue = queue_behind(self._worker, sample.waiting)
        queue = self._queue.see(queue, at=at, interval=self._pause() / SECOND)
        self._keep(sample, queue, at)
        if reason := offence(self._policy, queue):
            self._cancel(sample, reason, at)
        if line := self._narrator.line(sample, at=at):
            self._tell(line)

    def _sample(self, row: dict[str, Any]) -> Sample:
        awaited, progress = row["awaited"], row["progress"]
        return Sample(
            transaction=row["transaction"],
            awaited=awaited
            and Awaited(
                kind=awaited["locktype"],
                mode=awaited["mode"],
                relation=awaited["relation"] or "",
                waited=_seconds(awaited["waited"]),
            ),
            blockers=tuple(
                session_of(session, one_line(self._scrub(without_values(session["query"] or ""))))
                for session in row["blockers"] or ()
            ),
            waiting=tuple(
                Waiting(
                    pid=one["pid"],
                    waited=_seconds(one["waited"]),
                    behind=frozenset(one["behind"]),
                    kind=one["kind"],
                    mode=one["mode"],
                )
                for one in row["waiting"] or ()
            ),
            locks=tuple((relation, mode) for relation, mode in row["locks"] or ()),
            progress=progress and progress_of(progress["view"], progress),
        )

    def _keep(self, sample: Sample, queue: tuple[Waiting, ...], at: float) -> None:
        with self._guard:
            if sample.blockers:
                self._blocked = at, sample.blockers
            interval = self._pause() / SECOND
            self._holds.see(sample.locks, transaction=sample.transaction, at=at, interval=interval)
            self._largest_queue = max(self._largest_queue, len(queue))
            self._longest_wait = max(self._longest_wait, longest_wait(queue))

    def _cancel(self, sample: Sample, reason: str, at: float) -> None:
        transaction, when = self._cancelled
        if sample.transaction is None or (transaction == sample.transaction and at - when < CANCEL_AGAIN):
            return
        self._cancelled = sample.transaction, at
        with self._guard:
            self._reason = at, reason  # before the worker can hear of it
        if self._connection.execute(CANCEL, [self._worker, sample.transaction]).fetchone() != (True,):
            self.take_reason()


def _seconds(value: float | None) -> timedelta:
    """Zero for what the server has not noted yet."""
    return timedelta(seconds=max(0.0, float(value or 0)))
