"""The ledger of a database that was migrated before: what it has is written there, and nothing runs."""

from collections.abc import Callable, Sequence
from typing import Any, LiteralString

from psycopg import Rollback, errors

from runner.core.checksum import checksum
from runner.core.joining import Joined
from runner.core.model import LedgerState
from runner.errors import Outcome
from runner.postgres.binding import bound
from runner.postgres.ledger import BEGIN_RUN, RECORD_ENVIRONMENT, Ledger, formatted, kept, stored
from runner.postgres.session import Connection, usable
from runner.postgres.watcher import Mutex

# What an earlier run planned, or tried and rolled back; what it left half done stays, and keeps all from being written.
FORGET: LiteralString = """
    DELETE FROM {schema}.schema_migrations
    WHERE ltrim(version, '0') = ANY (SELECT ltrim(joined, '0') FROM unnest(%(versions)s::text[]) AS joined)
      AND (status = 'pending'
           OR status IN ('running', 'failed') AND transactional IS NOT FALSE
           OR status = 'failed' AND coalesce(statements_done, 0) = 0)"""
RECORD: LiteralString = """
    WITH recorded AS (
        INSERT INTO {schema}.schema_migrations
            (version, name, checksum, status, applied_at, applied_by, transactional, statements_total, statements_done,
             sql_digest, body, down_body, down_checksum, run_id)
        SELECT version, name, checksum, 'completed', coalesce(at, clock_timestamp()), coalesce(by, %(actor)s),
               transactional, statements, statements, sql_digest, body, down_body, down_checksum, %(run_id)s::uuid
        FROM unnest(%(versions)s::text[], %(names)s::text[], %(checksums)s::text[], %(at)s::timestamptz[],
                    %(by)s::text[], %(transactional)s::boolean[], %(statements)s::integer[], %(sql_digests)s::text[],
                    %(bodies)s::text[], %(down_bodies)s::text[], %(down_checksums)s::text[])
             AS joined (version, name, checksum, at, by, transactional, statements, sql_digest, body, down_body,
                        down_checksum)
        WHERE EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
          AND EXISTS (SELECT FROM {schema}.migration_environment WHERE environment = %(environment)s)
          AND NOT EXISTS (SELECT FROM {schema}.schema_migrations AS there
                          WHERE ltrim(there.version, '0') = ltrim(joined.version, '0')
                             OR undoing = 'running' OR undoing = 'failed' AND statements_undone > 0)
        RETURNING version)
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, status, executed_by, environment, run_id, note)
    SELECT gen_random_uuid(), version, 'baseline',
           statement_timestamp() + place * interval '1 microsecond',  -- the history is read by its time
           'success', %(actor)s, %(environment)s, %(run_id)s::uuid, note
    FROM unnest(%(versions)s::text[], %(notes)s::text[]) WITH ORDINALITY AS joined (version, note, place)
    JOIN recorded USING (version)"""


def record_joined(
    connection: Connection,
    ledger: Ledger,
    mutex: Mutex,
    joined: Sequence[Joined],
    *,
    state: LedgerState,
    environment: str,
    scrub: Callable[[str], str],
) -> bool:
    """Write these migrations as completed, each with its entry in the history, and the run, in one transaction; a
    ledger that is absent or outdated is brought to its current shape first. How long each took nobody knows. The notes
    go through `scrub`.

    False, with nothing written, when the mutex is lost, or the ledger meanwhile has one of them, or another
    environment. Raises DatabaseUnusable.
    """
    recorded = False
    given = _given(connection, joined) | ledger.provenance() | {"environment": environment}
    given |= {"notes": [stored(connection, scrub(each.note)) or None for each in joined]}
    given |= {"holder": mutex.holder, "mutex": mutex.key, "plan_digest": None, "restore_point": None}

    def execute(query: LiteralString) -> int:
        return connection.execute(bound(connection, formatted(query, ledger.schema), given)).rowcount

    with usable(connection):
        try:
            with connection.transaction():
                if state is not LedgerState.CURRENT:
                    ledger.install(connection)
                execute(BEGIN_RUN)
                connection.execute(formatted(RECORD_ENVIRONMENT, ledger.schema), [environment])
                execute(FORGET)
                recorded = execute(RECORD) == len(joined)
                if not recorded:
                    raise Rollback
                ledger.end_run(connection, Outcome.APPLIED, wal=False)
        except errors.DivisionByZero:  # with which BEGIN_RUN says that the mutex is lost
            return False
    return recorded


def _given(connection: Connection, joined: Sequence[Joined]) -> dict[str, Any]:
    """A list for each column, as long as there are migrations."""
    migrations = [each.migration for each in joined]
    files = [migration.file for migration in migrations]
    return {
        "versions": [file.version for file in files],
        "names": [stored(connection, file.name) for file in files],
        "checksums": [file.checksum for file in files],
        "at": [each.applied_at for each in joined],
        "by": [None if each.applied_by is None else stored(connection, each.applied_by) for each in joined],
        "transactional": [migration.transactional for migration in migrations],
        "statements": [migration.statement_count for migration in migrations],
        "sql_digests": [migration.sql_digest for migration in migrations],
        "bodies": [kept(connection, file.up) for file in files],
        "down_bodies": [kept(connection, file.down) if file.down else None for file in files],
        "down_checksums": [checksum(file.down.data) if file.down else None for file in files],
    }
