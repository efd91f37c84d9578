"""What a later run can know of a step outside of a transaction that was begun, when nobody saw how it ended."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from enum import Enum, auto

from runner.core.migration import Control, Migration, Statement
from runner.core.statements import PLAIN, WITH_ESCAPES
from runner.core.syntax import trees
from runner.core.tree import options_of

CONTROLS = re.compile(rb"\b(?:COMMIT|ROLLBACK|CALL|EXECUTE)\b", re.IGNORECASE)
REPEATABLE = frozenset(
    ["VACUUM", "CLUSTER without a table", "REINDEX SCHEMA", "REINDEX DATABASE", "REINDEX SYSTEM", "ALTER SYSTEM",
     "ALTER DATABASE SET TABLESPACE", "ALTER SUBSCRIPTION … REFRESH", "ALTER SUBSCRIPTION … SET (failover)",
     "ALTER SUBSCRIPTION … SET (two_phase = false)", "DISCARD ALL"]
)  # fmt: skip
IN_THE_CATALOG = frozenset(
    ["CREATE INDEX CONCURRENTLY", "DROP INDEX CONCURRENTLY", "REINDEX CONCURRENTLY", "DETACH PARTITION CONCURRENTLY",
     "CREATE DATABASE", "DROP DATABASE", "CREATE TABLESPACE", "DROP TABLESPACE", "CREATE SUBSCRIPTION",
     "DROP SUBSCRIPTION"]
)  # fmt: skip


class Certainty(Enum):
    """By what it is known whether a step was done."""

    COUNTED = auto()  # it and its count in the ledger are one transaction
    REPEATABLE = auto()  # nobody needs to know: to do it twice does no harm
    IN_THE_CATALOG = auto()  # its work shows there
    UNKNOWN = auto()  # nobody can tell
    IN_PARTS = auto()  # nobody can tell, and of one that failed a part may stay


NOBODY_KNOWS = frozenset({Certainty.UNKNOWN, Certainty.IN_PARTS})


def certainty(statements: Sequence[Statement], step: Statement) -> Certainty:
    """That of a step of a file with these statements."""
    traits = step.traits
    if traits.kind == "block":
        return _of_a_block(block_of(statements, step))
    if traits.control in {Control.COMMIT, Control.ROLLBACK}:  # with nothing before it that it could end
        return Certainty.REPEATABLE
    if traits.no_transaction in REPEATABLE:
        return Certainty.REPEATABLE
    if traits.no_transaction in IN_THE_CATALOG:
        return Certainty.IN_THE_CATALOG
    if traits.control or traits.no_transaction:
        return Certainty.UNKNOWN
    return Certainty.IN_PARTS if _may_commit(step) else Certainty.COUNTED


def certainty_alone(step: Statement) -> Certainty:
    """That of a step which is COUNTED as a rule, when the server refuses to take it inside of a transaction."""
    return Certainty.REPEATABLE if step.traits.kind in {"reindex_stmt", "cluster_stmt"} else Certainty.UNKNOWN


def blocks_nobody(step: Statement) -> bool:
    """Whether others go on while it waits for its locks, so that it needs no lock timeout. Behind a DETACH CONCURRENTLY
    that waits, and its FINALIZE, all stand that read the partition.
    """
    return step.traits.concurrent and (step.traits.kind != "alter_table_stmt" or step.traits.takes_time)


def step_behind(steps: Sequence[Statement], done: int) -> tuple[Statement | None, int]:
    """The step behind the first `done` statements, and how many are done with it; None behind the last."""
    position = 0
    for step in steps:
        position += step.count
        if position > done:
            return step, position
    return None, position


def behind(migration: Migration, done: int) -> Certainty:
    """That of the step behind the first `done` statements of a migration; COUNTED when none is left."""
    step, _ = step_behind(migration.steps, done)
    return certainty(migration.statements, step) if step else Certainty.COUNTED


def block_of(statements: Sequence[Statement], step: Statement) -> Sequence[Statement]:
    """The statements of a transaction block of the file's own, from its BEGIN to what ends it."""
    first = bisect_left(statements, step.start, key=lambda statement: statement.start)
    behind = bisect_left(statements, step.end, key=lambda statement: statement.start)
    return statements[first:behind]


def _of_a_block(block: Sequence[Statement]) -> Certainty:
    *inside, end = (statement.traits.control for statement in block)
    if Control.CHAIN in inside:  # it commits on the way
        return Certainty.IN_PARTS
    match end:
        case Control.COMMIT:
            return Certainty.COUNTED
        case Control.ROLLBACK:
            return Certainty.REPEATABLE
        case _:
            return Certainty.UNKNOWN


def _may_commit(step: Statement) -> bool:
    """Whether a part of it may stay when it fails: a procedure and a DO block may commit on the way, and so may what
    nobody can parse, or another language says.
    """
    match step.traits.kind:
        case "do_stmt":
            return CONTROLS.search(step.sql) is not None or _language(step) != "plpgsql"
        case kind if kind in {"", WITH_ESCAPES}:
            return PLAIN.match(step.sql) is None
        case kind:
            return kind == "call_stmt"


def _language(step: Statement) -> str:
    """That of a DO block."""
    [tree] = trees(step.sql.decode())
    named = options_of(tree.stmt.do_stmt.args).get("language")
    return named.arg.string.sval if named else "plpgsql"
