"""One step of a migration outside of a transaction: with its count where it can be, by the catalog's word where not."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from psycopg import sql

from runner.core.certainty import Certainty, block_of, blocks_nobody, certainty
from runner.core.course import AGAIN, Course, being_built
from runner.core.durations import milliseconds
from runner.core.frame import code_frame
from runner.core.migration import Migration, Statement
from runner.core.resume import settled
from runner.core.session_state import sets_lock_timeout
from runner.core.slowest import Slowest
from runner.core.unfinished import question, reach
from runner.errors import Finding, MigrationFailed
from runner.postgres.catalog import course_of
from runner.postgres.counting import run_counted
from runner.postgres.indexes import builder, invalid_indexes, made_invalid
from runner.postgres.sending import failing_at, send
from runner.postgres.session import Connection, usable

LOCK_TIMEOUT = "SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'lock_timeout'"  # in milliseconds
LONGEST_FOR_A_DROP = 5000  # milliseconds: whoever comes to build the index meanwhile is not waited for, and kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """Runs the steps of one migration, each by `run`."""

    connection: Connection
    watcher: Connection  # counts what cannot be counted in its own transaction
    migration: Migration
    schema: str  # of the ledger
    lock_timeout: timedelta  # as it was set before the file's first step
    finished: Callable[[int], None]  # told how many statements are done
    count: Callable[[Connection, int], None]  # writes that; raises when this run may not go on
    alone: Callable[[Statement], None]  # told of a step that cannot be counted in its transaction, before it runs
    tell: Callable[[str], None]
    slowest: Slowest = field(default_factory=Slowest)

    def course(self, step: Statement, *, failed: bool) -> Course:
        """How to go on with a step at which an attempt may have been made before; `failed`: which is known to have
        ended in an error. Raises DatabaseUnusable.
        """
        asked = question(step)
        return course_of(self.connection, asked, failed=failed) if asked else AGAIN

    def run(self, step: Statement, position: int, course: Course) -> None:
        """Run a step and count that `position` statements are done. Raises MigrationFailed and DatabaseUnusable."""
        if course.stop:
            raise MigrationFailed(self._stopped(step, position, course))
        for index in course.drop:
            self._drop(step, position, index)
        with self._without_lock_timeout(step):
            if course.done:
                self.tell(f"line {step.line} was done by an earlier attempt: {course.done}")
            elif course.instead:
                self._execute(step, course.instead)
                self.tell(f"finished what an earlier attempt began: {course.instead}")
            elif self._counted(step, position):
                self.finished(position)
                return
            else:
                self._send(step)
        self.finished(position)
        self.count(self.watcher, position)

    def _counted(self, step: Statement, position: int) -> bool:
        """Run a step in one transaction with its count; False, with nothing done, when it cannot have one."""
        statements = self.migration.statements
        if certainty(statements, step) is not Certainty.COUNTED:
            return False
        done = run_counted(
            self.connection,
            self.migration.source,
            step,
            block_of(statements, step) if step.traits.kind == "block" else (),
            send=self._send,
            count=lambda: self.count(self.connection, position),
        )
        if not done:
            self.alone(step)
        return done

    def _send(self, statement: Statement) -> None:
        """Execute it, and keep how long that took. An index that it leaves invalid is a failure, with IF NOT EXISTS as
        well.
        """
        indexes = reach(statement)
        before = invalid_indexes(self.connection, indexes) if indexes else ()
        began = time.monotonic()
        send(self.connection, self.migration.source, statement)
        self.slowest.add(statement.line, timedelta(seconds=time.monotonic() - began))
        if indexes and (invalid := made_invalid(self.connection, before, indexes)):
            raise MigrationFailed(_invalid(self.migration, statement, invalid))

    def _drop(self, step: Statement, position: int, index: str) -> None:
        """Drop an invalid index, unless somebody has begun to build it."""
        if (pid := builder(self.connection, index)) is not None:
            raise MigrationFailed(self._stopped(step, position, being_built(index, pid)))
        now = self._lock_timeout()
        with self._lock_timeout_of(min(now or LONGEST_FOR_A_DROP, LONGEST_FOR_A_DROP), before=now):
            self._execute(step, f"DROP INDEX CONCURRENTLY {index}")
        self.tell(f"dropped the invalid index {index}, which an earlier attempt left")

    def _execute(self, step: Statement, text: str) -> None:
        """Execute what a step needs, or what stands in its place."""
        with failing_at(self.migration.source, step):
            self.connection.execute(text.encode())

    @contextmanager
    def _without_lock_timeout(self, step: Statement) -> Iterator[None]:
        """For a step that waits for old transactions by design; one that the file has set stays."""
        if not blocks_nobody(step) or sets_lock_timeout(self.migration, step):
            yield
            return
        now = self._lock_timeout()
        with self._lock_timeout_of(0 if now == milliseconds(self.lock_timeout) else now, before=now):
            yield

    def _lock_timeout(self) -> int:
        with usable(self.connection):
            [now] = self.connection.execute(LOCK_TIMEOUT).fetchone() or [0]
        return int(now)

    @contextmanager
    def _lock_timeout_of(self, wanted: int, *, before: int) -> Iterator[None]:
        """In milliseconds; after a failure the session is set back as a whole."""
        if wanted == before:
            yield
            return
        with usable(self.connection):
            self.connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(wanted)))
        yield
        with usable(self.connection):
            self.connection.execute(sql.SQL("SET lock_timeout = {}").format(sql.Literal(before)))

    def _stopped(self, step: Statement, position: int, course: Course) -> Finding:
        tell = settled(self.schema, self.migration.version, position)
        return Finding(
            course.stop,
            path=self.migration.source.path,
            line=step.line,
            column=step.column,
            hint=f"{course.look}; and run again. Or, if it is what this statement makes, tell the ledger: {tell}",
            frame=code_frame(self.migration.source.data, step.line, step.column),
        )


def _invalid(migration: Migration, step: Statement, names: list[str]) -> Finding:
    return Finding(
        f"this statement leaves {', '.join(names)} as an invalid index, which no query uses",
        path=migration.source.path,
        line=step.line,
        column=step.column,
        hint=f"mend what kept it from being built, then DROP INDEX CONCURRENTLY {names[0]}; and run again",
        frame=code_frame(migration.source.data, step.line, step.column),
    )
