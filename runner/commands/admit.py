"""Is this the right database, and may what started the run migrate it?"""

from runner.commands.judging import passing
from runner.commands.run import Run
from runner.core.model import LedgerRows
from runner.gates.environment import check_environment
from runner.gates.tag import TagPolicy, check_tag
from runner.postgres.session import Connection


def admit(run: Run, worker: Connection, rows: LedgerRows) -> None:
    """Asked of the ledger, and of how the run was started. Raises Refused."""
    config, journal = run.config, run.journal
    with journal.stage("environment") as tell:
        elsewhere = [] if rows.environment else run.ledger.elsewhere(worker)
        tell(passing(journal.judge(check_environment(config.environment, rows.environment, elsewhere))).reason)
    with journal.stage("tag") as tell:
        tell(passing(journal.judge(check_tag(tag_policy(run)))).reason)


def tag_policy(run: Run) -> TagPolicy:
    """What the tag gate judges of this run."""
    config, context = run.config, run.journal.context
    return TagPolicy(
        environment=config.environment,
        event=context.event,
        ref=context.ref,
        dry_run=not config.executes,
        allow_prerelease=config.allow_prerelease,
        activity=context.activity,
    )
