"""Executes a plan for trying, statement by statement, and looks at what each does: on the target, where all of it is
one transaction that is rolled back, or on a shadow, where each migration is committed for the next.

The ledger is not written. https://www.postgresql.org/docs/current/functions-sequence.html: what is rolled back, and
what is not.
"""

import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta

from psycopg.pq import TransactionStatus

from runner.core.certainty import Certainty, block_of, certainty
from runner.core.migration import Migration, Statement
from runner.core.naming import LEDGER_FILE
from runner.core.statements import WITH_ESCAPES
from runner.core.trial import Rehearsed, SequenceMoved, Trace
from runner.errors import DatabaseUnusable, Finding, MigrationFailed
from runner.postgres.ahead import FORGET
from runner.postgres.checking import check
from runner.postgres.counting import REFUSED_INSIDE
from runner.postgres.failures import deferred
from runner.postgres.ledger import Ledger
from runner.postgres.lock_trace import LockTrace, shown
from runner.postgres.sending import DEFERRED, Timeouts, failing_at, limit, send
from runner.postgres.session import Connection, recover, reset, settle, together, usable

MOST_TRACES = 2000  # of a migration; what has nothing to tell is left out first
ADDED_AND_USED = "55P04"  # a value of an enum, in the transaction that adds it
POINT, BACK, PAST = (
    f"{command} db_migrate_rehearsal".encode()
    for command in ("SAVEPOINT", "ROLLBACK TO SAVEPOINT", "RELEASE SAVEPOINT")
)
WORKS_ON_ROWS = frozenset(
    ["insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "select_stmt", "do_stmt", "call_stmt", "copy_stmt",
     "execute_stmt", "", "plain", WITH_ESCAPES]
)  # fmt: skip
# What a statement may fail with because there are no rows: a foreign key without its row, whatever the statement is;
# and of one that reads tables, a NULL or a number that comes of nothing found, an exception of a block's own, a query
# that had to find a row. Never two rows that are equal. https://www.postgresql.org/docs/current/errcodes-appendix.html
WITHOUT_A_ROW = frozenset({"23503"})
WITHOUT_ANSWERS = frozenset({"23502", "23514", "22003", "22004", "22012", "21000", "P0001", "P0002", "P0003", "P0004"})
READS = re.compile(rb"\b(?:SELECT|FROM|USING|CALL|DO|EXECUTE|PERFORM)\b", re.IGNORECASE)
REACHES_OUT = frozenset({"create_subscription_stmt", "alter_subscription_stmt", "drop_subscription_stmt"})
ELSEWHERE = "a subscription reaches another server, which no copy may"
LOOKING = b"SET LOCAL lock_timeout TO '500ms'"  # behind the files, while all their locks are held
OWN_NUMBER = "SELECT pg_catalog.pg_current_xact_id()::text"
FATE = "SELECT pg_catalog.pg_xact_status(%s::pg_catalog.xid8)"
OUTSIDE = "it runs outside of a transaction: a rehearsal cannot roll it back"
HALF_WAY = "an earlier run has left it half done, and this one goes on in its middle"
SET_AGAIN = """
    SELECT pg_catalog.setval(%(sequence)s::oid::regclass, greatest(
        %(last)s::bigint, pg_catalog.pg_sequence_last_value(%(sequence)s::oid)))"""
