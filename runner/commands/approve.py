"""What may keep a plan from running: the gates, asked in their order. Those that refuse are told together."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from runner.commands.change import Ground, Work
from runner.commands.drift import drift
from runner.commands.judging import none_refused, passing, state_of
from runner.commands.run import Run
from runner.commands.safeguards import restorable
from runner.commands.stages import approved
from runner.core.migration import Migration
from runner.core.model import Plan, Target, Verdict
from runner.core.plan_document import plan_document
from runner.core.plural import counted
from runner.core.policies import HealthMode
from runner.core.restore_point import RestorePointFacts
from runner.core.steps import SmokeTest
from runner.errors import DatabaseUnusable, Finding, Level
from runner.gates.approved_plan import check_approved_plan
from runner.gates.confirmation import check_confirmation
from runner.gates.freeze import check_freeze
from runner.gates.health import check_health, graded, health_findings, without_those_of
from runner.gates.release import check_release
from runner.postgres.health import health_facts
from runner.postgres.identity import identity_of
from runner.postgres.session import Connection


def approve(run: Run, work: Work, ground: Ground, plan: Plan, tests: Sequence[SmokeTest]) -> RestorePointFacts | None:
    """Everything that may keep the plan from being tried. The gates that refuse are told together. Returns what is
    known of restore points.
    """
    journal, config, worker, target = run.journal, run.config, ground.worker, ground.target
    if not config.dry_run:
        _ask_for_confirmation(run)
    if config.executes:
        _ask_for_the_time(run)
    facts = restorable(run, worker)
    _look_after_health(run, ground, work.resumed(plan, ground))
    with journal.stage("parse") as tell:
        journal.migrations = migrations = work.parse(plan, ground)
        tell(counted(sum(migration.statement_count for migration in migrations), "statement"))
    if config.release:
        journal.judge(check_release(migrations))
    lint = work.lint()
    _ask_for_approval(run, worker, target, plan, lint, tests)
    _show_plan(run, migrations)
    none_refused(journal)
    _warn_of_drift(run, worker, target)
    return facts


def still_open(run: Run) -> None:
    """Time goes by with trying, waiting and dumping. Raises Refused behind the end of a freeze window."""
    if not (verdict := check_freeze(run.config.freeze, run.now())).passed:
        passing(run.journal.judge(verdict))


def _ask_for_confirmation(run: Run) -> None:
    with run.journal.stage("confirmation") as tell:
        verdict = run.journal.judge(check_confirmation(run.config.confirmation))
        tell(verdict.reason, state_of(verdict))


def _ask_for_the_time(run: Run) -> None:
    """Is this a moment at which the environment may be migrated?"""
    journal, windows = run.journal, run.config.freeze
    verdict = journal.judge(check_freeze(windows, run.now()))
    if not windows:
        return
    with journal.stage("freeze windows") as tell:
        tell(verdict.reason, state_of(verdict))


def _look_after_health(run: Run, ground: Ground, resumed: Collection[str]) -> None:
    """Is the server in a state in which a migration does no harm? `resumed`: the texts of files that this run goes on
    with.
    """
    config, journal = run.config, run.journal
    with journal.stage("health") as tell:
        # What a dry run finds may be over when the real one comes.
        mode = HealthMode.WARN if config.dry_run and config.health is HealthMode.ERROR else config.health
        facts = without_those_of(resumed, health_facts(ground.worker)) if mode is not HealthMode.OFF else None
        found = health_findings(facts, ground.target) if facts else []
        verdict = journal.judge(check_health(mode, found))
        journal.findings += graded(mode, found)
        tell(verdict.reason, state_of(verdict))


def _ask_for_approval(
    run: Run, worker: Connection, target: Target, plan: Plan, lint: Verdict, tests: Sequence[SmokeTest]
) -> None:
    config, journal = run.config, run.journal
    approval = approved(config.approved, run.checkout)
    with journal.stage("approved plan") as tell:
        journal.plan_document = plan_document(
            plan,
            journal.migrations,
            target=target,
            identity=identity_of(worker),
            command=config.command,
            environment=config.environment,
            settings=config.settings,
            lint=lint,
            smoke_tests=tests,
        )
        verdict = journal.judge(check_approved_plan(approval, journal.plan_document))
        tell(verdict.reason, state_of(verdict))


def _show_plan(run: Run, migrations: Sequence[Migration]) -> None:
    console = run.console
    width = max(len(str(migration.source.path)) for migration in migrations)
    for migration in migrations:
        console.say(f"  {migration.source.path!s:<{width}}  {migration.headers.purpose}".rstrip())
        if migration.headers.breaking:
            console.say(f"  {'':<{width}}  breaking: {migration.headers.breaking}", "yellow")
        if migration.why:
            console.say(f"  {'':<{width}}  outside of a transaction: {migration.why}", "yellow")


def _warn_of_drift(run: Run, worker: Connection, target: Target) -> None:
    try:
        changed = drift(run, worker, target)
    except DatabaseUnusable as error:  # as while somebody holds a view locked: no reason to stop the run
        if worker.closed:
            raise
        changed = Finding(f"whether others have changed the schema could not be read: {error}")
    if changed:
        run.journal.findings.append(replace(changed, level=Level.WARNING))
