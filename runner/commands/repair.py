"""`db-migrate repair`: mend the ledger, after showing how, and by somebody's word."""

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from runner.commands.admit import tag_policy
from runner.commands.alone import alone
from runner.commands.judging import passing
from runner.commands.run import Run
from runner.core.model import PRODUCTION, LedgerRows, LedgerState, MigrationFile, Target, Verdict
from runner.core.plan import changed_versions
from runner.core.plural import counted
from runner.core.repair import Found, Ledgered, Repair, find_repairs
from runner.core.table import as_text
from runner.errors import Drift, Finding, InputError, Outcome, Refused
from runner.gates.confirmation import check_confirmation
from runner.gates.environment import check_environment
from runner.gates.tag import check_tag
from runner.gates.target import check_target
from runner.postgres.ledger import survey
from runner.postgres.mending import mend
from runner.postgres.session import Connection
from runner.postgres.standing import mutex_is_held
from runner.postgres.watcher import Mutex
from runner.workspace import discover

NONE: Mapping[str, str] = {}


def repair(run: Run) -> Outcome:
    """Make what the configuration asks for, or else all that can be mended safely. In production, and to make a
    database production's or to take that away from it, the gates of a run that writes there are asked.

    Raises Drift when the SQL of a file is not what was applied, Refused, MutexHeld, DatabaseUnusable, and InputError
    for what does not fit to the ledger, or when there is none.
    """
    config, journal = run.config, run.journal
    files = _files(run)
    with closing(run.open_connection("repair")) as connection:
        with journal.stage("connect") as tell:
            target, rows = _survey(run, connection)
            tell(f"{target.server}, database {target.database}, role {target.role}")
        _admit(run, target, rows)
        with journal.stage("ledger") as tell:
            found = _found(run, connection, files, target, rows)
            left = f", {len(found.left)} left to a run or a person" if found.left else ""
            tell(f"{counted(len(found.repairs), 'change')} to make{left}")
        journal.findings += found.left
        if found.unsafe:
            raise Drift(*found.unsafe)
        if not found.repairs:
            journal.skip("repair", "nothing to do")
            return Outcome.UP_TO_DATE
        journal.table = found.table
        run.console.say(as_text(found.table))
        if config.dry_run:
            journal.skip("repair", config.dry_run_reason or "this is a dry run")
            return Outcome.DRY_RUN
        if PRODUCTION in {rows.environment, config.repair.environment}:
            _guard_production(run)
        _agree(run, f"Make {counted(len(found.repairs), 'change')} to the ledger of {target.database}?")
        with alone(run, connection, target) as mutex, journal.stage("repair") as tell:
            _mend(run, connection, files, target.ledger, mutex, found.repairs)
            tell(f"{counted(len(found.repairs), 'change')} made")
        journal.environment = config.repair.environment or journal.environment
    return Outcome.APPLIED


def _files(run: Run) -> Sequence[MigrationFile]:
    """Those of the checkout, where they have a say."""
    policy = run.config.repair
    if policy.environment or policy.forget:
        return ()
    with run.journal.stage("files") as tell:
        files, warnings = discover(run.checkout, run.config.migrations_path, run.config.plan.version_order)
        run.journal.findings += warnings
        tell(f"{len(files)} in {run.config.migrations_path}")
    return files


def _survey(run: Run, connection: Connection, expected: LedgerState = LedgerState.CURRENT) -> tuple[Target, LedgerRows]:
    config, journal = run.config, run.journal

    def fit(target: Target) -> None:
        journal.target = target
        journal.findings += check_target(target, config.tracking_schema, dry_run=config.dry_run)

    return survey(connection, run.ledger, fit=fit, whole=True, expected=expected)


def _admit(run: Run, target: Target, rows: LedgerRows) -> None:
    """Is there a ledger, and is it that of the right database?"""
    config, journal, schema = run.config, run.journal, run.config.tracking_schema
    if target.ledger is LedgerState.ABSENT:
        hint = "the first run makes it and writes there which environment this is"
        raise InputError(Finding(f"there is no ledger in schema {schema} to repair", hint=hint))
    if rows.environment:
        journal.environment = rows.environment  # until another one is recorded
    if not config.repair.environment:
        if rows.environment is None:
            message = f"the ledger in schema {schema} does not say which environment this database belongs to"
            hint = "the next run writes it there, and so does `db-migrate repair --set-environment NAME`"
            raise InputError(Finding(message, hint=hint))
        with journal.stage("environment") as tell:
            tell(passing(journal.judge(check_environment(config.environment, rows.environment))).reason)


def _found(
    run: Run,
    connection: Connection,
    files: Sequence[MigrationFile],
    target: Target,
    rows: LedgerRows,
    *,
    alone: bool = False,
) -> Found:
    """What is to be mended; `alone`: under the mutex."""
    ledger, current = run.ledger, target.ledger is LedgerState.CURRENT
    changed = changed_versions(files, rows.applied) if current else ()
    unfinished = any(not row.completed or row.half_undone for row in rows.applied)
    return find_repairs(
        run.config.repair,
        Ledgered(
            schema=ledger.schema,
            rows=rows,
            files=files,
            bodies=ledger.bodies(connection, changed) if changed else NONE,
            under_way=not alone and unfinished and mutex_is_held(connection, ledger.schema),
        ),
    )


def _guard_production(run: Run) -> None:
    """What changes production's ledger, takes production off a database, or makes one production's, passes the gates of
    a run that writes there.
    """
    config, journal = run.config, run.journal
    with journal.stage("tag") as tell:
        tag = replace(tag_policy(run), environment=PRODUCTION, dry_run=False)
        tell(passing(journal.judge(check_tag(tag))).reason)
    with journal.stage("confirmation") as tell:
        policy = replace(config.confirmation, environment=PRODUCTION)
        tell(passing(journal.judge(check_confirmation(policy))).reason)


def _agree(run: Run, question: str) -> None:
    """Somebody has seen the changes, and says yes. Raises Refused."""
    if run.config.repair.yes:
        return
    said = run.ask is not None and run.ask(question)
    reason = "the answer was no" if run.ask else "nobody has said yes to these changes"
    way_out = "look at them, and give `yes: true`, on the command line `--yes`"
    passing(run.journal.judge(Verdict(gate="yes", passed=said, reason="" if said else reason, way_out=way_out)))


def _mend(
    run: Run,
    connection: Connection,
    files: Sequence[MigrationFile],
    state: LedgerState,
    mutex: Mutex,
    shown: Sequence[Repair],
) -> None:
    """Make the changes that were shown, when they are still those to make. Raises Refused."""
    target, rows = _survey(run, connection, state)
    ledger = replace(run.ledger, environment=run.config.repair.environment or run.journal.environment)
    same = tuple(shown) == _found(run, connection, files, target, rows, alone=True).repairs
    if not same or not mend(connection, ledger, mutex, shown, state=target.ledger, scrub=run.scrub):
        message = "the ledger changed while this run waited: what would be mended is not what was shown"
        raise Refused(Finding(message, hint="run again, and look at what it shows then"))