SEQUENCES = """
    SELECT c.oid::bigint, pg_catalog.format('%I.%I', n.nspname, c.relname), pg_catalog.pg_sequence_last_value(c.oid)
    FROM pg_catalog.pg_class AS c
    JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.relkind = 'S' AND (
        pg_catalog.has_sequence_privilege(c.oid, 'USAGE') OR pg_catalog.has_sequence_privilege(c.oid, 'SELECT'))"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """What a rehearsal on the target gave."""

    rehearsed: tuple[Rehearsed, ...]
    moved: tuple[SequenceMoved, ...]


def rehearse(
    connection: Connection,
    migrations: Sequence[Migration],
    *,
    timeouts: Timeouts,
    install: Ledger | None,
    starting: Callable[[Migration], None],
    behind: Callable[[], None],
    longest_lock: timedelta | None = None,
    release: bool = False,
    without_rows: bool = False,
) -> Rehearsal:
    """Execute what can be in a transaction as one, on the target, and roll it back. `install`: the ledger, where the
    files may expect one that is not there yet. `behind` is called before the end, when all of it can be seen. No
    statement waits for a lock longer than `longest_lock`, whatever its file says. `release`: a real run is one
    transaction as well, so that every failure is one of that. `without_rows`: as for `rehearse_for_good`.

    A failure is the last result. Behind a migration that was left out it may have come of that: then it only leaves out
    the rest. Raises DatabaseUnusable, and Cancelled, with everything rolled back.
    """
    trace, sequences = LockTrace(connection), _sequences(connection)
    results: list[Rehearsed] = []

    with _rolled_back(connection):
        trace.begin()
        left_out = ""
        for migration in _with_ledger(connection, migrations, install):
            if not migration.transactional:
                left_out = left_out or migration.version
                results.append(Rehearsed(migration=migration, left_out=OUTSIDE))
                continue
            starting(migration)
            _execute(connection, POINT)
            limits = _capped(timeouts.of(migration), longest_lock)
            result = _Rehearsing(connection, trace, migration, limits, forgiving=without_rows).inside()
            results.append(result if release else _excused(result, left_out))
            if not results[-1].executed:
                break
            _execute(connection, PAST)
            _forget(connection)
            trace.next_migration()
        if not results or results[-1].failure is None:
            if results and not results[-1].executed and results[-1].migration.transactional:
                _execute(connection, BACK)
            _execute(connection, LOOKING)
            behind()
    results += _behind(migrations, results)
    moved = _moved(sequences, _sequences(connection))
    _bring_back(connection, [oid for oid, move in moved.items() if move.backwards], sequences)
    return Rehearsal(rehearsed=tuple(results), moved=tuple(moved.values()))


def rehearse_for_good(
    connection: Connection,
    migrations: Sequence[Migration],
    *,
    timeouts: Timeouts,
    install: Ledger | None,
    starting: Callable[[Migration], None],
    without_rows: bool,
    half_way: Collection[str] = (),
) -> tuple[Rehearsed, ...]:
    """Execute all, on a shadow; what was executed stays. A failure is the last result. `without_rows`: the target has
    rows that the shadow lacks, so that a statement which needs some is told instead of failing. `half_way`: versions
    that are left out, as a part of them is done; behind one a failure leaves out the rest, as in `rehearse`.
    """
    trace = LockTrace(connection)
    results: list[Rehearsed] = []
    left_out = ""
    for migration in _with_ledger(connection, migrations, install):
        if migration.version in half_way:
            left_out = left_out or migration.version
            results.append(Rehearsed(migration=migration, left_out=HALF_WAY))
            continue
        starting(migration)
        rehearsing = _Rehearsing(
            connection, trace, migration, timeouts.of(migration), forgiving=without_rows, shadow=True
        )
        result = rehearsing.committed() if migration.transactional else rehearsing.outside()
        results.append(_excused(result, left_out))
        if not results[-1].executed:
            recover(connection)
            break
        reset(connection)
    return (*results, *_behind(migrations, results))


def _behind(migrations: Sequence[Migration], results: Sequence[Rehearsed]) -> list[Rehearsed]:
    """Those that were not reached; none behind a failure, which says why."""
    if not results or results[-1].failure:
        return []
    waiting = zip(migrations[len(results) - 1 :], migrations[len(results) :], strict=False)
    return [
        Rehearsed(migration=migration, left_out=f"it stands behind {before.version}") for before, migration in waiting
    ]


def _with_ledger(
    connection: Connection, migrations: Sequence[Migration], install: Ledger | None
) -> Iterator[Migration]:
    """The migrations in order; the ledger comes before the first, or behind a file of the user's that makes it."""
    for number, migration in enumerate(migrations):
        makes_it = migration.file.path.name == LEDGER_FILE
        if install and number == 0 and not makes_it:
            _install(connection, install)
        yield migration
        if install and makes_it:
            _install(connection, install)


def _install(connection: Connection, ledger: Ledger) -> None:
    with usable(connection):
        before = connection.execute("SELECT pg_catalog.current_setting('search_path')").fetchone()
        ledger.install(connection)
        connection.execute("SELECT pg_catalog.set_config('search_path', %s, true)", before)


def _capped(timeouts: Timeouts, longest: timedelta | None) -> Timeouts:
    if longest is None:
        return timeouts
    return replace(timeouts, lock=min(timeouts.lock or longest, longest))


def _excused(result: Rehearsed, skipped: str) -> Rehearsed:
    """A failure that the rehearsal itself may be the reason of leaves the migration out."""
    if result.failure is None:
        return result
    if result.failure.sqlstate == ADDED_AND_USED:
        why = "it uses a value of an enum that one before it adds: in one transaction that cannot be rehearsed"
    elif skipped:
        why = f"it may need {skipped}, which was left out: {result.failure.message}"
    else:
        return result
    return replace(result, failure=None, left_out=why, traces=())


