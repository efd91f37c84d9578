"""The ledger's tables: reading them, bringing them to their current shape, and writing what a run does."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, LiteralString

import psycopg
from psycopg import rows, sql

from runner import __version__
from runner.core.durations import milliseconds
from runner.core.ledger import foreign_table, judge
from runner.core.model import (
    Applied,
    LedgerRows,
    LedgerState,
    Migration,
    MigrationFile,
    RunContext,
    SourceFile,
    Status,
    StepResult,
    Target,
)
from runner.core.naming import LEDGER_FILE
from runner.postgres.session import Connection, usable
from runner.postgres.watcher import HELD_KEY
from runner.resources import PACKAGE, bundled

TABLES = ["schema_migrations", "migration_history", "migration_runs", "migration_environment"]
CODECS = {"UTF8": "utf-8", "SQL_ASCII": "utf-8", "LATIN1": "latin-1", "LATIN9": "iso8859-15", "WIN1252": "cp1252"}
LARGEST_BODY = 1024 * 1024  # bytes of SQL that the ledger keeps of a file

ROWS: LiteralString = """
    SELECT version, name, checksum, status{more}, applied_at, applied_by, execution_time_ms, error_message
    FROM {schema}.schema_migrations"""
CHECKSUMS: LiteralString = "SELECT version, name, checksum, status{more} FROM {schema}.schema_migrations"
ADDED: LiteralString = ", sql_digest, transactional, statements_done"  # which an older ledger lacks
BODIES: LiteralString = "SELECT version, body FROM {schema}.schema_migrations WHERE version = ANY (%s) AND body <> ''"
ENVIRONMENT: LiteralString = "SELECT environment FROM {schema}.migration_environment"
HISTORY: LiteralString = """
    SELECT executed_at, version, action, status, execution_time_ms, executed_by, environment, error_message
    FROM {schema}.migration_history ORDER BY executed_at DESC, id LIMIT %s"""
BEGIN_RUN: LiteralString = """
    INSERT INTO {schema}.migration_runs
        (run_id, command, environment, actor, triggering_actor, repository, ref, sha, run_url, run_attempt,
         runner_version, server_version, wal_start)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, current_setting('server_version'), %s::pg_lsn)"""
END_RUN: LiteralString = """
    UPDATE {schema}.migration_runs
    SET finished_at = clock_timestamp(), wal_end = %s::pg_lsn, outcome = %s WHERE run_id = %s"""
RECORD_ENVIRONMENT: LiteralString = """
    INSERT INTO {schema}.migration_environment (environment) VALUES (%s) ON CONFLICT DO NOTHING"""
FORGET_PENDING: LiteralString = """
    DELETE FROM {schema}.schema_migrations
    WHERE version <> ALL (%(versions)s::text[]) AND transactional IS NOT FALSE AND (
        status IN ('pending', 'running')
        OR status = 'failed'
           AND ltrim(version, '0') = ANY (SELECT ltrim(planned, '0') FROM unnest(%(versions)s::text[]) AS planned))"""
ANNOUNCE: LiteralString = """
    INSERT INTO {schema}.schema_migrations (version, name, checksum, status, applied_at, run_id)
    SELECT version, name, checksum, 'pending', NULL, %s
    FROM unnest(%s::text[], %s::text[], %s::text[]) AS planned (version, name, checksum)
    ON CONFLICT (version) DO UPDATE
    SET name = excluded.name, checksum = excluded.checksum, status = 'pending', applied_at = NULL,
        error_message = NULL, execution_time_ms = NULL, run_id = excluded.run_id
    WHERE schema_migrations.status <> 'completed'"""
MARK_RUNNING: LiteralString = """
    UPDATE {schema}.schema_migrations
    SET status = 'running', transactional = %(transactional)s, statements_total = %(statements)s,
        statements_done = %(done)s, body = %(body)s
    WHERE version = %(version)s AND status <> 'completed' AND run_id = %(run_id)s"""
COUNT_DONE: LiteralString = """
    UPDATE {schema}.schema_migrations SET statements_done = %(done)s
    WHERE version = %(version)s AND status = 'running' AND run_id = %(run_id)s
      AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)"""
RECORD_COMPLETED: LiteralString = """
    WITH recorded AS (
        INSERT INTO {schema}.schema_migrations
            (version, name, checksum, status, applied_at, execution_time_ms, applied_by, transactional,
             statements_total, statements_done, sql_digest, body, down_body, run_id)
        SELECT %(version)s, %(name)s, %(checksum)s, 'completed', clock_timestamp(), %(ms)s, %(actor)s,
               %(transactional)s, %(statements)s, %(statements)s, %(sql_digest)s, %(body)s, %(down_body)s, %(run_id)s
        WHERE EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        ON CONFLICT (version) DO UPDATE
        SET name = excluded.name, checksum = excluded.checksum, status = excluded.status,
            applied_at = excluded.applied_at, execution_time_ms = excluded.execution_time_ms, error_message = NULL,
            applied_by = excluded.applied_by, transactional = excluded.transactional,
            statements_total = excluded.statements_total, statements_done = excluded.statements_done,
            sql_digest = excluded.sql_digest, body = excluded.body, down_body = excluded.down_body,
            run_id = excluded.run_id
        RETURNING version)
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, execution_time_ms, status, executed_by, environment, run_id)
    SELECT gen_random_uuid(), version, 'apply', clock_timestamp(), %(ms)s, 'success', %(actor)s, %(environment)s,
           %(run_id)s
    FROM recorded"""
RECORD_FAILED: LiteralString = """
    WITH recorded AS (
        UPDATE {schema}.schema_migrations
        SET status = %(status)s, error_message = %(error)s, execution_time_ms = %(ms)s, applied_by = %(actor)s,
            applied_at = NULL, transactional = %(transactional)s, statements_total = %(statements)s,
            statements_done = %(done)s
        WHERE version = %(version)s AND status <> 'completed' AND run_id = %(run_id)s
        RETURNING version)
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, execution_time_ms, status, error_message, executed_by, environment, run_id)
    SELECT gen_random_uuid(), version, 'apply', clock_timestamp(), %(ms)s, 'failed', %(error)s, %(actor)s,
           %(environment)s, %(run_id)s
    FROM recorded"""
RECORD_UNDONE: LiteralString = """
    WITH undone AS (DELETE FROM {schema}.schema_migrations WHERE version = %(version)s RETURNING version)
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, execution_time_ms, status, executed_by, environment, run_id)
    SELECT gen_random_uuid(), version, 'rollback', clock_timestamp(), %(ms)s, 'success', %(actor)s, %(environment)s,
           %(run_id)s
    FROM undone"""
COMPLETED_BY: LiteralString = """
    SELECT FROM {schema}.schema_migrations WHERE version = %s AND status = 'completed' AND run_id = %s"""
WAL_POSITION = "SELECT pg_current_wal_lsn()::text"


@dataclass(frozen=True, slots=True, kw_only=True)
class HistoryEntry:
    """A row of `migration_history`, as people read it."""

    executed_at: datetime
    version: str
    action: str
    status: str
    execution_time_ms: int | None
    executed_by: str | None
    environment: str | None
    error_message: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger of one tracking schema, as one run writes it."""

    schema: str
    context: RunContext
    environment: str

    def _sql(self, query: LiteralString) -> sql.Composed:
        return sql.SQL(query).format(schema=sql.Identifier(self.schema), held_key=HELD_KEY)

    def rows(
        self, connection: Connection, *, whole: bool = False, environment: bool = True, current: bool = True
    ) -> LedgerRows:
        """What the ledger holds; with `whole` also when, by whom and how each migration was applied. Without
        `environment`, and not `current`, for a ledger of an older shape.
        """
        more = sql.SQL(ADDED if current else "")
        query = sql.SQL(ROWS if whole else CHECKSUMS).format(schema=sql.Identifier(self.schema), more=more)
        with connection.pipeline(), connection.cursor(row_factory=rows.class_row(Applied)) as cursor:
            cursor.execute(query)
            answer = connection.execute(self._sql(ENVIRONMENT)) if environment else None
            applied = tuple(cursor.fetchall())
            recorded = answer.fetchone() if answer else None
        return LedgerRows(applied=applied, environment=recorded[0] if recorded else None)

    def bodies(self, connection: Connection, versions: Sequence[str]) -> dict[str, str]:
        """The applied texts of these versions, as far as the ledger kept them; it keeps no large ones."""
        with usable(connection):
            return dict(connection.execute(self._sql(BODIES), [list(versions)]).fetchall())

    def history(self, connection: Connection, limit: int) -> list[HistoryEntry]:
        """The last entries of the history, the newest first."""
        with usable(connection), connection.cursor(row_factory=rows.class_row(HistoryEntry)) as cursor:
            return cursor.execute(self._sql(HISTORY), [limit]).fetchall()

    def install(self, connection: Connection) -> None:
        """Bring the ledger to its current shape, from nothing or from an earlier shape; inside the caller's
        transaction.
        """
        name = sql.Identifier(self.schema)
        connection.execute(sql.SQL("SET LOCAL search_path = {}").format(name))
        if connection.execute("SELECT to_regnamespace(quote_ident(%s)) IS NULL", [self.schema]).fetchone() == (True,):
            connection.execute(sql.SQL("CREATE SCHEMA {}").format(name))
        connection.execute((bundled("migrations") / LEDGER_FILE).read_bytes())

    def begin_run(self, connection: Connection, planned: Sequence[MigrationFile]) -> None:
        """Write the run and what it plans, visible to everybody from here on."""
        context = self.context
        position = _wal_position(connection)
        with connection.pipeline(), connection.transaction():
            connection.execute(
                self._sql(BEGIN_RUN),
                [context.run_id, "migrate", self.environment, context.actor, context.triggering_actor,
                 context.repository, context.ref, context.sha, context.run_url, context.run_attempt, __version__,
                 position],
            )  # fmt: skip
            connection.execute(self._sql(RECORD_ENVIRONMENT), [self.environment])
            versions = [file.version for file in planned]
            connection.execute(self._sql(FORGET_PENDING), {"versions": versions})
            connection.execute(
                self._sql(ANNOUNCE),
                [
                    context.run_id,
                    versions,
                    [_stored(connection, file.name) for file in planned],
                    [file.checksum for file in planned],
                ],
            )

    def end_run(self, connection: Connection, outcome: str) -> None:
        """Write how the run ended."""
        connection.execute(self._sql(END_RUN), [_wal_position(connection), outcome, self.context.run_id])

    def mark_running(self, connection: Connection, migration: Migration, done: int = 0) -> bool:
        """Show that this migration is under way, with its first `done` statements done by an earlier run; False when
        the row is not this run's any more. Not flushed: losing the mark in a crash costs nothing.
        """
        given = {
            "version": migration.version,
            "run_id": self.context.run_id,
            "transactional": migration.transactional,
            "statements": migration.statement_count,
            "done": done,
            "body": None if migration.transactional else _kept(connection, migration.file.up),  # for going on in it
        }
        with connection.pipeline(), connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = off")
            marked = connection.execute(self._sql(MARK_RUNNING), given)
        return marked.rowcount == 1

    def count_done(self, connection: Connection, migration: Migration, done: int, *, mutex: int, holder: int) -> bool:
        """Keep how many statements of a migration outside of a transaction are done; False when its row is not this
        run's, or the backend `holder` no longer holds the mutex.
        """
        given = {"done": done, "version": migration.version, "run_id": self.context.run_id}
        cursor = connection.execute(self._sql(COUNT_DONE), {**given, "mutex": mutex, "holder": holder})
        return cursor.rowcount == 1

    def record_completed(self, connection: Connection, step: StepResult, *, mutex: int, holder: int) -> bool:
        """Write row and history of a migration, inside its own transaction; False, and nothing written, when the
        backend `holder` no longer holds the mutex.
        """
        file = step.migration.file
        cursor = connection.execute(
            self._sql(RECORD_COMPLETED),
            {
                **self._common(step),
                "name": _stored(connection, file.name),
                "checksum": file.checksum,
                "sql_digest": step.migration.sql_digest,
                "body": _kept(connection, file.up),
                "down_body": _kept(connection, file.down) if file.down else None,
                "mutex": mutex,
                "holder": holder,
            },
        )
        return cursor.rowcount == 1

    def record_failed(self, connection: Connection, step: StepResult, error: str) -> bool:
        """Write the failure of a migration; False when its row is not this run's to write. One of which a step may or
        may not have been done stays `running`: the next run must not guess.
        """
        given = {
            **self._common(step),
            "error": _stored(connection, error),
            "status": Status.FAILED if step.sure else Status.RUNNING,
            "done": 0 if step.migration.transactional else step.statements_done,
        }
        return connection.execute(self._sql(RECORD_FAILED), given).rowcount == 1

    def record_undone(self, connection: Connection, step: StepResult) -> None:
        """Take a migration that was undone out of the ledger; the history keeps it."""
        connection.execute(self._sql(RECORD_UNDONE), self._common(step))

    def completed_by_this_run(self, connection: Connection, migration: Migration) -> bool:
        """Whether the ledger has the migration as completed by this run."""
        return connection.execute(self._sql(COMPLETED_BY), [migration.version, self.context.run_id]).rowcount == 1

    def _common(self, step: StepResult) -> dict[str, Any]:
        return {
            "version": step.migration.version,
            "ms": milliseconds(step.duration),
            "actor": self.context.actor,
            "environment": self.environment,
            "run_id": self.context.run_id,
            "statements": step.migration.statement_count,
            "transactional": step.migration.transactional,
        }


