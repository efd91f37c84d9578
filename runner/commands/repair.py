"""`db-migrate repair --set-environment staging`: say where a database belongs, as when it was restored from another."""

from contextlib import closing
from dataclasses import replace

from runner.commands.approve import tag_policy
from runner.commands.run import Run
from runner.commands.stages import passing
from runner.core.model import PRODUCTION, LedgerRows, LedgerState, Target
from runner.errors import Finding, InputError, Outcome, Refused
from runner.gates.confirmation import check_confirmation
from runner.gates.health import check_target
from runner.gates.tag import check_tag
from runner.postgres.ledger import survey
from runner.postgres.session import Connection
from runner.postgres.watcher import release_mutex, take_mutex


def repair(run: Run) -> Outcome:
    """Change the environment that the ledger has. To make a database production's, or to take that away from it, needs
    the confirmation of production. Raises Refused, MutexHeld, DatabaseUnusable and, without a ledger, InputError.
    """
    config, journal = run.config, run.journal
    wanted = config.set_environment
    assert wanted is not None  # noqa: S101 - the configuration has asked for it
    journal.environment = wanted
    with closing(run.open_connection("repair")) as connection:
        target, rows = _survey(run, connection)
        before = rows.environment
        if target.ledger is LedgerState.ABSENT or before is None:
            hint = "the first run makes it and writes there which environment this is"
            raise InputError(Finding(f"there is no ledger in schema {config.tracking_schema} to repair", hint=hint))
        if before == wanted:
            journal.skip("repair", f"nothing to do: this database is {wanted}")
            return Outcome.UP_TO_DATE
        if config.dry_run:
            why = config.dry_run_reason or "this is a dry run"
            journal.skip("repair", f"{why}: {before} would become {wanted}")
            return Outcome.DRY_RUN
        if PRODUCTION in {before, wanted}:
            _guard_production(run)
        with journal.stage("repair") as tell:
            _set(run, connection, target.ledger, before, wanted)
            tell(f"this database was {before}, and is {wanted} from now on")
    return Outcome.APPLIED


def _guard_production(run: Run) -> None:
    """What takes production off a database, or makes one production's, passes the gates of a run that writes there."""
    config, journal = run.config, run.journal
    with journal.stage("tag") as tell:
        tag = replace(tag_policy(run), environment=PRODUCTION, dry_run=False)
        tell(passing(journal.judge(check_tag(tag))).reason)
    with journal.stage("confirmation") as tell:
        policy = replace(config.confirmation, environment=PRODUCTION)
        tell(passing(journal.judge(check_confirmation(policy))).reason)


def _survey(run: Run, connection: Connection) -> tuple[Target, LedgerRows]:
    with run.journal.stage("connect") as tell:

        def fit(target: Target) -> None:
            run.journal.target = target
            check_target(target, run.config.tracking_schema)

        target, rows = survey(connection, run.ledger, fit=fit)
        tell(f"{target.server}, database {target.database}, role {target.role}")
    return target, rows


def _set(run: Run, connection: Connection, state: LedgerState, before: str, environment: str) -> None:
    """While nobody migrates: a run has asked for the environment before, and goes by the answer."""
    with closing(run.open_connection("watcher")) as watcher:
        mutex = take_mutex(
            watcher,
            run.config.tracking_schema,
            wait=run.config.timing.lock_wait,
            tell=lambda text: run.console.say(f"  {text}", "yellow"),
        )
        moved = replace(run.ledger, environment=environment).set_environment(connection, before=before, state=state)
        release_mutex(mutex)
    if not moved:
        message = f"this database is not {before} any more: somebody else has changed that meanwhile"
        raise Refused(Finding(message, hint="look again with `db-migrate status`"))
