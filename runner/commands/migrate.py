"""`db-migrate`: bring the database to what the checkout has."""

from dataclasses import dataclass
from typing import ClassVar

from runner.commands.change import Change, Checkout, Ground, Planned, Work
from runner.commands.guarded import guarded
from runner.commands.half_undone import refuse_half_undone
from runner.commands.run import Run
from runner.core.model import PRODUCTION, Plan
from runner.core.plan import changed_versions, make_plan
from runner.errors import Outcome
from runner.postgres.session import Connection


def migrate(run: Run) -> Outcome:
    """One run, stage by stage. Raises a RunnerError, or Cancelled, with everything up to there in the journal."""
    return guarded(run, lambda checkout: Migrating(run=run, checkout=checkout))


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrating(Change):
    """What is pending is applied."""

    run: Run
    checkout: Checkout
    whole: ClassVar[bool] = False

    def plan(self, ground: Ground) -> Planned:
        files, applied = self.checkout.files, ground.rows.applied
        refuse_half_undone(self.run, ground.worker, applied)
        changed = changed_versions(files, applied)  # of most runs none
        bodies = self.run.ledger.bodies(ground.worker, changed) if changed else {}
        plan = make_plan(files, applied, self.run.config.plan, bodies)
        later = f", {len(plan.later)} left for later" if plan.later else ""
        in_words = f"{len(plan.pending)} to run, {len(plan.applied)} applied before{later}"
        return Planned(plan=plan, standing=plan, in_words=in_words)

    def nothing_to_do(self, plan: Plan, ground: Ground) -> None:
        run = self.run
        upto = f" up to {run.config.plan.version}" if run.config.plan.version else ""
        run.journal.skip("apply", f"nothing to do{upto}: the database is at {plan.current_version or 'the beginning'}")
        if ground.rows.last_outcome not in {None, Outcome.APPLIED} and not plan.later and not run.config.dry_run:
            from runner.commands.smoke import ask_again

            ask_again(run, ground.worker, self.checkout.tests, ground.rows)

    def work(self) -> Work:
        from runner.commands.applying import Applying

        return Applying(run=self.run, checkout=self.checkout)

    def afterwards(self, worker: Connection) -> None:
        if self.run.config.environment == PRODUCTION:  # else it is not even loaded
            from runner.commands.release import release

            release(self.run, worker, self.checkout.files)
