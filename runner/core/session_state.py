"""What the finished statements of a file left in their session, which a run that goes on behind them lacks."""

import re
from collections.abc import Iterator, Sequence

from runner.core.model import Migration, Statement

SET_CONFIG = re.compile(rb"SELECT\s+(?:pg_catalog\s*\.\s*)?set_config\s*\(", re.IGNORECASE)
SETS_CONFIG = re.compile(rb"\bset_config\s*\(", re.IGNORECASE)
BOUND = re.compile(
    rb"(?:CREATE\s+(?:OR\s+REPLACE\s+)?(?:(?:LOCAL|GLOBAL)\s+)?TEMP(?:ORARY)?\b|PREPARE\s+(?!TRANSACTION\b)|DECLARE\b"
    rb"|LISTEN\b|LOAD\b)",
    re.IGNORECASE,
)
BOUND_ANYWHERE = re.compile(rb"\bINTO\s+TEMP(?:ORARY)?\b|\bpg_temp\s*\.|\bpg_(?:try_)?advisory_lock", re.IGNORECASE)


def settings_to_repeat(migration: Migration, done: int) -> list[Statement]:
    """The finished steps that only set something for the session, such as `SET search_path` or `SET ROLE`, or take such
    settings back.
    """
    return [step for step in _finished(migration, done) if _sets(step)]


def lost_with_the_session(migration: Migration, done: int) -> Statement | None:
    """The first finished statement whose work ended with its session and cannot simply be repeated."""
    finished = _finished(migration, done)
    end = finished[-1].end if finished else 0
    tops = {step.start for step in finished}
    for statement in migration.statements:
        if statement.end > end:
            return None
        in_a_block = statement.start not in tops or statement.traits.control is not None
        among_others = statement.count > 1 and SETS_CONFIG.search(statement.sql) is not None
        hidden = among_others or (in_a_block and _sets(statement))  # a setting that is no step of its own
        if hidden or BOUND.match(statement.sql) or BOUND_ANYWHERE.search(statement.sql):
            return statement
    return None


def _finished(migration: Migration, done: int) -> Sequence[Statement]:
    return list(_up_to(migration.steps, done))


def _up_to(steps: Sequence[Statement], done: int) -> Iterator[Statement]:
    position = 0
    for step in steps:
        position += step.count
        if position > done:
            return
        yield step


def _sets(statement: Statement) -> bool:
    if statement.traits.kind == "discard_stmt":
        return statement.traits.no_transaction == "DISCARD ALL"
    if statement.traits.kind == "variable_set_stmt":
        return not statement.traits.only_in_transaction
    return statement.count == 1 and SET_CONFIG.match(statement.sql) is not None
