"""The ledger's tables: reading them, bringing them to their current shape, and writing what a run does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any, LiteralString

from psycopg import errors, rows, sql

from runner import __version__
from runner.core.checksum import checksum
from runner.core.durations import milliseconds
from runner.core.ledger import foreign_table, judge
from runner.core.model import (
    Applied,
    Backend,
    LedgerRows,
    LedgerState,
    MigrationFile,
    RunContext,
    SourceFile,
    Status,
    Target,
)
from runner.core.naming import LEDGER_FILE
from runner.errors import DatabaseUnusable
from runner.postgres.binding import Call, Prepared, bound, prepared
from runner.postgres.failures import mutex_lost
from runner.postgres.moments import known
from runner.postgres.session import Connection, reading, recover, together, usable
from runner.postgres.watcher import HELD_KEY, Mutex
from runner.resources import PACKAGE, bundled

if TYPE_CHECKING:
    from runner.core.migration import Migration
    from runner.core.released import ReleasedVersion
    from runner.core.schema import Schema
    from runner.core.steps import StepResult
    from runner.core.undoing import Kept

TABLES = ["schema_migrations", "migration_history", "migration_runs", "migration_environment"]
CODECS = {"UTF8": "utf-8", "SQL_ASCII": "utf-8", "LATIN1": "latin-1", "LATIN9": "iso8859-15", "WIN1252": "cp1252"}
LARGEST_BODY = 1024 * 1024  # bytes of SQL that the ledger keeps of a file
LARGEST_SCHEMA = 16 * 1024 * 1024  # characters of a schema that it keeps
MADE_UP = "22012"  # the division by zero with which statements of ours stop what is behind them

MAKE_SCHEMA: LiteralString = """
    DO $make$
    BEGIN
        IF to_regnamespace(quote_ident({name})) IS NULL THEN  -- IF NOT EXISTS asks for rights even when it does
            CREATE SCHEMA {schema};
        END IF;
    END
    $make$;
    SET LOCAL search_path = {schema};
    """
ROWS: LiteralString = """
    SELECT version, name, checksum, status{more}, {applied_at} AS applied_at, applied_by, execution_time_ms,
           error_message
    FROM {schema}.schema_migrations"""
CHECKSUMS: LiteralString = "SELECT version, name, checksum, status{more} FROM {schema}.schema_migrations"
ADDED: LiteralString = (  # which an older ledger lacks
    ", sql_digest, transactional, statements_done, undoing, statements_undone"
)
BODIES: LiteralString = "SELECT version, body FROM {schema}.schema_migrations WHERE version = ANY (%s) AND body <> ''"
TEXTS: LiteralString = """
    SELECT version, body, down_body, down_checksum, {later}
    FROM {schema}.schema_migrations WHERE version = ANY (%s)"""
ENVIRONMENT: LiteralString = "SELECT environment FROM {schema}.migration_environment"
BEGIN_RUN: LiteralString = """
    WITH begun AS (
        INSERT INTO {schema}.migration_runs
            (run_id, command, environment, actor, triggering_actor, repository, ref, sha, run_url, run_attempt,
             plan_digest, restore_point, runner_version, server_version, wal_start)
        SELECT %(run_id)s, %(command)s, %(environment)s, %(actor)s, %(triggering_actor)s, %(repository)s, %(ref)s,
               %(sha)s, %(run_url)s, %(run_attempt)s, %(plan_digest)s, %(restore_point)s, %(version)s,
               current_setting('server_version'), {wal_position}
        WHERE EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        RETURNING run_id)
    SELECT 1 / count(*) FROM begun"""
END_RUN: LiteralString = """
    UPDATE {schema}.migration_runs
    SET finished_at = clock_timestamp(), wal_end = {wal_position}, outcome = %s WHERE run_id = %s"""
LEFT: LiteralString = """
    SELECT run_id::text, coalesce(finished_at, started_at) AS finished_at, schema_fingerprint AS fingerprint,
           split_part(server_version, '.', 1)
    FROM {schema}.migration_runs WHERE command <> 'repair' ORDER BY started_at DESC, run_id LIMIT 1"""
LAST_OUTCOME: LiteralString = """
    SELECT coalesce(outcome, 'interrupted')
    FROM {schema}.migration_runs WHERE command = 'migrate' ORDER BY started_at DESC, run_id LIMIT 1"""
KEPT: LiteralString = "SELECT schema_snapshot FROM {schema}.migration_runs WHERE run_id = %s"
KEEP: LiteralString = """
    UPDATE {schema}.migration_runs
    SET schema_fingerprint = CASE WHEN run_id = %(run_id)s THEN %(fingerprint)s ELSE schema_fingerprint END,
        schema_snapshot = CASE WHEN run_id = %(run_id)s THEN %(snapshot)s END
    WHERE run_id = %(run_id)s OR schema_snapshot IS NOT NULL"""  # of the last run only: it is large
RELEASED: LiteralString = """
    SELECT version, run_id::text, started_at AS run_started_at, coalesce(restore_point, '') AS restore_point
    FROM {schema}.schema_migrations JOIN {schema}.migration_runs USING (run_id)
    WHERE status = 'completed' AND ref = %s AND repository = %s
    ORDER BY started_at, version"""
RECORD_ENVIRONMENT: LiteralString = """
    INSERT INTO {schema}.migration_environment (environment) VALUES (%s) ON CONFLICT DO NOTHING"""
OTHERS: LiteralString = """
    SELECT nspname::text FROM pg_catalog.pg_class AS class
    JOIN pg_catalog.pg_namespace AS space ON space.oid = relnamespace
    WHERE relname = 'migration_environment' AND relkind = 'r' AND nspname <> %(schema)s
      AND has_schema_privilege(space.oid, 'USAGE') AND has_table_privilege(class.oid, 'SELECT')
      AND EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = class.oid AND attname = 'only_row')
      AND EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = class.oid AND attname = 'environment')
    ORDER BY 1"""
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
    SET name = excluded.name, applied_at = NULL, execution_time_ms = NULL, run_id = excluded.run_id,
        -- Of one that was begun outside of a transaction nothing is forgotten until it is under way again.
        checksum = CASE WHEN {begun} THEN schema_migrations.checksum ELSE excluded.checksum END,
        status = CASE WHEN {begun} THEN schema_migrations.status ELSE 'pending' END,
        error_message = CASE WHEN {begun} THEN schema_migrations.error_message END
    WHERE schema_migrations.status <> 'completed'"""
