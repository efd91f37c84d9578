"""Where a database stands: what its ledger holds, and who holds the mutex. Reads only, in one round trip."""

from collections.abc import Callable
from typing import LiteralString

from psycopg import errors, rows, sql

from runner.core.model import LedgerState, Target
from runner.core.status import Holder, LastRun, Recorded, Standing
from runner.postgres.ledger import ENVIRONMENT, formatted
from runner.postgres.moments import known
from runner.postgres.session import Connection, reading, usable
from runner.postgres.watcher import HELD_KEY, mutex_key

ROWS: LiteralString = f"""
    SELECT version, name, checksum, status, {known("applied_at")} AS applied_at, applied_by, execution_time_ms,
           error_message{{more}}
    FROM {{schema}}.schema_migrations"""  # noqa: S608 - of texts of ours
MORE: LiteralString = """
    , sql_digest, transactional, statements_done, statements_total, undoing, statements_undone, run_id::text,
    down_checksum, coalesce(down_body <> '', false) AS down_kept"""  # which an older ledger lacks
LAST_RUN: LiteralString = f"""
    SELECT run_id::text, command, environment, actor, run_url, started_at, {known("finished_at")} AS finished_at,
           outcome
    FROM {{schema}}.migration_runs WHERE {known("started_at")} IS NOT NULL
    ORDER BY started_at DESC, run_id LIMIT 1"""  # noqa: S608 - of texts of ours
HOLDER = sql.SQL("""
    SELECT pid, coalesce(application_name, '') AS application, coalesce(usename::text, '') AS role,
           backend_start AS since
    FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE {held_key} = %s""").format(held_key=HELD_KEY)
HELD: LiteralString = "SELECT EXISTS (SELECT FROM pg_locks WHERE {held_key} = %s)"
UNTOLD = (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege)


def read_standing(connection: Connection, schema: str, target: Target) -> Standing:
    """What the ledger in `schema` of a surveyed target holds. Of runs nothing is told where this role may not read it,
    or a ledger of an earlier shape has no place for it. Raises DatabaseUnusable.
    """
    with usable(connection):
        try:
            with reading(connection):
                answer = _ask(connection, schema, target, runs=True)
            return answer()
        except UNTOLD:
            with reading(connection):
                answer = _ask(connection, schema, target, runs=False)
            return answer()


def mutex_is_held(connection: Connection, schema: str) -> bool:
    """Whether a run holds the mutex of this ledger. Raises DatabaseUnusable."""
    with usable(connection):
        with reading(connection):
            cursor = connection.execute(formatted(HELD, schema), [mutex_key(schema)])
        [held] = cursor.fetchone() or [False]
    return bool(held)


def _ask(connection: Connection, schema: str, target: Target, *, runs: bool) -> Callable[[], Standing]:
    """Ask for all of it; the answer is called for when it is there. The rows come before the mutex: one that says
    `running` while nobody holds it was left by a run that died.
    """
    there = target.ledger is not LedgerState.ABSENT
    recorded = environment = last_run = None
    if there:
        more = sql.SQL(MORE if target.ledger is LedgerState.CURRENT else "")
        query = sql.SQL(ROWS).format(schema=sql.Identifier(schema), more=more)
        recorded = connection.cursor(row_factory=rows.class_row(Recorded)).execute(query, binary=True)
    if "migration_environment" in target.tables:
        environment = connection.execute(formatted(ENVIRONMENT, schema))
    if there and runs:
        last_run = connection.cursor(row_factory=rows.class_row(LastRun)).execute(
            formatted(LAST_RUN, schema), binary=True
        )
    holder = connection.cursor(row_factory=rows.class_row(Holder)).execute(HOLDER, [mutex_key(schema)], binary=True)

    def answer() -> Standing:
        belongs = environment.fetchone() if environment else None
        return Standing(
            rows=tuple(recorded.fetchall()) if recorded else (),
            environment=belongs[0] if belongs else None,
            holder=holder.fetchone(),
            last_run=last_run.fetchone() if last_run else None,
            tells_runs=runs,
            standby=target.in_recovery,
        )

    return answer
