"""Applying what is pending: how `db-migrate` does it."""

from collections.abc import Collection, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from runner.commands.change import Checkout, Ground, Unfinished, Work
from runner.commands.run import Run
from runner.commands.smoke import smoke_test
from runner.commands.stages import linted, parsed, read_back, watching
from runner.core.migration import Migration
from runner.core.model import Plan, Status, Verdict
from runner.core.plural import counted
from runner.core.resume import resumption
from runner.core.status import half_done
from runner.core.undoing import half_undone
from runner.core.validity import Validity
from runner.core.validity import findings as validity_findings
from runner.errors import Finding, InputError, MigrationFailed, Outcome, Refused
from runner.postgres.execute import apply
from runner.postgres.execution import Execution
from runner.postgres.signals import deaf
from runner.postgres.syntax import check_syntax


@dataclass(frozen=True, slots=True, kw_only=True)
class Applying(Work):
    """What is pending is applied."""

    run: Run
    checkout: Checkout
    verb: ClassVar[str] = "apply"
    outcome: ClassVar[Outcome] = Outcome.APPLIED

    def resumed(self, plan: Plan, ground: Ground) -> Collection[str]:
        begun = {row.version for row in ground.rows.applied if row.transactional is False and not row.completed}
        return [file.up.text for file in plan.pending if file.version in begun]

    def parse(self, plan: Plan, ground: Ground) -> Sequence[Migration]:
        migrations, problems = parsed(self.run.config, self.run.journal, plan.pending)
        problems += check_syntax(ground.worker, migrations)
        if problems:
            raise InputError(*problems)
        return migrations

    def lint(self) -> Verdict:
        run, journal = self.run, self.run.journal
        pg_version = f"{journal.target.server_version // 10000}.0" if journal.target else None  # as squawk takes it
        return linted(run.config, journal, run.console, run.checkout, journal.migrations, pg_version=pg_version)

    def half_way(self, ground: Ground) -> Collection[str]:
        begun = {int(row.version) for row in ground.rows.applied if half_done([row])}
        return {each.version for each in self.run.journal.migrations if int(each.version) in begun}

    def unfinished(self, ground: Ground) -> Unfinished:
        run, applied = self.run, ground.rows.applied
        if half := half_undone(applied, run.config.tracking_schema):
            raise Refused(*half)
        begun = {int(row.version): row for row in applied if row.transactional is False and not row.completed}
        bodies = run.ledger.bodies(ground.worker, [row.version for row in begun.values()]) if begun else {}
        done = {
            migration.version: resumption(migration, row, run.config.tracking_schema, bodies.get(row.version))
            for migration in run.journal.migrations
            if (row := begun.get(int(migration.version)))
        }
        if unknown := [answer for answer in done.values() if isinstance(answer, Finding)]:
            raise Refused(*unknown)
        return Unfinished(
            done={version: answer for version, answer in done.items() if isinstance(answer, int)},
            failed=frozenset(row.version for row in applied if row.status == Status.FAILED),
        )

    def execute(self, execution: Execution, ground: Ground) -> None:
        journal, console, migrations = self.run.journal, self.run.console, self.run.journal.migrations
        results = apply(execution, migrations, ground.target.ledger)
        with journal.stage("apply") as tell, deaf(), closing(results) as steps:
            try:
                for step in steps:
                    journal.record(step)
                    console.finished(step)
            finally:
                journal.watched = execution.watch.watched if execution.watch else None
            if failure := next((step.failure for step in journal.steps if step.failure), None):
                raise MigrationFailed(failure)
            tell(counted(len(migrations)))

    @property
    def complete(self) -> bool:
        journal = self.run.journal
        return [step.migration for step in journal.steps if step.completed] == list(journal.migrations)

    def verify(self, execution: Execution, before: Validity) -> None:
        """What the run says is what the database says, and what it has built is valid."""
        journal = self.run.journal
        with journal.stage("verify") as tell:
            applied, after = read_back(execution)
            recorded = {row.version: row for row in applied}
            wrong = [
                Finding(
                    f"the ledger does not have migration {migration.version} as completed", path=migration.file.path
                )
                for migration in journal.migrations
                if not (row := recorded.get(migration.version))
                or not row.completed
                or (row.checksum, row.sql_digest) != (migration.file.checksum, migration.sql_digest)
            ]
            wrong += journal.errors_of(validity_findings(after, before=before, migrations=journal.migrations))
            if wrong:
                raise MigrationFailed(*wrong)
            tell("every migration is completed in the ledger, with its digest; what was built is valid")

    def smoke_test(self, execution: Execution) -> None:
        smoke_test(
            self.run,
            execution,
            self.checkout.tests,
            undoing=lambda: watching(self.run, execution.backend, execution.mutex),
        )
