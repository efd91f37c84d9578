"""`db-migrate rollback`: undo the last migrations by their down files."""

from dataclasses import dataclass
from typing import ClassVar

from runner.commands.change import Change, Checkout, Ground, Planned, Work
from runner.commands.guarded import guarded
from runner.commands.run import Run
from runner.core.model import Plan
from runner.core.plan import compare
from runner.core.undoing import behind, plan_back
from runner.errors import Outcome
from runner.postgres.session import Connection


def rollback(run: Run) -> Outcome:
    """One run, stage by stage. Raises a RunnerError, or Cancelled, with everything up to there in the journal.

    The journal's plan is what the database has and lacks: in a dry run as it stands, else as it is once the rollback
    has ended, however far it came.
    """
    needed = False  # the ledger has what undoes them
    return guarded(run, lambda checkout: RollingBack(run=run, checkout=checkout), needed=needed)


@dataclass(frozen=True, slots=True, kw_only=True)
class RollingBack(Change):
    """What is applied is undone; `pending` of its plan is what is undone."""

    run: Run
    checkout: Checkout
    whole: ClassVar[bool] = True

    def plan(self, ground: Ground) -> Planned:
        order, applied = self.run.config.plan.version_order, ground.rows.applied
        undone = behind(applied, self.run.config.back, order, self.run.config.tracking_schema)
        kept = self.run.ledger.texts(ground.worker, [row.version for row in undone]) if undone else {}
        plan = plan_back(undone, self.checkout.files, applied, kept, order, self.run.config.migrations_path)
        in_words = f"{len(plan.pending)} to undo, {len(plan.applied) - len(plan.pending)} stay"
        return Planned(plan=plan, standing=compare(self.checkout.files, applied, order), in_words=in_words)

    def nothing_to_do(self, plan: Plan, ground: Ground) -> None:  # noqa: ARG002 - nothing more is asked
        self.run.journal.skip("undo", f"nothing to undo: the database is at {plan.current_version or 'the beginning'}")

    def work(self) -> Work:
        from runner.commands.reverting import Reverting

        return Reverting(run=self.run, checkout=self.checkout)

    def afterwards(self, worker: Connection) -> None:
        """Nothing: the notes of a release are about what was applied."""
