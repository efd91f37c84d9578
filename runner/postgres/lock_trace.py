"""What a statement locks, rewrites and reads, seen from its own session right after it.

Locks last until the end of their transaction, so that they can be looked at behind the statement. Whether a table was
read as a whole, the server counts for its statistics: also what ALTER TABLE and CREATE INDEX read. All of it is the
same on an empty table as on a full one, where a statement is not planned by its rows.
https://www.postgresql.org/docs/current/view-pg-locks.html
https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-STATS-FUNCTIONS
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from psycopg import rows

from runner.core.documented_locks import Documented, documented_locks
from runner.core.lock_modes import STRENGTH, blocks_writes
from runner.core.migration import Statement
from runner.core.sessions import without_values
from runner.core.statements import WITH_ESCAPES
from runner.core.trial import LockTaken, Trace
from runner.postgres.session import Connection, usable
from runner.resources import PACKAGE

RELATIONS = (PACKAGE / "postgres" / "sql" / "relations.sql").read_bytes()
HELD = (PACKAGE / "postgres" / "sql" / "trace.sql").read_bytes()
COUNTED_BEFORE = "SELECT relid::bigint, seq_scan FROM pg_catalog.pg_stat_xact_all_tables WHERE seq_scan > 0"
STORED = "SELECT oid::bigint, relfilenode::bigint, reltablespace::bigint FROM pg_catalog.pg_class WHERE oid = ANY (%s)"
QUOTED = """
    SELECT pg_catalog.to_regclass(name)::oid::bigint
    FROM pg_catalog.unnest(%s::text[]) WITH ORDINALITY AS wanted (name, place) ORDER BY place"""
# Of names without quotes it cannot be told where a schema's ends: "a.b" may be b of a, and "a.b" of the search path.
NOT_QUOTED = """
    SELECT c.oid::bigint
    FROM pg_catalog.pg_class AS c
    WHERE c.relname = ANY (%(names)s::text[]) AND pg_catalog.pg_table_is_visible(c.oid)
    UNION
    SELECT c.oid::bigint
    FROM pg_catalog.unnest(%(names)s::text[]) AS wanted (name)
    JOIN pg_catalog.pg_namespace AS n ON pg_catalog.starts_with(wanted.name, n.nspname || '.')
    JOIN pg_catalog.pg_class AS c
        ON c.relnamespace = n.oid AND c.relname = pg_catalog.substr(wanted.name, pg_catalog.length(n.nspname) + 2)"""
WITH_ROWS = frozenset({"r", "m"})  # relkind: table and materialized view
INDEXES = frozenset({"i", "I"})
# Kinds of statements that may change rows which are there, and of those that take as long as they take; the empty one
# and its like were not parsed. An INSERT of rows takes no time, and what it reads is seen.
CHANGE_ROWS = frozenset(
    ["update_stmt", "delete_stmt", "merge_stmt", "select_stmt", "do_stmt", "call_stmt", "execute_stmt", "", "plain",
     WITH_ESCAPES]
)  # fmt: skip
CHANGES_ROWS = "RowExclusiveLock"
LONGEST_SQL = 240  # characters that are shown of a statement
LONGEST_READ = 4 * LONGEST_SQL  # bytes of it in which they are looked for
# What a kind of statement takes at the least on a table that it reads as a whole, unless it lets others write.
WEAKER = {"index_stmt": "ShareLock", "alter_table_stmt": "ShareRowExclusiveLock"}
STRONGEST = "AccessExclusiveLock"  # without which nothing can be stored anew


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """A relation that was there before the plan, by the name that it had then."""

    name: str
    kind: str  # as in pg_class.relkind
    stored: tuple[int, int]  # its file and tablespace
    table: int | None  # of an index


class LockTrace:
    """Looks at the session of `connection`. `relations` is what was there before the plan."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        with usable(connection):
            found = connection.execute(RELATIONS).fetchall()
        self.relations: dict[int, Relation] = {
            oid: Relation(name=name, kind=kind, stored=(file, space), table=table)
            for oid, name, kind, file, space, table in found
        }
        self._stored = {oid: relation.stored for oid, relation in self.relations.items()}
        self._held: dict[int, set[str]] = {}  # by the transaction
        self._taken: dict[int, set[str]] = {}  # by the migration under way
        self._scans: dict[int, int] = {}
        self._earlier = False  # the transaction has other migrations before this one

    def begin(self) -> None:
        """A transaction has begun: nothing is locked yet, and what was counted before does not count."""
        with usable(self._connection):
            self._scans = dict(self._connection.execute(COUNTED_BEFORE).fetchall())
        self._held, self._taken, self._earlier = {}, {}, False

    def next_migration(self) -> None:
        """Another migration begins in the same transaction, which will have one of its own in a real run."""
        self._taken, self._earlier = {}, True

    def after(self, statements: Sequence[Statement], duration: timedelta, number_of_rows: int) -> Trace:
        """What statements of the open transaction did, right behind the last of them."""
        with usable(self._connection):
            held = self._connection.execute(HELD, [max(self.relations, default=0)]).fetchall()
        new: dict[int, set[str]] = {}
        stored: list[int] = []
        scanned: list[int] = []
        for oid, modes, file, space, scans in held:
            if oid not in self.relations:
                continue
            before = self._held.setdefault(oid, set())
            new[oid] = set(modes) - before
            before.update(modes)
            if file is not None and self._is_stored_anew(oid, (file, space)):
                stored.append(oid)
            if scans is not None and scans > self._scans.get(oid, 0):
                self._scans[oid] = scans
                scanned.append(oid)
        for oid, mode in self._taken_again(statements, scanned):
            new.setdefault(oid, set()).add(mode)
        locks = [self._lock(oid, mode) for oid, modes in new.items() for mode in modes]
        if stored or scanned or takes_time(statements[-1]):
            locks += self._still_held(new)
        row_locks = [oid for oid, modes, *_ in held if oid in self.relations and CHANGES_ROWS in modes]
        may_change = statements[-1].traits.kind in CHANGE_ROWS
        for oid, modes in new.items():
            self._taken.setdefault(oid, set()).update(modes)
        trace = self._trace(statements, duration, number_of_rows, locks, stored, scanned)
        return replace(trace, row_locks=self._tables(row_locks)) if may_change else trace

    def _taken_again(self, statements: Sequence[Statement], worked_on: Sequence[int]) -> Iterator[tuple[int, str]]:
        """Locks that an earlier migration of the same transaction has taken already, and that these statements take as
        well, as far as their text, and the work that is seen, tell.
        """
        if not self._earlier:
            return
        names = [name for statement in statements for name in statement.traits.locks]
        again = [(oid, STRONGEST) for oid in (self._perhaps(names) if names else ())]
        last = statements[-1].traits
        if last.kind in WEAKER and not last.concurrent:
            again += [(oid, WEAKER[last.kind]) for oid in worked_on]
        for oid, mode in again:
            if mode in self._held.get(oid, set()) and not self._taken.get(oid):
                yield oid, mode

    def _still_held(self, new: Mapping[int, set[str]]) -> Iterator[LockTaken]:
        """What earlier statements have locked so that others wait, for as long as this one works."""
        for oid, modes in self._taken.items():
            blocking = [mode for mode in modes - new.get(oid, set()) if blocks_writes(mode)]
            if blocking:
                strongest = max(blocking, key=STRENGTH.__getitem__)
                yield replace(self._lock(oid, strongest), before=True)

    def after_alone(
        self, statement: Statement, duration: timedelta, number_of_rows: int, named: "Sequence[tuple[Documented, int]]"
    ) -> Trace:
        """What a statement did that was a transaction of its own. `named`: what `named_by` said before it."""
        with usable(self._connection):
            now = self._connection.execute(STORED, [list(self.relations)]).fetchall()
        stored = [oid for oid, file, space in now if self._is_stored_anew(oid, (file, space))]
        locks = [self._lock(oid, lock.mode) for lock, oid in named if oid in self.relations]
        locks += [self._lock(oid, STRONGEST) for oid in stored]
        scanned = [oid for lock, oid in named if lock.scans and oid in self.relations]
        return self._trace([statement], duration, number_of_rows, list(dict.fromkeys(locks)), stored, scanned)

    def named_by(self, statement: Statement) -> list[tuple[Documented, int]]:
        """The locks that PostgreSQL's pages say a statement takes which is a transaction of its own, each with its
        relation; that of the index, and of its table. To be asked before the statement, which may drop what it names.
        """
        documented = documented_locks(statement)
        if not documented:
            return []
        with usable(self._connection), self._connection.cursor(row_factory=rows.scalar_row) as cursor:
            found = cursor.execute(QUOTED, [[lock.name for lock in documented]]).fetchall()
        return [pair for lock, oid in zip(documented, found, strict=True) for pair in self._with_its_table(lock, oid)]

    def _perhaps(self, names: Sequence[str]) -> list[int]:
        """Every relation that one of these names, which are not quoted, may mean in the session."""
        with usable(self._connection), self._connection.cursor(row_factory=rows.scalar_row) as cursor:
            return cursor.execute(NOT_QUOTED, {"names": list(names)}).fetchall()

    def _with_its_table(self, lock: Documented, oid: int | None) -> Iterator[tuple[Documented, int]]:
        if oid is None:
            return
        relation = self.relations.get(oid)
        if relation and relation.table is not None:
            yield lock, relation.table
            lock = replace(lock, scans=False)
        yield lock, oid

    def _is_stored_anew(self, oid: int, now: tuple[int, int]) -> bool:
        before, self._stored[oid] = self._stored[oid], now
        return now != before

    def _lock(self, oid: int, mode: str) -> LockTaken:
        relation = self.relations[oid]
        table = self.relations.get(relation.table) if relation.table is not None else None
        return LockTaken(relation=relation.name, mode=mode, index_of=table.name if table else "")

    def _trace(
        self,
        statements: Sequence[Statement],
        duration: timedelta,
        number_of_rows: int,
        locks: Sequence[LockTaken],
        stored: Sequence[int],
        scanned: Sequence[int],
    ) -> Trace:
        first = statements[0]
        tables = [oid for oid in stored if self.relations[oid].kind in WITH_ROWS]
        emptied = first.traits.kind == "truncate_stmt"
        return Trace(
            line=first.line,
            sql=shown(first),
            count=sum(statement.count for statement in statements),
            duration=duration,
            rows=number_of_rows,
            locks=tuple(sorted(locks, key=lambda lock: (-STRENGTH.get(lock.mode, 0), lock.relation))),
            rewritten=() if emptied else self._names(tables),
            emptied=self._names(tables) if emptied else (),
            rebuilt=() if emptied else self._names([oid for oid in stored if self.relations[oid].kind in INDEXES]),
            scanned=() if emptied else self._names([o for o in scanned if self.relations[o].kind in WITH_ROWS]),
        )

    def _tables(self, oids: Sequence[int]) -> tuple[str, ...]:
        return self._names([oid for oid in oids if self.relations[oid].kind in WITH_ROWS])

    def _names(self, oids: Sequence[int]) -> tuple[str, ...]:
        return tuple(sorted(self.relations[oid].name for oid in oids))


def takes_time(statement: Statement) -> bool:
    """Whether nobody can tell how long it takes where there are rows."""
    return statement.traits.kind in CHANGE_ROWS or statement.traits.kind == "copy_stmt"


def shown(statement: Statement) -> str:
    """The beginning of a statement on one line."""
    text = statement.sql[:LONGEST_READ].decode(errors="ignore")
    text = " ".join((without_values(text) if statement.traits.password else text).split())
    cut = len(text) > LONGEST_SQL or len(statement.sql) > LONGEST_READ
    return text[:LONGEST_SQL] + " …" if cut else text