BEGUN: LiteralString = """
    schema_migrations.transactional IS FALSE AND schema_migrations.status IN ('running', 'failed')"""
# Nothing may follow on what was not written: a division by zero stops also what was sent behind without waiting. The
# mark may be lost in a crash of the server, as it then means nothing.
MARK_RUNNING: LiteralString = """
    WITH marked AS (
        UPDATE {schema}.schema_migrations
        SET status = 'running', checksum = %(checksum)s, error_message = NULL, transactional = %(transactional)s,
            statements_total = %(statements)s, statements_done = %(done)s, body = %(body)s
        WHERE version = %(version)s AND status <> 'completed' AND run_id = %(run_id)s
          AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        RETURNING version)
    SELECT 1 / count(*), pg_catalog.set_config('synchronous_commit', 'off', true) FROM marked"""
# Behind a proof that the mutex is ours it is enough that somebody holds it, who then cannot share it: another run makes
# the row its own. It costs a fiftieth of asking pg_locks.
IS_MARKED: LiteralString = """
    SELECT 1 / count(*) FROM {schema}.schema_migrations
    WHERE version = %(version)s AND status = 'running' AND run_id = %(run_id)s
      AND NOT pg_try_advisory_xact_lock_shared(%(mutex)s)"""
COUNT_DONE: LiteralString = """
    UPDATE {schema}.schema_migrations SET statements_done = %(done)s
    WHERE version = %(version)s AND status = 'running' AND run_id = %(run_id)s
      AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)"""
# When a migration began that is not the first of its transaction, as text that no setting of a file changes the reading
# of.
BEGAN = b"SELECT set_config('db_migrate.began', extract(epoch FROM clock_timestamp())::text, true)"
TOOK: LiteralString = """
    coalesce(%(ms)s, 1000 * (extract(epoch FROM clock_timestamp()) - coalesce(
        nullif(current_setting('db_migrate.began', true), '')::numeric, extract(epoch FROM transaction_timestamp()))))
    ::int"""
