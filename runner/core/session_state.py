"""What the finished statements of a file left in their session, which a run that goes on behind them lacks."""

import re
from collections.abc import Iterator, Sequence

from runner.core.migration import Migration, Statement
from runner.core.statements import WITH_ESCAPES

RUNS_FUNCTIONS = frozenset(
    ["", WITH_ESCAPES, "select_stmt", "insert_stmt", "update_stmt", "delete_stmt", "merge_stmt", "create_table_as_stmt",
     "call_stmt", "execute_stmt", "explain_stmt", "copy_stmt", "refresh_mat_view_stmt"]
)  # fmt: skip
SET_CONFIG = re.compile(rb"SELECT\s+(?:pg_catalog\s*\.\s*)?set_config\s*\(", re.IGNORECASE)
SETS_CONFIG = re.compile(rb"\bset_config\s*\(", re.IGNORECASE)
# In a DO block; EXECUTE may set anything.
SETS_INSIDE = re.compile(
    rb"(?:[;$']|\b(?:BEGIN|THEN|ELSE|LOOP)\b)(?:\s|--[^\n]*\n|/\*.*?\*/)*(?:SET|RESET)\b"
    rb"|\bEXECUTE\b|\bset_config\s*\(",
    re.IGNORECASE | re.DOTALL,
)
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
        hidden = _sets_inside(statement) or (in_a_block and _sets(statement))  # a setting that is no step of its own
        if hidden or BOUND.match(statement.sql) or BOUND_ANYWHERE.search(statement.sql):
            return statement
    return None


def sets_lock_timeout(migration: Migration, step: Statement) -> bool:
    """Whether the file has a word on it, in its header or before the step."""
    before = (statement for statement in migration.statements if statement.start < step.start)
    return migration.headers.lock_timeout is not None or any(b"lock_timeout" in text.sql.lower() for text in before)


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


def _sets_inside(statement: Statement) -> bool:
    """Whether it may set something besides what else it does."""
    if statement.traits.kind == "do_stmt":
        return SETS_INSIDE.search(statement.sql) is not None
    runs = statement.count > 1 or statement.traits.kind in RUNS_FUNCTIONS
    return runs and not _sets(statement) and SETS_CONFIG.search(statement.sql) is not None
