"""The ledger mended: what a repair found is changed there, each change with its entry in the history."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from operator import attrgetter
from typing import Any, LiteralString

import psycopg

from runner.core.model import LedgerState
from runner.core.repair import Mending, Repair
from runner.errors import DatabaseUnusable
from runner.postgres.failures import mutex_lost
from runner.postgres.ledger import Ledger, formatted, kept, stored
from runner.postgres.session import Connection, settle, usable
from runner.postgres.watcher import Mutex

OF_A_ROW: LiteralString = """
    WHERE version = %(migration)s AND status = %(status)s AND checksum = %(checksum)s
      AND statements_done IS NOT DISTINCT FROM %(statements_done)s
      AND undoing IS NOT DISTINCT FROM %(undoing)s AND statements_undone IS NOT DISTINCT FROM %(statements_undone)s
    RETURNING version"""
CHANGES: Mapping[Mending, LiteralString] = {
    Mending.RETEXT: "UPDATE {schema}.schema_migrations SET checksum = %(new_checksum)s, body = %(body)s",
    Mending.REMOVE: "DELETE FROM {schema}.schema_migrations",
    Mending.COUNT: "UPDATE {schema}.schema_migrations SET status = 'failed', statements_done = %(done)s",
    Mending.KEEP: """
        UPDATE {schema}.schema_migrations
        SET undoing = NULL, statements_undone = NULL, error_message = NULL,
            down_body = CASE WHEN {later} THEN NULL ELSE down_body END""",
    Mending.FORGET: "DELETE FROM {schema}.schema_migrations",
}
MOVE: LiteralString = """
    INSERT INTO {schema}.migration_environment AS there (environment) VALUES (%(after)s)
    ON CONFLICT (only_row) DO UPDATE SET environment = excluded.environment, recorded_at = clock_timestamp()
        WHERE there.environment = %(before)s
    RETURNING 'environment' AS version"""
FORGET_HISTORY: LiteralString = """,
    forgotten AS (DELETE FROM {schema}.migration_history WHERE version IN (SELECT version FROM changed))"""
TELL: LiteralString = """
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, status, executed_by, environment, run_id, note)
    SELECT gen_random_uuid(), version, 'repair', clock_timestamp(), 'success', %(actor)s, %(environment)s, %(run_id)s,
           %(note)s
    FROM changed"""
# Last of all: what was changed before it stays only when nobody else can have migrated meanwhile.
RUN: LiteralString = """
    INSERT INTO {schema}.migration_runs
        (run_id, command, environment, actor, triggering_actor, repository, ref, sha, run_url, run_attempt,
         runner_version, server_version, finished_at, outcome)
    SELECT %(run_id)s, %(command)s, %(environment)s, %(actor)s, %(triggering_actor)s, %(repository)s, %(ref)s, %(sha)s,
           %(run_url)s, %(run_attempt)s, %(version)s, current_setting('server_version'), clock_timestamp(), 'applied'
    WHERE EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)"""


def mend(
    connection: Connection,
    ledger: Ledger,
    mutex: Mutex,
    repairs: Sequence[Repair],
    *,
    state: LedgerState,
    scrub: Callable[[str], str],
) -> bool:
    """Make all of these changes in one transaction, with the run and an entry in the history each, whose note goes
    through `scrub`; a ledger of an earlier shape is brought to the current one. False, with nothing written, when
    something is not as it was seen. Raises DatabaseUnusable, with nothing written either, also when the mutex is lost.
    """
    noted = [replace(repair, note=stored(connection, scrub(repair.note))) for repair in repairs]
    with usable(connection), connection.transaction() as transaction:
        settle(connection, local=True)
        if state is not LedgerState.CURRENT:
            ledger.install(connection)
        done = all(
            _changed(connection, ledger, mending, alike) for mending, alike in groupby(noted, attrgetter("mending"))
        )
        if not done:
            raise psycopg.Rollback(transaction)
        proof = ledger.provenance() | {"holder": mutex.holder, "mutex": mutex.key}
        if connection.execute(formatted(RUN, ledger.schema), proof).rowcount != 1:
            raise DatabaseUnusable(mutex_lost())
    return done


def _changed(connection: Connection, ledger: Ledger, mending: Mending, repairs: Iterable[Repair]) -> bool:
    """Whether these changes, all of one kind, met what they were to change."""
    given = [ledger.provenance() | _given(connection, repair) for repair in repairs]
    cursor = connection.cursor()
    cursor.executemany(formatted(_statement(mending), ledger.schema), given)
    return cursor.rowcount == len(given)


def _statement(mending: Mending) -> LiteralString:
    """The change, and behind it the history's entry."""
    change = (MOVE,) if mending is Mending.MOVE else (CHANGES[mending], OF_A_ROW)
    history = (FORGET_HISTORY,) if mending is Mending.FORGET else ()
    return " ".join(("WITH changed AS (", *change, ")", *history, TELL))


def _given(connection: Connection, repair: Repair) -> dict[str, Any]:
    """What must still be so, and what is to be."""
    row, file = repair.row, repair.file
    if row is None:
        return {"before": repair.before, "after": repair.after, "note": repair.note}
    return {
        "note": repair.note,
        "migration": row.version,
        "status": row.status,
        "checksum": row.checksum,
        "statements_done": row.statements_done,
        "undoing": row.undoing,
        "statements_undone": row.statements_undone,
        "done": repair.done,
        "new_checksum": file.checksum if file else None,
        "body": kept(connection, file.up) if file else None,
    }
