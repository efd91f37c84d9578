"""How to go on with a statement that an earlier attempt may have executed, after what the catalog says.

What CONCURRENTLY leaves behind when it fails is said on PostgreSQL's pages: of a build an invalid index
(https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY), of REINDEX one beside the
old one (https://www.postgresql.org/docs/current/sql-reindex.html#SQL-REINDEX-CONCURRENTLY), of DETACH PARTITION a
pending one (https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DETACH-PARTITION).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from runner.core.index_shape import alike, shape_of_text
from runner.core.unfinished import Detach, Existence, IndexBuild


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """A relation that has the name of the index, or an index on its table when it has no name."""

    name: str  # quoted where it must be: public.users_email_idx
    ours: bool  # an index on the table of the statement
    valid: bool
    definition: str = ""  # as pg_get_indexdef has it
    builder: int | None = None  # of one that is not valid: a server's process that may be building it right now


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How to go on: as if nothing had been, unless something is said here."""

    done: str = ""  # it is, in words: nothing to execute
    drop: tuple[str, ...] = ()  # invalid indexes that must go before
    instead: str = ""  # the SQL that finishes it, in its place
    stop: str = ""  # why nobody can go on without looking
    look: str = ""  # and at what


AGAIN = Course()


def after_index_build(asked: IndexBuild, found: Sequence[Found], *, failed: bool = False) -> Course:
    """`found`: the relation of the name in the table's schema; without a name, all indexes of the table. `failed`: the
    earlier attempt is known to have ended in an error, so a valid index is not of it.
    """
    if not asked.name:
        return _after_nameless_build(asked, found)
    if not found:
        return AGAIN
    [relation] = found
    if not relation.ours:
        message = f"{relation.name} is something else than an index on {asked.table}"
        return Course(stop=message, look="rename one of the two")
    if relation.builder is not None:
        return being_built(relation.name, relation.builder)
    if relation.valid and failed:
        return AGAIN
    same = alike(asked.shape, shape_of_text(relation.definition))
    if relation.valid and (same or asked.unless_there):
        return Course(done=f"{relation.name} is there and valid")
    if same:
        return Course(drop=(relation.name,))
    message = f"{relation.name} is there, and not as this statement builds it"
    if same is None:
        message = f"{relation.name} is there, and nobody can tell whether it is as this statement builds it"
    state = "it" if relation.valid else "it is not valid, and"
    return Course(stop=message, look=f"{state} is {relation.definition}; rename one of the two, or drop it")


def being_built(name: str, pid: int) -> Course:
    message = f"{name} is just being built by another session, pid {pid}, or something else is done to its table"
    return Course(stop=message, look="wait for its end, or end it")


def _after_nameless_build(asked: IndexBuild, found: Sequence[Found]) -> Course:
    """Neither its name nor that it is there shows whose an index is."""
    maybe = [index for index in found if alike(asked.shape, shape_of_text(index.definition)) is not False]
    if not maybe:
        return AGAIN
    names = ", ".join(index.name for index in maybe)
    message = f"this statement gives its index no name, and may have built {names} before"
    drops = "; ".join(f"DROP INDEX CONCURRENTLY {index.name}" for index in maybe if not index.valid)
    return Course(stop=message, look=drops or "give the index a name, unless it is that one")


def after_reindex(leftovers: Sequence[Found]) -> Course:
    """`leftovers`: invalid indexes that have the names of REINDEX's own. They go, and all is built again."""
    for index in leftovers:
        if index.builder is not None:
            return being_built(index.name, index.builder)
    return Course(drop=tuple(index.name for index in leftovers))


def after_drop(asked: Existence, *, there: str, first: bool) -> Course:
    """`there`: the index that has the name now, empty when none has; `first`: it stands in the first schema of the
    path. Behind that the name may have been that of another one, which the earlier attempt has dropped.
    """
    if not there or first or asked.with_schema:
        return after_existence(asked, there=bool(there))
    message = f"this statement names no schema, and {there} may not be the index that it was to drop"
    return Course(stop=message, look="put the schema before the name, or drop by hand what is meant")


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