RECORD_COMPLETED: LiteralString = """
    WITH recorded AS (
        INSERT INTO {schema}.schema_migrations
            (version, name, checksum, status, applied_at, execution_time_ms, applied_by, transactional,
             statements_total, statements_done, sql_digest, body, down_body, down_checksum, run_id)
        SELECT %(version)s, %(name)s, %(checksum)s, 'completed', clock_timestamp(), {took}, %(actor)s,
               %(transactional)s, %(statements)s, %(statements)s, %(sql_digest)s, %(body)s, %(down_body)s,
               %(down_checksum)s, %(run_id)s
        WHERE EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        ON CONFLICT (version) DO UPDATE
        SET name = excluded.name, checksum = excluded.checksum, status = excluded.status,
            applied_at = excluded.applied_at, execution_time_ms = excluded.execution_time_ms, error_message = NULL,
            applied_by = excluded.applied_by, transactional = excluded.transactional,
            statements_total = excluded.statements_total, statements_done = excluded.statements_done,
            sql_digest = excluded.sql_digest, body = excluded.body, down_body = excluded.down_body,
            down_checksum = excluded.down_checksum, run_id = excluded.run_id
        RETURNING version, execution_time_ms
    ), kept AS (
        INSERT INTO {schema}.migration_history
            (id, version, action, executed_at, execution_time_ms, status, executed_by, environment, run_id)
        SELECT gen_random_uuid(), version, 'apply', clock_timestamp(), execution_time_ms, 'success', %(actor)s,
               %(environment)s, %(run_id)s
        FROM recorded
        RETURNING execution_time_ms
    ), marked AS (
        UPDATE {schema}.schema_migrations
        SET status = 'running', checksum = %(next_checksum)s, error_message = NULL, transactional = true,
            statements_total = %(next_statements)s, statements_done = 0, body = NULL
        WHERE version = %(next_version)s AND status <> 'completed' AND run_id = %(run_id)s
          AND EXISTS (SELECT FROM recorded))
    SELECT pg_current_xact_id()::text, max(execution_time_ms), 1 / count(*) FROM kept"""
RECORD_FAILED: LiteralString = """
    WITH recorded AS (
        UPDATE {schema}.schema_migrations
        SET status = %(status)s, error_message = %(error)s, execution_time_ms = %(ms)s, applied_by = %(actor)s,
            applied_at = NULL, transactional = %(transactional)s, statements_total = %(statements)s,
            statements_done = CASE WHEN %(transactional)s THEN 0 ELSE greatest(statements_done, %(done)s) END
        WHERE version = %(version)s AND status IN ('pending', 'running') AND run_id = %(run_id)s
        RETURNING version, statements_done
    ), waiting AS (
        UPDATE {schema}.schema_migrations SET status = 'pending'
        WHERE version <> %(version)s AND status = 'running' AND transactional AND run_id = %(run_id)s
    ), kept AS (
        INSERT INTO {schema}.migration_history
            (id, version, action, executed_at, execution_time_ms, status, error_message, executed_by, environment,
             run_id)
        SELECT gen_random_uuid(), version, 'apply', clock_timestamp(), %(ms)s, 'failed', %(error)s, %(actor)s,
               %(environment)s, %(run_id)s
        FROM recorded)
    SELECT statements_done FROM recorded"""
RECORD_UNDONE: LiteralString = """
    WITH undone AS (
        DELETE FROM {schema}.schema_migrations
        WHERE version = %(version)s AND status = 'completed'
          AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        RETURNING version
    ), told AS (
        DELETE FROM {schema}.migration_history WHERE id = %(announced)s
    ), kept AS (
        INSERT INTO {schema}.migration_history
            (id, version, action, executed_at, execution_time_ms, status, executed_by, environment, run_id)
        SELECT gen_random_uuid(), version, 'rollback', clock_timestamp(), %(ms)s, 'success', %(actor)s, %(environment)s,
               %(run_id)s
        FROM undone
        RETURNING version)
    SELECT 1 / count(*) FROM kept"""
# The entry of the history, in place of the one that said that it was begun.
NOT_UNDONE: LiteralString = """,
    replaced AS (
        DELETE FROM {schema}.migration_history WHERE id = %(announced)s AND EXISTS (SELECT FROM found))
    INSERT INTO {schema}.migration_history
        (id, version, action, executed_at, execution_time_ms, status, error_message, executed_by, environment, run_id)
    SELECT gen_random_uuid(), version, 'rollback', clock_timestamp(), %(ms)s, 'failed', %(error)s, %(actor)s,
           %(environment)s, %(run_id)s
    FROM found
    RETURNING id::text"""