class _Rehearsing:
    """One migration under way."""

    def __init__(
        self,
        connection: Connection,
        trace: LockTrace,
        migration: Migration,
        timeouts: Timeouts,
        *,
        forgiving: bool = False,
        shadow: bool = False,
    ) -> None:
        self._connection, self._trace, self._migration = connection, trace, migration
        self._timeouts, self._forgiving, self._shadow = timeouts, forgiving, shadow
        self._traces: list[Trace] = []
        self._together: list[Statement] = []
        self._took, self._rows = timedelta(), 0

    def inside(self) -> Rehearsed:
        """In the transaction that is open."""
        return self._result(self._in_transaction)

    def committed(self) -> Rehearsed:
        """In a transaction of its own."""

        def run() -> None:
            with failing_at(self._migration.source), self._connection.transaction():
                self._trace.begin()
                self._in_transaction()

        return self._result(run)

    def outside(self) -> Rehearsed:
        """Step by step, as in a real run."""
        return self._result(self._step_by_step)

    def _result(self, run: Callable[[], None]) -> Rehearsed:
        began, failure = time.monotonic(), None
        try:
            run()
        except MigrationFailed as error:
            failure = error.findings[0]
            if self._connection.closed:
                raise DatabaseUnusable(replace(failure, hint="nothing was changed: run again")) from None
        return Rehearsed(
            migration=self._migration,
            duration=timedelta(seconds=time.monotonic() - began),
            traces=_bounded(self._traces),
            failure=failure,
        )

    def _in_transaction(self) -> None:
        migration = self._migration
        limit(self._connection, self._timeouts, local=True)
        for step, following in zip(migration.steps, (*migration.steps[1:], None), strict=True):
            self._traced(step, following)
        self._check()
        try:
            with failing_at(migration.source):
                self._connection.execute(DEFERRED)
        except MigrationFailed as error:
            raise MigrationFailed(deferred(error.findings[0], of_several=False)) from None

    def _step_by_step(self) -> None:
        migration = self._migration
        with usable(self._connection):
            limit(self._connection, self._timeouts, local=False)
        for step in migration.steps:
            if step.traits.kind == "block":
                self._block(step)
            elif certainty(migration.statements, step) is not Certainty.COUNTED or not self._alone_in_transaction(step):
                self._alone(step)
        self._check()

    def _block(self, step: Statement) -> None:
        """A transaction of the file's own."""
        *statements, end = block_of(self._migration.statements, step)
        for number, statement in enumerate(statements):
            if number == 0:
                send(self._connection, self._migration.source, statement)
                self._trace.begin()
            else:
                self._traced(statement, None)
        send(self._connection, self._migration.source, end)

    def _alone_in_transaction(self, step: Statement) -> bool:
        """A statement that may be in a transaction, in one of its own; False, with nothing done, when it may not."""
        try:
            with failing_at(self._migration.source, step), self._connection.transaction():
                self._trace.begin()
                self._traced(step, None)
        except MigrationFailed as error:
            if error.findings[0].sqlstate in REFUSED_INSIDE:
                return False
            raise
        return True

    def _alone(self, step: Statement) -> None:
        """A statement that is a transaction of its own."""
        if self._reaches_out(step):
            self._traces.append(Trace(line=step.line, sql=shown(step), left_out=ELSEWHERE))
            return
        named = self._trace.named_by(step)
        began = time.monotonic()
        rows = send(self._connection, self._migration.source, step)
        took = timedelta(seconds=time.monotonic() - began)
        self._traces.append(self._trace.after_alone(step, took, rows, named))

    def _traced(self, step: Statement, following: Statement | None) -> None:
        """Execute a statement of a transaction and look at what it did; at INSERTs in a row together."""
        if step.traits.only_in_transaction == "SET TRANSACTION":  # which must come before any look
            return
        if self._reaches_out(step):
            self._look()
            self._leave_out(step, ELSEWHERE)
            return
        forgiven = self._forgiving and step.traits.kind in WORKS_ON_ROWS
        if forgiven:
            _execute(self._connection, POINT)
        began = time.monotonic()
        try:
            self._rows += send(self._connection, self._migration.source, step)
            if self._connection.info.transaction_status == TransactionStatus.IDLE:
                raise MigrationFailed(_ended(self._migration, step))
        except MigrationFailed as error:
            if not (forgiven and _needs_rows(step, error.findings[0].sqlstate)):
                raise
            _execute(self._connection, BACK)
            self._look()
            self._leave_out(step, error.findings[0].message)
            return
        finally:
            self._took += timedelta(seconds=time.monotonic() - began)
        if forgiven:
            _execute(self._connection, PAST)
        self._together.append(step)
        if not (step.traits.kind == "insert_stmt" and following and following.traits.kind == "insert_stmt"):
            self._look()

    def _reaches_out(self, step: Statement) -> bool:
        """On a shadow only: in a rehearsal what may be in a transaction is rolled back."""
        return self._shadow and step.traits.kind in REACHES_OUT

    def _leave_out(self, step: Statement, why: str) -> None:
        """A statement that is not executed, or was rolled back; inside of a transaction."""
        self._traces.append(replace(self._trace.after([step], timedelta(), 0), left_out=why))

    def _look(self) -> None:
        if self._together:
            self._traces.append(self._trace.after(self._together, self._took, self._rows))
        self._together, self._took, self._rows = [], timedelta(), 0

    def _check(self) -> None:
        for statement in self._migration.checks:
            if not self._forgiving:
                check(self._connection, self._migration, statement)
            else:
                self._check_without_rows(statement)

    def _check_without_rows(self, statement: Statement) -> None:
        """A check that is not true says nothing where there are no rows; one that cannot be executed does."""
        assert self._migration.file.check is not None  # noqa: S101 - checks come from that file
        try:
            check(self._connection, self._migration, statement)
        except MigrationFailed as error:
            if error.findings[0].sqlstate:
                raise
            self._traces.append(
                Trace(line=statement.line, sql=self._migration.file.check.path.name, left_out=error.findings[0].message)
            )


