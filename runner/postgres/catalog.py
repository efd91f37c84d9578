"""The catalog's word on a statement that an earlier attempt may have executed."""

from typing import assert_never

from runner.core.course import AGAIN, Course, after_detach, after_existence, after_index_build, after_reindex
from runner.core.unfinished import Detach, Existence, IndexBuild, Question, Reindex
from runner.postgres.indexes import found_indexes, left_by_reindex
from runner.postgres.session import Connection, usable

DETACHED = """
    SELECT to_regclass(%(parent)s) IS NOT NULL AND to_regclass(%(partition)s) IS NOT NULL,
           (SELECT inhdetachpending FROM pg_inherits
            WHERE inhparent = to_regclass(%(parent)s) AND inhrelid = to_regclass(%(partition)s))"""
EXISTS = {
    "index": "SELECT FROM pg_index WHERE indexrelid = to_regclass(%(name)s)",
    "database": "SELECT FROM pg_database WHERE datname = %(name)s::name",
    "tablespace": "SELECT FROM pg_tablespace WHERE spcname = %(name)s::name",
    "subscription": """
        SELECT FROM pg_subscription
        WHERE subname = %(name)s::name AND subdbid = (
            SELECT oid FROM pg_database WHERE datname = current_database())""",
    "enum value": "SELECT FROM pg_enum WHERE enumtypid = to_regtype(%(name)s) AND enumlabel = %(value)s::name",
}


def course_of(connection: Connection, asked: Question, *, failed: bool) -> Course:
    """How to go on; names are found as the session finds them. `failed`: the earlier attempt is known to have ended in
    an error. Raises DatabaseUnusable.
    """
    match asked:
        case IndexBuild():
            return after_index_build(asked, found_indexes(connection, asked))
        case Reindex():
            return after_reindex(left_by_reindex(connection, asked))
        case Detach():
            course = _after_detach(connection, asked)
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


def _exists(connection: Connection, asked: Existence) -> bool:
    query = f"SELECT EXISTS ({EXISTS[asked.of]})".encode()
    with usable(connection):
        return connection.execute(query, {"name": asked.name, "value": asked.value}).fetchone() == (True,)