ANNOUNCE_UNDOING: LiteralString = """
    WITH found AS (
        UPDATE {schema}.schema_migrations
        SET undoing = 'running', statements_undone = %(done)s, error_message = NULL,
            down_body = CASE WHEN {later} THEN %(down_body)s::text ELSE down_body END,
            down_checksum = CASE WHEN {later} AND %(down_body)s::text IS NOT NULL THEN NULL
                                 ELSE coalesce(down_checksum, %(down_checksum)s) END
        WHERE version = %(version)s AND status = 'completed'
          AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
        RETURNING version)"""
# Of a down file that was written after its migration was applied the ledger keeps the text while it undoes that, for
# going on in it, and no checksum, unless it is too large to keep.
LATER: LiteralString = "(down_checksum IS NULL AND (down_body IS NULL OR undoing IS NOT NULL))"
COUNT_UNDONE: LiteralString = """
    UPDATE {schema}.schema_migrations SET statements_undone = %(done)s
    WHERE version = %(version)s AND status = 'completed' AND undoing = 'running'
      AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)"""
UNDONE_SO_FAR: LiteralString = "SELECT statements_undone FROM {schema}.schema_migrations WHERE version = %s"
# How far it came is written only while nobody else can have gone on with it.
RECORD_NOT_UNDONE: LiteralString = """
    WITH found AS (
        SELECT version FROM {schema}.schema_migrations WHERE version = %(version)s AND status = 'completed'
    ), stopped AS (
        UPDATE {schema}.schema_migrations
        SET undoing = %(undoing)s, statements_undone = %(done)s, error_message = %(error)s
        WHERE version = %(version)s AND status = 'completed' AND undoing = 'running' AND NOT %(transactional)s
          AND EXISTS (SELECT FROM pg_locks WHERE pid = %(holder)s AND {held_key} = %(mutex)s)
    )"""
COMPLETED_BY: LiteralString = """
    SELECT version FROM {schema}.schema_migrations WHERE status = 'completed' AND run_id = %s"""
