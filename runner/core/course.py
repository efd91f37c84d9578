"""How to go on with a statement that an earlier attempt may have executed, after what the catalog says.

What CONCURRENTLY leaves behind when it fails is said on PostgreSQL's pages: of a build an invalid index
(https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY), of REINDEX one beside the
old one (https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY), of DETACH PARTITION a
pending one (https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.core.index_shape import shape_of_text
from runner.core.unfinished import Detach, Existence, IndexBuild


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A relation that has the name of the index, or an index on its table when it has no name."""

    name: str  # quoted where it must be: public.users_email_idx
    ours: bool  # an index on the table of the statement
    valid: bool
    definition: str  # as pg_get_indexdef has it
    builder: int | None = None  # the server's process that is building it right now


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How to go on: as if nothing had been, unless something is said here."""

    done: str = ""  # it is, in words: nothing to execute
    drop: tuple[str, ...] = ()  # invalid indexes that must go before
    instead: str = ""  # the SQL that finishes it, in its place
    stop: str = ""  # why nobody can go on without looking
    look: str = ""  # and at what


AGAIN = Course()


def after_index_build(asked: IndexBuild, found: Sequence[Found]) -> Course:
    """`found`: the relation of the name in the table's schema; without a name, all indexes of the table."""
    if not asked.name:
        return _after_nameless_build(asked, found)
    if not found:
        return AGAIN
    [relation] = found
    if not relation.ours:
        message = f"{relation.name} is something else than an index on {asked.table}"
        return Course(stop=message, look="rename one of the two")
    if relation.builder is not None:
        message = f"{relation.name} is just being built by another session, pid {relation.builder}"
        return Course(stop=message, look="wait for its end, or end it")
    if not relation.valid:
        return Course(drop=(relation.name,))
    if asked.unless_there or _alike(asked, relation):
        return Course(done=f"{relation.name} is there and valid")
    message = f"{relation.name} is there, and not as this statement builds it"
    return Course(stop=message, look=f"it is {relation.definition}; rename one of the two, or drop it")


def _after_nameless_build(asked: IndexBuild, found: Sequence[Found]) -> Course:
    """Neither its name nor that it is there shows whose an index is."""
    alike = [index for index in found if _alike(asked, index)]
    if not alike:
        return AGAIN
    names = ", ".join(index.name for index in alike)
    message = f"this statement gives its index no name, and may have built {names} before"
    drops = "; ".join(f"DROP INDEX CONCURRENTLY {index.name}" for index in alike if not index.valid)
    return Course(stop=message, look=drops or "give the index a name, unless it is that one")


def _alike(asked: IndexBuild, found: Found) -> bool:
    """True as well where the server's text cannot be read."""
    shape = shape_of_text(found.definition)
    return shape is None or shape == asked.shape


def after_reindex(leftovers: Sequence[str]) -> Course:
    """`leftovers`: invalid indexes that have the names of REINDEX's own. They go, and all is built again."""
    return Course(drop=tuple(leftovers))


def after_detach(asked: Detach, *, there: bool, pending: bool | None) -> Course:
    """`there`: both tables are; `pending`: the partition is half detached, None when it is none any more."""
    if there and pending is None:
        return Course(done=f"{asked.partition} is no partition of {asked.parent} any more")
    if pending:
        return Course(instead=f"ALTER TABLE {asked.parent} DETACH PARTITION {asked.partition} FINALIZE")
    return AGAIN


def after_existence(asked: Existence, *, there: bool) -> Course:
    """`there`: what was asked for is."""
    if there is not asked.wanted:
        return AGAIN
    what = f"{asked.of} {asked.value or asked.name}"
    return Course(done=f"{what} is there" if there else f"{what} is gone")
