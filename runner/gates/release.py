"""All pending migrations in one transaction: only those that can be in one."""

from collections.abc import Sequence

from runner.core.migration import Migration
from runner.core.model import Verdict
from runner.core.plural import counted

GATE = "transaction"


def check_release(migrations: Sequence[Migration]) -> Verdict:
    """Whether all of them can stay or none."""
    outside = [migration for migration in migrations if not migration.transactional]
    if not outside:
        return Verdict(gate=GATE, passed=True, reason=f"one for all: {counted(len(migrations))} stay, or none")
    first = outside[0]
    more = f", and {counted(len(outside) - 1, 'other')}" if len(outside) > 1 else ""
    return Verdict(
        gate=GATE,
        passed=False,
        reason=f"`transaction: release` cannot hold {first.source.path}{more}: {first.why}",
        way_out="run those before or after the others, by `version` (a rollback by `to`), or without "
        "`transaction: release`",
    )