WAL_POSITION: LiteralString = "pg_current_wal_lsn()"


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftSchema:
    """The fingerprint of the schema that a run left."""

    run_id: str
    finished_at: datetime
    fingerprint: str
    major: int  # version of the server then


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The ledger of one tracking schema, as one run writes it."""

    schema: str
    context: RunContext
    environment: str
    command: str = "migrate"  # of the run

    def _sql(self, query: LiteralString, *, wal: bool = False) -> bytes:
        return formatted(query, self.schema, wal=wal)

    def rows(self, connection: Connection) -> LedgerRows:
        """What a ledger of the current shape holds."""
        with together(connection):
            answer = self.ask(connection)
        return answer()

    def ask(
        self,
        connection: Connection,
        *,
        whole: bool = False,
        environment: bool = True,
        current: bool = True,
        runs: bool = False,
    ) -> Callable[[], LedgerRows]:
        """Ask what the ledger holds; the answer is called for when it is wanted. With `whole` also when, by whom and
        how each migration was applied, with `runs` how the last run ended; without `environment`, and not `current`, of
        a ledger of an older shape.
        """
        query = sql.SQL(ROWS if whole else CHECKSUMS).format(
            schema=sql.Identifier(self.schema),
            more=sql.SQL(ADDED if current else ""),
            applied_at=sql.SQL(known("applied_at")),
        )
        applied = connection.cursor(row_factory=rows.class_row(Applied)).execute(query, binary=True)
        recorded = connection.execute(self._sql(ENVIRONMENT)) if environment else None
        ended = connection.execute(self._sql(LAST_OUTCOME)) if runs else None

        def answer() -> LedgerRows:
            row, last = recorded.fetchone() if recorded else None, ended.fetchone() if ended else None
            return LedgerRows(
                applied=tuple(applied.fetchall()),
                environment=row[0] if row else None,
                last_outcome=last[0] if last else None,
            )

        return answer

    def bodies(self, connection: Connection, versions: Sequence[str]) -> dict[str, str]:
        """The applied texts of these versions, as far as the ledger kept them; it keeps no large ones."""
        with usable(connection):
            with reading(connection):
                cursor = connection.execute(self._sql(BODIES), [list(versions)])
            return dict(cursor.fetchall())

    def texts(self, connection: Connection, versions: Sequence[str]) -> dict[str, Kept]:
        """What it kept of these versions' files. A ledger of an older shape may have kept nothing."""
        from runner.core.undoing import Kept

        with usable(connection):
            try:
                with reading(connection):
                    cursor = connection.execute(self._sql(TEXTS), [list(versions)])
            except errors.UndefinedColumn:
                return {}
            return {
                version: Kept(up=up, down=down, down_checksum=digest, later=later)
                for version, up, down, digest, later in cursor.fetchall()
            }

    def left_schema(self, connection: Connection) -> LeftSchema | None:
        """What the last run left; None when there was none, when it did not come to tell, or the role may not read."""
        with usable(connection):
            try:
                with reading(connection):
                    cursor = connection.execute(self._sql(LEFT), binary=True)
                row = cursor.fetchone()
            except errors.InsufficientPrivilege:
                return None
        if not (row and row[2] and str(row[3]).isdecimal()):
            return None
        return LeftSchema(run_id=row[0], finished_at=row[1], fingerprint=row[2], major=int(row[3]))

    def kept_schema(self, connection: Connection, run_id: str) -> Schema | None:
        """The schema that a run left, as far as the ledger kept it: that of the last run, unless it is very large."""
        with usable(connection):
            with reading(connection):
                cursor = connection.execute(self._sql(KEPT), [run_id])
            row = cursor.fetchone()
        from runner.core.schema import Schema

        try:
            return Schema.from_json(row[0]) if row and row[0] else None
        except ValueError:  # of another version of db-migrate
            return None

    def keep_schema(self, connection: Connection, schema: Schema) -> None:
        """Write what this run leaves, and forget what earlier ones left."""
        snapshot = schema.to_json()
        given = {
            "run_id": self.context.run_id,
            "fingerprint": schema.fingerprint,
            "snapshot": snapshot if len(snapshot) <= LARGEST_SCHEMA else None,
        }
        connection.execute(self._sql(KEEP), given)

    def install(self, connection: Connection) -> None:
        """Bring the ledger to its current shape, from nothing or from an earlier shape; inside of the transaction that
        is open, or in one of its own.
        """
        text = (bundled("migrations") / LEDGER_FILE).read_bytes()
        connection.execute(self._sql(MAKE_SCHEMA) + text)  # all of it one message, and so one transaction

    def begin_run(
        self,
        connection: Connection,
        planned: Sequence[MigrationFile],
        *,
        mutex: Mutex,
        wal: bool,
        plan_digest: str,
        restore_point: str,
    ) -> None:
        """Write the run and what it plans, visible to everybody from here on. `wal`: the role may ask where the
        write-ahead log stands. Raises DatabaseUnusable, with nothing written.
        """
        versions = [file.version for file in planned]
        names = [stored(connection, file.name) for file in planned]
        checksums = [file.checksum for file in planned]
        run = self.provenance() | {
            "plan_digest": plan_digest or None,
            "restore_point": restore_point or None,
            "holder": mutex.holder,
            "mutex": mutex.key,
        }
        try:
            with usable(connection), _at_once(connection):
                connection.execute(bound(connection, self._sql(BEGIN_RUN, wal=wal), run))
                connection.execute(self._sql(RECORD_ENVIRONMENT), [self.environment])
                connection.execute(self._sql(FORGET_PENDING), {"versions": versions})
                connection.execute(self._sql(ANNOUNCE), [self.context.run_id, versions, names, checksums])
        except DatabaseUnusable as error:
            recover(connection)
            if error.findings[0].sqlstate == MADE_UP:
                raise DatabaseUnusable(mutex_lost()) from None
            raise

    def elsewhere(self, connection: Connection) -> list[tuple[str, str]]:
        """The other schemas of the database that have a ledger, and the environment that each names. Those that the
        role may not read are left out.
        """
        with usable(connection):
            with reading(connection):
                cursor = connection.execute(OTHERS, {"schema": self.schema})
            schemas = [schema for (schema,) in cursor.fetchall()]
            if not schemas:
                return []
            with reading(connection):
                answers = [(schema, connection.execute(formatted(ENVIRONMENT, schema))) for schema in schemas]
            return [(schema, row[0]) for schema, answer in answers for row in answer.fetchall()]

    def provenance(self) -> dict[str, Any]:
        """Who runs this, from where, for what."""
        context = self.context
        return {
            "run_id": context.run_id,
            "command": self.command,
            "environment": self.environment,
            "actor": context.actor,
            "triggering_actor": context.triggering_actor,
            "repository": context.repository,
            "ref": context.ref,
            "sha": context.sha,
            "run_url": context.run_url,
            "run_attempt": context.run_attempt,
            "version": __version__,
        }

    def end_run(self, connection: Connection, outcome: str, *, wal: bool) -> None:
        """Write how the run ended."""
        connection.execute(self._sql(END_RUN, wal=wal), [outcome, self.context.run_id])

    def mark_running(self, connection: Connection, migration: Migration, mutex: Mutex, done: int = 0) -> bool:
        """Show that this migration is under way, with its first `done` statements done by an earlier run; False when
        the row is not this run's any more, or the mutex is lost.
        """
        body = None if migration.transactional else kept(connection, migration.file.up)  # for going on in it
        given = self._mark(migration, mutex) | {"done": done, "body": body}
        try:
            with _at_once(connection):
                connection.execute(bound(connection, self._sql(MARK_RUNNING), given))
        except errors.DivisionByZero:
            connection.rollback()
            return False
        return True

    @property
    def prepared(self) -> tuple[Prepared, ...]:
        """What `marking`, `proving_marked` and `recording` call."""
        return self._marking, self._proof, self._recording

    @property
    def _marking(self) -> Prepared:
        return _prepared("db-migrate: mark", MARK_RUNNING, self.schema)

    @property
    def _proof(self) -> Prepared:
        return _prepared("db-migrate: is marked", IS_MARKED, self.schema)

    @property
    def _recording(self) -> Prepared:
        return _prepared("db-migrate: record", RECORD_COMPLETED, self.schema)

    def marking(self, migration: Migration, mutex: Mutex) -> Call:
        """What `mark_running` does for a transactional migration; it fails where that is false."""
        return self._marking.call(self._mark(migration, mutex))

    def proving_marked(self, migration: Migration, mutex: Mutex) -> Call:
        """It fails unless the migration, which `recording` has marked, is still this run's, and the mutex is held."""
        given = {"version": migration.version, "run_id": self.context.run_id, "mutex": mutex.key}
        return self._proof.call(given)

    def _mark(self, migration: Migration, mutex: Mutex) -> dict[str, Any]:
        return {
            "version": migration.version,
            "checksum": migration.file.checksum,
            "run_id": self.context.run_id,
            "transactional": migration.transactional,
            "statements": migration.statement_count,
            "done": 0,
            "body": None,
            "holder": mutex.holder,
            "mutex": mutex.key,
        }

    def count_done(self, connection: Connection, migration: Migration, done: int, *, mutex: int, holder: int) -> bool:
        """Keep how many statements of a migration outside of a transaction are done; False when its row is not this
        run's, or the backend `holder` no longer holds the mutex.
        """
        given = {"done": done, "version": migration.version, "run_id": self.context.run_id}
        cursor = connection.execute(self._sql(COUNT_DONE), {**given, "mutex": mutex, "holder": holder})
        return cursor.rowcount == 1

    def record_completed(self, connection: Connection, step: StepResult, *, mutex: int, holder: int) -> bool:
        """Write row and history of a migration, inside its own transaction; False, with the transaction aborted, when
        the backend `holder` no longer holds the mutex.
        """
        try:
            given = self._record(connection, step.migration, step.duration, mutex=mutex, holder=holder)
            connection.execute(bound(connection, self._sql(RECORD_COMPLETED), given))
        except errors.DivisionByZero:
            return False
        return True

    def recording(
        self, connection: Connection, migration: Migration, mutex: Mutex, successor: Migration | None
    ) -> Call:
        """What writes row and history, with the time since BEGAN or the beginning of the transaction, and marks a
        transactional `successor` with the same commit, if its row is still this run's; returns the transaction's number
        and that time in milliseconds. It fails when the mutex is lost.
        """
        given = self._record(connection, migration, mutex=mutex.key, holder=mutex.holder, successor=successor)
        return self._recording.call(given)

    def _record(
        self,
        connection: Connection,
        migration: Migration,
        took: timedelta | None = None,
        *,
        mutex: int,
        holder: int,
        successor: Migration | None = None,
    ) -> dict[str, Any]:
        file = migration.file
        return {
            **self._common(migration, took),
            "name": stored(connection, file.name),
            "checksum": file.checksum,
            "sql_digest": migration.sql_digest,
            "body": kept(connection, file.up),
            **_down(connection, file.down),
            "mutex": mutex,
            "holder": holder,
            "next_version": successor.version if successor else None,
            "next_checksum": successor.file.checksum if successor else None,
            "next_statements": successor.statement_count if successor else None,
        }

    def record_failed(self, connection: Connection, step: StepResult, error: str) -> int | None:
        """Write the failure of a migration; None when its row is not this run's to write, else how many of its
        statements stay: of what was under way when a connection was lost, the ledger may know more than the run. One
        of which a step may or may not have been done stays `running`: the next run must not guess.
        """
        given = {
            **self._common(step.migration, step.duration),
            "error": stored(connection, error),
            "status": Status.FAILED if step.sure else Status.RUNNING,
            "done": step.statements_done,
        }
        row = connection.execute(self._sql(RECORD_FAILED), given).fetchone()
        return row[0] if row else None

    def record_undone(
        self, connection: Connection, step: StepResult, mutex: Mutex, announced: str | None = None
    ) -> bool:
        """Take a migration that was undone out of the ledger, inside of the transaction that undid it; the history
        keeps it. `announced`: the entry of `announce_undoing`, which this one replaces. False, with the transaction
        aborted, when it was not completed, or the mutex is lost.
        """
        given = self._common(step.migration, step.duration)
        given |= {"announced": announced, "mutex": mutex.key, "holder": mutex.holder}
        try:
            connection.execute(bound(connection, self._sql(RECORD_UNDONE), given))
        except errors.DivisionByZero:
            return False
        return True

    def announce_undoing(
        self, connection: Connection, down: Migration, mutex: Mutex, done: int = 0, announced: str | None = None
    ) -> str | None:
        """Write that a completed migration is about to be undone outside of a transaction, with the first `done`
        statements of its down file done before; returns the entry of the history, for what replaces it. None, with
        nothing written, when the ledger does not have it as completed, or the mutex is lost. `announced`: the entry of
        an attempt before, which this one replaces.
        """
        given = self._common(down) | _down(connection, down.source)
        from runner.core.undoing import BEGUN_TO_UNDO

        given |= {"announced": announced, "done": done, "error": BEGUN_TO_UNDO}
        return self._entry(connection, ANNOUNCE_UNDOING, given, mutex)

    def count_undone(self, connection: Connection, down: Migration, done: int, mutex: Mutex) -> bool:
        """Keep how many statements of a down file outside of a transaction are done; False when its migration is not
        being undone any more, or the mutex is lost.
        """
        given = {"done": done, "version": down.version, "mutex": mutex.key, "holder": mutex.holder}
        return connection.execute(self._sql(COUNT_UNDONE), given).rowcount == 1

    def undone_so_far(self, connection: Connection, version: str) -> int:
        """How many statements of the down file of a migration are done; 0 when the ledger does not have it."""
        row = connection.execute(self._sql(UNDONE_SO_FAR), [version]).fetchone()
        return (row[0] or 0) if row else 0

    def record_not_undone(
        self, connection: Connection, step: StepResult, error: str, mutex: Mutex, announced: str | None = None
    ) -> str | None:
        """Write to the history that undoing a migration failed, and outside of a transaction to its row how far that
        came, unless the mutex is lost; returns the entry. None, with nothing written, when the ledger does not have the
        migration as completed. `announced`: as for `record_undone`.
        """
        given = self._common(step.migration, step.duration) | {
            "announced": announced,
            "error": stored(connection, error),
            "undoing": Status.FAILED if step.sure else Status.RUNNING,
            "done": step.statements_done,
        }
        return self._entry(connection, RECORD_NOT_UNDONE, given, mutex)

    def _entry(self, connection: Connection, change: LiteralString, given: dict[str, Any], mutex: Mutex) -> str | None:
        """Make a change, and write the entry of the history that tells of it."""
        query = self._sql(" ".join((change, NOT_UNDONE)))
        row = connection.execute(query, given | {"mutex": mutex.key, "holder": mutex.holder}).fetchone()
        return row[0] if row else None

    def completed_by_this_run(self, connection: Connection) -> set[str]:
        """The versions that the ledger has as completed by this run."""
        return {version for (version,) in connection.execute(self._sql(COMPLETED_BY), [self.context.run_id]).fetchall()}

    def released(self, connection: Connection) -> list[ReleasedVersion]:
        """The versions that runs of this run's ref have completed, those of the first run first: of a tag, what it has
        migrated.
        """
        from runner.core.released import ReleasedVersion

        with usable(connection):
            with reading(connection):
                cursor = connection.cursor(row_factory=rows.class_row(ReleasedVersion))
                cursor.execute(self._sql(RELEASED), [self.context.ref, self.context.repository], binary=True)
            return cursor.fetchall()

    def _common(self, migration: Migration, took: timedelta | None = None) -> dict[str, Any]:
        """`took`: None where the server knows that better."""
        return {
            "version": migration.version,
            "ms": None if took is None else milliseconds(took),
            "actor": self.context.actor,
            "environment": self.environment,
            "run_id": self.context.run_id,
            "statements": migration.statement_count,
            "transactional": migration.transactional,
        }


