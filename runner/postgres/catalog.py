"""The catalog's word on a statement that an earlier attempt may have executed."""

from typing import assert_never

from runner.core.course import (
    AGAIN,
    Course,
    after_detach,
    after_drop,
    after_existence,
    after_index_build,
    after_reindex,
)
from runner.core.unfinished import Detach, Existence, IndexBuild, Question, Reindex
from runner.postgres.indexes import found_indexes, left_by_reindex
from runner.postgres.session import Connection, usable

# All but the names that are asked for is found whatever path the file has set.
DETACHED = """
    SELECT pg_catalog.to_regclass(%(parent)s) IS NOT NULL AND pg_catalog.to_regclass(%(partition)s) IS NOT NULL,
           (SELECT inhdetachpending FROM pg_catalog.pg_inherits
            WHERE inhparent = pg_catalog.to_regclass(%(parent)s)
              AND inhrelid = pg_catalog.to_regclass(%(partition)s))"""
TO_DROP = """
    SELECT pg_catalog.format('%%I.%%I', nspname, relname),
           nspname IS NOT DISTINCT FROM (pg_catalog.current_schemas(false))[1]
    FROM pg_catalog.pg_class AS class JOIN pg_catalog.pg_namespace AS schema ON schema.oid = relnamespace
    WHERE class.oid = pg_catalog.to_regclass(%(name)s) AND relkind IN ('i', 'I')"""
EXISTS = {
    "database": "SELECT FROM pg_catalog.pg_database WHERE datname = %(name)s::pg_catalog.name",
    "tablespace": "SELECT FROM pg_catalog.pg_tablespace WHERE spcname = %(name)s::pg_catalog.name",
    "subscription": """
        SELECT FROM pg_catalog.pg_subscription
        WHERE subname = %(name)s::pg_catalog.name AND subdbid = (
            SELECT oid FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database())""",
    "enum value": """
        SELECT FROM pg_catalog.pg_enum
        WHERE enumtypid = pg_catalog.to_regtype(%(name)s) AND enumlabel = %(value)s::pg_catalog.name""",
}


def course_of(connection: Connection, asked: Question, *, failed: bool) -> Course:
    """How to go on; names are found as the session finds them. `failed`: the earlier attempt is known to have ended in
    an error. Raises DatabaseUnusable.
    """
    match asked:
        case IndexBuild():
            return after_index_build(asked, found_indexes(connection, asked), failed=failed)
        case Reindex():
            return after_reindex(left_by_reindex(connection, asked))
        case Detach():
            course = _after_detach(connection, asked)
        case Existence(of="index"):
            course = _after_drop(connection, asked)
        case Existence():
            course = after_existence(asked, there=_exists(connection, asked))
        case unknown:
            assert_never(unknown)
    # What failed was not done: if it looks so, it did before, and the server's error is to be heard again.
    return AGAIN if failed and course.done else course


def _after_detach(connection: Connection, asked: Detach) -> Course:
    with usable(connection):
        row = connection.execute(DETACHED, {"parent": asked.parent, "partition": asked.partition}).fetchone()
    there, pending = row or (False, None)
    return after_detach(asked, there=there, pending=pending)


def _after_drop(connection: Connection, asked: Existence) -> Course:
    with usable(connection):
        row = connection.execute(TO_DROP, {"name": asked.name}).fetchone()
    there, first = row or ("", False)
    return after_drop(asked, there=there, first=first)


def _exists(connection: Connection, asked: Existence) -> bool:
    query = f"SELECT EXISTS ({EXISTS[asked.of]})".encode()
    with usable(connection):
        return connection.execute(query, {"name": asked.name, "value": asked.value}).fetchone() == (True,)