def _bounded(traces: Sequence[Trace]) -> tuple[Trace, ...]:
    if len(traces) <= MOST_TRACES:
        return tuple(traces)
    worst = sorted(traces, key=_weight, reverse=True)[:MOST_TRACES]
    return tuple(sorted(worst, key=lambda trace: trace.line))


def _weight(trace: Trace) -> tuple[bool, ...]:
    """What must not be lost comes first."""
    work = bool(trace.rewritten), bool(trace.scanned or trace.rebuilt), bool(trace.left_out or trace.emptied)
    return (*work, bool(trace.locks), bool(trace.row_locks))


def _needs_rows(step: Statement, sqlstate: str) -> bool:
    return sqlstate in WITHOUT_A_ROW or (sqlstate in WITHOUT_ANSWERS and READS.search(step.sql) is not None)


def _ended(migration: Migration, step: Statement) -> Finding:
    return Finding(
        "this statement ended the transaction that it was tried in",
        path=migration.source.path,
        line=step.line,
        column=step.column,
        hint="what it has committed stays: look at it",
    )


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    """A transaction of which nothing stays, whatever ends the block. Raises DatabaseUnusable when PostgreSQL says that
    something does.
    """
    _execute(connection, b"BEGIN")
    with usable(connection):
        [xid] = connection.execute(OWN_NUMBER).fetchone() or ("",)
    try:
        yield
    finally:
        recover(connection)
        if not connection.closed:
            with usable(connection):
                fate = connection.execute(FATE, [xid]).fetchone()
            if fate != ("aborted",):
                raise DatabaseUnusable(_stayed(xid))


def _stayed(xid: str) -> Finding:
    return Finding(
        f"transaction {xid}, the rehearsal, was committed: a statement has ended it",
        hint="look at what it left; COMMIT must not be hidden in a file that is rehearsed",
    )


def _forget(connection: Connection) -> None:
    """What a migration set for its session does not reach the next."""
    with usable(connection), together(connection):
        for command in FORGET:
            connection.execute(command)
        settle(connection)


def _execute(connection: Connection, command: bytes) -> None:
    """A command of ours between the statements of the files."""
    with usable(connection):
        connection.execute(command)


def _sequences(connection: Connection) -> dict[int, tuple[str, int | None]]:
    with usable(connection):
        return {oid: (name, last) for oid, name, last in connection.execute(SEQUENCES).fetchall()}


def _moved(
    before: Mapping[int, tuple[str, int | None]], after: Mapping[int, tuple[str, int | None]]
) -> dict[int, SequenceMoved]:
    return {
        oid: SequenceMoved(name=name, before=last, after=after[oid][1])
        for oid, (name, last) in before.items()
        if oid in after and after[oid][1] != last
    }


def _bring_back(connection: Connection, oids: Sequence[int], before: Mapping[int, tuple[str, int | None]]) -> None:
    """Set sequences again that a setval or a restart has put back: their next numbers would be those of rows that are
    there. What others have taken meanwhile is taken again, which makes gaps and no duplicates.
    """
    with usable(connection):
        for oid in oids:
            connection.execute(SET_AGAIN, {"sequence": oid, "last": before[oid][1]})