def _codec(connection: Connection) -> str:
    """What the database can hold, as Python names it; for the rarer encodings no more than ASCII."""
    return CODECS.get(connection.info.parameter_status("server_encoding") or "", "ascii")


def stored(connection: Connection, text: str) -> str:
    """The text as the database can hold it: signs that its encoding lacks become question marks."""
    codec = _codec(connection)
    return text.encode(codec, "replace").decode(codec)


def kept(connection: Connection, source: SourceFile) -> str | None:
    """The text of a file, unless it is too large to keep or cannot be held as it is."""
    if len(source.data) > LARGEST_BODY:
        return None
    return source.text if stored(connection, source.text) == source.text else None


def _down(connection: Connection, down: SourceFile | None) -> dict[str, str | None]:
    """What the ledger has of a down file."""
    return {
        "down_body": kept(connection, down) if down else None,
        "down_checksum": checksum(down.data) if down else None,
    }


@cache
def formatted(query: LiteralString, schema: str, *, wal: bool = False) -> bytes:
    """A statement about the ledger in this schema."""
    return (
        sql.SQL(query)
        .format(
            schema=sql.Identifier(schema),
            name=sql.Literal(schema),
            held_key=HELD_KEY,
            begun=sql.SQL(BEGUN),
            later=sql.SQL(LATER),
            took=sql.SQL(TOOK),
            wal_position=sql.SQL(WAL_POSITION if wal else "NULL"),
        )
        .as_bytes(None)
    )


