"""`db-migrate verify`: is the database what its ledger, the files and the last run say, and valid? Reads only."""

from collections.abc import Sequence
from contextlib import suppress

from runner.commands.drift import drift, left_schema
from runner.commands.judging import passing
from runner.commands.run import Run
from runner.core.migration import Migration
from runner.core.model import LedgerRows, MigrationFile, Plan, Target
from runner.core.parse import parse
from runner.core.plan import changed_versions, compare, judged_changes
from runner.core.plural import counted
from runner.core.status import half_done
from runner.core.undoing import half_undone
from runner.core.validity import findings as validity_findings
from runner.errors import Drift, Finding, InputError, Outcome
from runner.gates.environment import check_environment
from runner.gates.target import check_ledger
from runner.postgres.ledger import survey
from runner.postgres.session import Connection
from runner.postgres.validity import validity
from runner.workspace import discover


def verify(run: Run) -> Outcome:
    """Raises Drift with everything that is not as it was left."""
    config, journal = run.config, run.journal
    files, warnings = discover(run.checkout, config.migrations_path, config.plan.version_order)
    journal.findings += warnings
    with run.open_connection("verify") as connection:
        target, rows = _survey(run, connection)
        problems = []
        with journal.stage("ledger") as tell:
            journal.plan = plan = compare(files, rows.applied, config.plan.version_order)
            changed = changed_versions(files, rows.applied)
            bodies = run.ledger.bodies(connection, changed) if changed else {}
            changes = judged_changes(files, rows.applied, bodies)
            problems += journal.errors_of([*plan.findings, *changes])
            tell(f"{counted(len(plan.applied))} applied, {len(problems)} changed since, {len(plan.pending)} pending")
        with journal.stage("half done") as tell:
            half = [*half_done(rows.applied), *half_undone(rows.applied, run.config.tracking_schema)]
            problems += half
            tell(f"{counted(len(half))}" if half else "no migration is")
        with journal.stage("validity") as tell:
            found = validity_findings(validity(connection), before=None, migrations=_applied(run, plan, files))
            wrong = journal.errors_of(found)
            problems += wrong
            tell(f"{len(wrong)} not valid" if wrong else "all that should be valid is")
        with journal.stage("schema") as tell:
            drifted = drift(run, connection, target)
            problems += [drifted] if drifted else []
            tell(_verdict(run, connection, target, drifted))
    if problems:
        raise Drift(*problems)
    return Outcome.UP_TO_DATE


def _survey(run: Run, connection: Connection) -> tuple[Target, LedgerRows]:
    journal = run.journal
    with journal.stage("connect") as tell:

        def fit(target: Target) -> None:
            check_ledger(target, run.config.tracking_schema)

        journal.target, rows = survey(connection, run.ledger, fit=fit, whole=True)
        tell(f"{journal.target.server}, database {journal.target.database}, role {journal.target.role}")
    if run.config.environment_given and rows.environment:
        with journal.stage("environment") as tell:
            tell(passing(journal.judge(check_environment(run.config.environment, rows.environment))).reason)
    journal.environment = rows.environment or journal.environment
    return journal.target, rows


def _applied(run: Run, plan: Plan, files: Sequence[MigrationFile]) -> list[Migration]:
    """The applied files, as far as they can be parsed: what is wrong with the others is `check`'s to tell."""
    there = {int(version) for version in plan.applied if version.isdecimal()}
    migrations = []
    for file in files:
        if int(file.version) in there:
            with suppress(InputError):
                migrations.append(parse(file, run.config.parse))
    return migrations


def _verdict(run: Run, connection: Connection, target: Target, found: Finding | None) -> str:
    if found:
        return "not what the last run left"
    if left_schema(run, connection, target) is None:
        return "not known: no run has told yet what it left"
    return "as the last run left it"