def _codec(connection: Connection) -> str:
    """What the database can hold, as Python names it; for the rarer encodings no more than ASCII."""
    return CODECS.get(connection.info.parameter_status("server_encoding") or "", "ascii")


def _stored(connection: Connection, text: str) -> str:
    """The text as the database can hold it."""
    codec = _codec(connection)
    return text.encode(codec, "replace").decode(codec)


def _kept(connection: Connection, source: SourceFile) -> str | None:
    """The text of a file, unless it is too large to keep or cannot be held as it is."""
    if len(source.data) > LARGEST_BODY:
        return None
    return source.text if _stored(connection, source.text) == source.text else None


def _wal_position(connection: Connection) -> str | None:
    """Where the write-ahead log stands; None where the server does not say it, as some hosted ones do not."""
    try:
        row = connection.execute(WAL_POSITION).fetchone()
    except psycopg.Error:
        if connection.closed:
            raise
        return None
    return row[0] if row else None


def read_target(connection: Connection, schema: str) -> Target:
    """What the server says of itself, of the role, and of what stands in the ledger's place; one query."""
    with connection.cursor(row_factory=rows.dict_row) as cursor:
        cursor.execute((PACKAGE / "postgres" / "sql" / "target.sql").read_bytes(), {"schema": schema, "tables": TABLES})
        row = cursor.fetchone()
    assert row is not None  # noqa: S101 - the query has no FROM that could be empty
    columns, answers = row.pop("columns"), row.pop("answers")
    foreign = foreign_table(columns)
    return Target(
        **{**row, "unwritable": tuple(row["unwritable"])},
        tables=tuple(columns),
        foreign_table=foreign or "",
        foreign_columns=tuple(sorted(columns[foreign])) if foreign else (),
        ledger=judge(columns, answers=answers) if row["schema_exists"] else LedgerState.ABSENT,
    )


def survey(
    connection: Connection, ledger: Ledger, *, fit: Callable[[Target], None], whole: bool = False
) -> tuple[Target, LedgerRows]:
    """Target and ledger in one read-only transaction, which the server enforces. `fit` raises when the target is not
    one to read the ledger of.
    """
    connection.read_only = True
    try:
        with usable(connection), connection.pipeline(), connection.transaction():
            connection.execute("SET LOCAL row_security = off")  # a policy must not hide the ledger from its reader
            target = read_target(connection, ledger.schema)
            fit(target)
            if target.ledger is LedgerState.ABSENT:
                return target, LedgerRows()
            return target, ledger.rows(
                connection,
                whole=whole,
                environment="migration_environment" in target.tables,
                current=target.ledger is LedgerState.CURRENT,
            )
    finally:
        if not connection.closed:
            connection.read_only = None