@cache
def _prepared(name: str, query: LiteralString, schema: str) -> Prepared:
    return prepared(name.encode(), formatted(query, schema))


def survey(
    connection: Connection,
    ledger: Ledger,
    *,
    fit: Callable[[Target], None],
    whole: bool = False,
    expected: LedgerState = LedgerState.CURRENT,
) -> tuple[Target, LedgerRows]:
    """Target and ledger in one read-only transaction, which the server enforces; in one round trip where the ledger is
    as expected. `fit` raises when the target is not one to read the ledger of.
    """
    with usable(connection):
        if expected is LedgerState.CURRENT:
            try:
                with reading(connection):
                    target, answer = (
                        _ask_target(connection, ledger.schema),
                        ledger.ask(connection, whole=whole, runs=True),
                    )
                return _fitting(target(), fit), answer()
            except (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege):
                pass  # no ledger, or not of this shape: what is there must be known before it is asked
        with reading(connection):
            target = _ask_target(connection, ledger.schema)
        found = _fitting(target(), fit)
        if found.ledger is LedgerState.ABSENT:
            return found, LedgerRows()
        with reading(connection):
            answer = ledger.ask(
                connection,
                whole=whole,
                environment="migration_environment" in found.tables,
                current=found.ledger is LedgerState.CURRENT,
            )
        return found, answer()


