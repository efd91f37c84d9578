"""What undoes the migrations that a run has applied: their down files, the last one first, all of them or none."""

from collections.abc import Sequence

from runner.core.model import Migration
from runner.core.naming import LEDGER_FILE
from runner.core.parse import ORDINARY, ParsePolicy, parse_down
from runner.errors import InputError


def undoable(done: Sequence[Migration], policy: ParsePolicy = ORDINARY) -> tuple[Migration, ...] | str:
    """What undoes these migrations, in the order in which it must run; or, in a sentence, why nothing can be undone:
    each migration in the way, and what is wrong with its down file. A file that makes the ledger stays: without it
    nobody could tell what was undone.
    """
    downs: list[Migration] = []
    reasons: list[str] = []
    for migration in reversed([each for each in done if each.file.path.name != LEDGER_FILE]):
        down = _down(migration, policy)
        if isinstance(down, str):
            reasons.append(down)
        else:
            downs.append(down)
    if reasons:
        return "; ".join(reversed(reasons))
    return tuple(downs) or "nothing was applied that could be undone"


def _down(migration: Migration, policy: ParsePolicy) -> Migration | str:
    """What undoes a migration, or why that is not possible."""
    if migration.file.down is None:
        return f"migration {migration.version} has no down file"
    try:
        down = parse_down(migration.file, policy)
    except InputError as error:
        return f"the down file of migration {migration.version} cannot run: {', '.join(map(str, error.findings))}"
    if migration.statements and not down.statements:  # its row would go, and its work stay
        return f"the down file of migration {migration.version} has no statement"
    return down
