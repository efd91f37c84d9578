"""Undoing what was applied: how `db-migrate rollback` does it."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import ClassVar

from runner.commands.change import Checkout, Ground, Unfinished, Work
from runner.commands.run import Run
from runner.commands.smoke import smoke_test
from runner.commands.stages import read_back
from runner.core.migration import Migration
from runner.core.model import LedgerRows, Plan, Verdict
from runner.core.plan import compare
from runner.core.plural import counted
from runner.core.steps import Undoing
from runner.core.undoing import Begun, begun_before, parse_back
from runner.core.validity import Validity
from runner.core.validity import findings as validity_findings
from runner.errors import Finding, InputError, MigrationFailed, Outcome, Refused
from runner.postgres.execution import Execution
from runner.postgres.signals import deaf
from runner.postgres.syntax import check_syntax
from runner.postgres.undo import roll_back

FROM_THE_BEGINNING = Begun(done=0, failed=True)  # nothing was done, and that is known
NOT_LINTED = "not asked of a rollback: it was when the migrations were applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reverting(Work):
    """`pending` of the plan is undone."""

    run: Run
    checkout: Checkout
    verb: ClassVar[str] = "undo"
    outcome: ClassVar[Outcome] = Outcome.ROLLED_BACK

    def resumed(self, plan: Plan, ground: Ground) -> Collection[str]:
        begun = {row.version for row in ground.rows.applied if row.undoing}
        return [file.down.text for file in plan.pending if file.version in begun and file.down]

    def parse(self, plan: Plan, ground: Ground) -> Sequence[Migration]:
        downs = parse_back(plan.pending, self.checkout.files, self.run.config.parse)
        self.run.journal.findings += [finding for down in downs for finding in down.findings]
        if problems := list(check_syntax(ground.worker, downs)):
            raise InputError(*problems)
        return downs

    def lint(self) -> Verdict:
        return Verdict(gate="lint", passed=True, reason=NOT_LINTED)

    def half_way(self, ground: Ground) -> Collection[str]:
        return {version for version, answer in self._begun(ground).items() if answer != FROM_THE_BEGINNING}

    def _begun(self, ground: Ground) -> Mapping[str, Begun | Finding]:
        """Those in whose down file an earlier run has stopped, by version."""
        ledger, begun = self.run.ledger, {row.version: row for row in ground.rows.applied if row.undoing}
        kept = ledger.texts(ground.worker, list(begun)) if begun else {}
        return {
            down.version: begun_before(down, begun[down.version], kept[down.version].down, ledger.schema)
            for down in self.run.journal.migrations
            if down.version in begun
        }

    def unfinished(self, ground: Ground) -> Unfinished:
        begun = self._begun(ground)
        if unknown := [answer for answer in begun.values() if isinstance(answer, Finding)]:
            raise Refused(*unknown)
        known = {version: answer for version, answer in begun.items() if isinstance(answer, Begun)}
        return Unfinished(
            done={version: answer.done for version, answer in known.items()},
            failed=frozenset(version for version, answer in known.items() if answer.failed),
        )

    def execute(self, execution: Execution, ground: Ground) -> None:
        journal, console, downs = self.run.journal, self.run.console, self.run.journal.migrations
        journal.undoing = undoing = Undoing()
        results = roll_back(execution, downs, ground.target.ledger)
        with journal.stage("undo") as tell, deaf(), closing(results) as steps:
            try:
                for step in steps:
                    undoing = journal.record_undone(step)
                    console.undone(step)
            finally:
                journal.plan = self._standing(ground.rows, undoing.undone)
                journal.watched = execution.watch.watched if execution.watch else None
            if undoing.failed and undoing.failed.failure:
                raise MigrationFailed(undoing.failed.failure)
            tell(f"{counted(len(downs))}: the database is at {journal.plan.current_version or 'the beginning'}")

    @property
    def complete(self) -> bool:
        undoing = self.run.journal.undoing
        return undoing is not None and len(undoing.undone) == len(self.run.journal.migrations)

    def verify(self, execution: Execution, before: Validity) -> None:
        """The ledger does not have them any more, and what was built is valid."""
        journal = self.run.journal
        with journal.stage("verify") as tell:
            applied, after = read_back(execution)
            there = {row.version for row in applied}
            wrong = [
                Finding(f"the ledger still has migration {down.version}", path=down.source.path)
                for down in journal.migrations
                if down.version in there
            ]
            wrong += journal.errors_of(validity_findings(after, before=before, migrations=journal.migrations))
            if wrong:
                raise MigrationFailed(*wrong)
            tell("none of them is in the ledger; what was built is valid")

    def smoke_test(self, execution: Execution) -> None:
        smoke_test(self.run, execution, self.checkout.tests)

    def _standing(self, rows: LedgerRows, undone: Sequence[str]) -> Plan:
        """What the database has and lacks of the files, once these versions are gone."""
        applied = [row for row in rows.applied if row.version not in undone]
        return compare(self.checkout.files, applied, self.run.config.plan.version_order)