@contextmanager
def _at_once(connection: Connection) -> Iterator[None]:
    """A transaction whose statements are sent without waiting. When one fails, it is the caller's to roll back."""
    with together(connection):
        connection.execute("BEGIN")
        yield
        connection.execute("COMMIT")


def _ask_target(connection: Connection, schema: str) -> Callable[[], Target]:
    """Ask what the server says of itself, of the role, and of what stands in the ledger's place."""
    query = (PACKAGE / "postgres" / "sql" / "target.sql").read_bytes()
    cursor = connection.cursor(row_factory=rows.dict_row).execute(
        query, {"schema": schema, "tables": TABLES}, binary=True
    )

    def answer() -> Target:
        row = cursor.fetchone()
        assert row is not None  # noqa: S101 - the query has no FROM that could be empty
        columns, answers = row.pop("columns"), row.pop("answers")
        backend = Backend(row.pop("pid"), row.pop("started"))
        foreign = foreign_table(columns)
        return Target(
            **{**row, "unwritable": tuple(row["unwritable"])},
            backend=backend,
            tables=tuple(columns),
            foreign_table=foreign or "",
            foreign_columns=tuple(sorted(columns[foreign])) if foreign else (),
            ledger=judge(columns, answers=answers) if row["schema_exists"] else LedgerState.ABSENT,
        )

    return answer


def _fitting(target: Target, fit: Callable[[Target], None]) -> Target:
    fit(target)
    return target
