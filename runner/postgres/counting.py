"""A step of a file and its count in the ledger as one transaction: both stay, or neither."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg

from runner.core.migration import Statement
from runner.core.model import SourceFile
from runner.errors import MigrationFailed
from runner.postgres.sending import AS_OURSELVES, DEFERRED, failing_at
from runner.postgres.session import Connection

BEFORE_THE_COUNT = b"; ".join((DEFERRED, *AS_OURSELVES, b"SHOW transaction_read_only"))
# Inside of a transaction, and of one that may not write: a partitioned table is reindexed outside only, and a file may
# have made its session read-only.
REFUSED_INSIDE = frozenset({"25001", "25006"})


class _ReadOnly(Exception):
    """The transaction may not write, so it has nothing to count."""


def run_counted(
    connection: Connection,
    source: SourceFile,
    step: Statement,
    block: Sequence[Statement],
    *,
    send: Callable[[Statement], None],
    count: Callable[[], None],
) -> bool:
    """Run a step, and `count` before its COMMIT. `block`: its statements, when it is a transaction of the file's own.
    False, with nothing done, when the step cannot have that: it must run by itself, and be counted behind. A session
    that may not write is asked before, so that a step does not run twice.

    Raises MigrationFailed, and what `count` raises; all is rolled back then.
    """
    try:
        with _rolled_back(connection), failing_at(source, step):
            if block:
                send(replace(step, end=block[-1].start))
            else:
                if connection.execute("BEGIN; SHOW transaction_read_only").set_result(-1).fetchone() == ("on",):
                    raise _ReadOnly
                send(step)
            if connection.execute(BEFORE_THE_COUNT).set_result(-1).fetchone() == ("on",):
                raise _ReadOnly
            count()
            if block:
                send(block[-1])
            else:
                connection.execute("COMMIT")
    except _ReadOnly:
        return False
    except MigrationFailed as error:
        if error.findings[0].sqlstate in REFUSED_INSIDE:
            return False
        raise
    return True


@contextmanager
def _rolled_back(connection: Connection) -> Iterator[None]:
    """Leave no transaction open, whatever ends the block."""
    try:
        yield
    except BaseException:
        with suppress(psycopg.Error):  # of a connection that is lost
            connection.rollback()
        raise
