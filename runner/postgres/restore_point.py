"""The place in the write-ahead log that a database can be restored to.

https://www.postgresql.org/docs/current/continuous-archiving.html
"""

from contextlib import suppress
from datetime import UTC
from typing import LiteralString

import psycopg
from psycopg import rows
from psycopg.errors import (
    FeatureNotSupported,
    InsufficientPrivilege,
    ObjectNotInPrerequisiteState,
    UndefinedFunction,
)

from runner.core.model import RestorePointMode
from runner.core.restore_point import RestorePoint, RestorePointFacts
from runner.errors import DatabaseUnusable, Finding
from runner.postgres.session import Connection, reading, usable

# Services that are not quite PostgreSQL may lack a function or a setting. Without a command or library for it,
# archive_mode keeps the log for one to come, but brings it nowhere.
FACTS = """
    SELECT current_user::text AS role,
           coalesce(pg_catalog.has_function_privilege(
               pg_catalog.to_regprocedure('pg_catalog.pg_create_restore_point(text)'), 'EXECUTE'), false) AS may_name,
           coalesce(pg_catalog.has_function_privilege(
               pg_catalog.to_regprocedure('pg_catalog.pg_current_wal_insert_lsn()'), 'EXECUTE'), false) AS may_locate,
           coalesce(pg_catalog.current_setting('wal_level', true), '') AS wal_level,
           pg_catalog.pg_is_in_recovery() AS in_recovery,
           pg_catalog.current_setting('archive_mode', true) <> 'off'
               AND pg_catalog.concat(pg_catalog.current_setting('archive_command', true),
                                     pg_catalog.current_setting('archive_library', true)) <> '' AS archived"""
NAMED: LiteralString = "SELECT pg_catalog.pg_create_restore_point(%(name)s)::text, pg_catalog.clock_timestamp()"
# Not pg_current_wal_lsn(): what was committed without waiting for the disk may be behind that.
LOCATED: LiteralString = "SELECT pg_catalog.pg_current_wal_insert_lsn()::text, pg_catalog.clock_timestamp()"
TIMED: LiteralString = "SELECT '', pg_catalog.clock_timestamp()"
# What a server answers that had said otherwise: the right was taken away, it is another one, it only looked able.
NOT_THAT_WAY = (InsufficientPrivilege, ObjectNotInPrerequisiteState, FeatureNotSupported, UndefinedFunction)


def restore_point_facts(connection: Connection) -> RestorePointFacts:
    """Ask server and role, without writing. Raises DatabaseUnusable."""
    with usable(connection):
        with reading(connection):
            cursor = connection.cursor(row_factory=rows.class_row(RestorePointFacts)).execute(FACTS)
        [facts] = cursor.fetchall()
    return facts


def make_restore_point(
    connection: Connection,
    name: str,
    *,
    facts: RestorePointFacts,
    mode: RestorePointMode = RestorePointMode.AUTO,
) -> RestorePoint:
    """Mark where the log stands: by `name`, of at most 63 bytes, where that is possible, else by position and time, or
    by the time alone. `connection` is in no transaction. Raises DatabaseUnusable, also when a named point is required
    and the server refuses.
    """
    *others, last = _ways(facts, mode)
    try:
        for way in others:
            with suppress(*NOT_THAT_WAY):
                return _marked(connection, way, name, facts)
        return _marked(connection, last, name, facts)
    except psycopg.Error as error:
        said = error.diag.message_primary or " ".join(str(error).split())
        hint = facts.grant if isinstance(error, InsufficientPrivilege) else "`restore-point: off` does without"
        raise DatabaseUnusable(Finding(f"the restore point cannot be made: {said}", hint=hint)) from None


def _ways(facts: RestorePointFacts, mode: RestorePointMode) -> list[LiteralString]:
    """What is tried, one after the other."""
    if mode is RestorePointMode.REQUIRED:
        return [NAMED]
    named = [] if facts.obstacle else [NAMED]
    located = [LOCATED] if facts.may_locate and not facts.in_recovery else []
    return [*named, *located, TIMED]


def _marked(connection: Connection, way: LiteralString, name: str, facts: RestorePointFacts) -> RestorePoint:
    [(lsn, at)] = connection.execute(way, {"name": name}, binary=True).fetchall()
    return RestorePoint(at=at.astimezone(UTC), name=name if way is NAMED else "", lsn=lsn, archived=facts.archived)
