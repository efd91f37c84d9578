"""A run that changes the database, up to its plan: is there something to do? How it is done has `carry_out`."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from runner.commands.admit import admit
from runner.commands.change import Change, Checkout, Ground
from runner.commands.judging import refused_for
from runner.commands.run import Run
from runner.core.model import Plan, Target, Verdict
from runner.core.plan import compare
from runner.errors import DatabaseUnusable, Drift, InputError, Outcome, Refused
from runner.gates.target import GATE as HEALTH
from runner.gates.target import check_target
from runner.postgres.ledger import survey
from runner.postgres.opening import opening
from runner.postgres.session import Connection
from runner.workspace import discover

if TYPE_CHECKING:
    from runner.core.steps import SmokeTest

FILES_AND_LEDGER = "files and ledger"


def guarded(run: Run, change_to: Callable[[Checkout], Change], *, needed: bool = True) -> Outcome:
    """One run, from the files and the connection to its end: `change_to` what the checkout has. Raises a RunnerError,
    or Cancelled, with everything up to there in the journal. `needed`: without files there is nothing to do.
    """
    with opening(lambda: run.open_connection("worker")) as worker:  # while the files are read
        checkout = _read_checkout(run, needed=needed)
        return _guarded(run, change_to(checkout), checkout, worker)


def _guarded(run: Run, change: Change, checkout: Checkout, worker: Future[Connection]) -> Outcome:
    with _connected(run, change, worker) as ground:
        admit(run, ground.worker, ground.rows)
        plan = _plan(run, change, checkout, ground)
        if plan.pending:
            from runner.commands.carry_out import carry_out

            outcome = carry_out(run, change, checkout, ground, plan)
        else:
            change.nothing_to_do(plan, ground)
            outcome = Outcome.UP_TO_DATE
        if outcome is not Outcome.DRY_RUN:
            change.afterwards(ground.worker)
        return outcome


def _read_checkout(run: Run, *, needed: bool) -> Checkout:
    """The stage of the files. Raises InputError with all that is wrong with them; that there are no migrations is
    nothing wrong unless they are `needed`.
    """
    config, journal = run.config, run.journal
    with journal.stage("files") as tell:
        files, warnings = discover(run.checkout, config.migrations_path, config.plan.version_order, needed=needed)
        journal.findings += warnings
        tests: Sequence[SmokeTest] = ()
        if config.smoke:
            from runner.commands.smoke import read_smoke_tests

            tests = read_smoke_tests(run)
        tell(f"{len(files)} in {config.migrations_path}")
    return Checkout(files=files, tests=tests)


@contextmanager
def _connected(run: Run, change: Change, opened: Future[Connection]) -> Iterator[Ground]:
    """The worker's connection, once its server and role are found fit, and what the ledger holds."""
    config, journal = run.config, run.journal
    with ExitStack() as stack:
        with journal.stage("connect") as tell:
            worker = stack.enter_context(opened.result())

            def fit(target: Target) -> None:
                journal.target = target
                try:
                    journal.findings += check_target(target, config.tracking_schema, dry_run=config.dry_run)
                except DatabaseUnusable as error:
                    journal.judge(refused_for(HEALTH, error.findings))
                    raise

            try:
                target, rows = survey(worker, run.ledger, fit=fit, whole=change.whole)
            except DatabaseUnusable:
                if worker.closed:  # as a pooler does that has not even transactions
                    from runner.postgres.pooler import refuse_statement_pooling

                    refuse_statement_pooling(lambda: run.open_connection("probe"))
                raise
            tell(f"{target.server}, database {target.database}, role {target.role}")
        worker.add_notice_handler(lambda notice: run.console.detail(f"{notice.severity}: {notice.message_primary}"))
        yield Ground(worker=worker, target=target, rows=rows)


def _plan(run: Run, change: Change, checkout: Checkout, ground: Ground) -> Plan:
    journal, order = run.journal, run.config.plan.version_order
    with journal.stage("plan") as tell:
        try:
            planned = change.plan(ground)
        except BaseException as error:
            journal.plan = compare(checkout.files, ground.rows.applied, order)
            if isinstance(error, InputError | Refused | Drift):
                journal.judge(refused_for(FILES_AND_LEDGER, error.findings))
            raise
        journal.plan = planned.standing
        journal.judge(Verdict(gate=FILES_AND_LEDGER, passed=True, reason="they agree"))
        journal.findings += planned.plan.findings
        tell(planned.in_words)
    return planned.plan
