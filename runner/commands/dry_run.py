"""The dry run of a plan: nothing executed, executed on the target and rolled back, or executed on a shadow."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from runner.commands.run import Run
from runner.core.migration import Migration
from runner.core.model import DryRunMode, Target
from runner.core.plural import counted
from runner.core.trial import DryRun, SequenceMoved
from runner.errors import Finding, Level, MigrationFailed
from runner.postgres.session import Connection

ON_PRODUCTION = "the rehearsal takes real locks on production, for as long as it lasts"


def dry_run(
    run: Run, worker: Connection, watcher: Connection | None, target: Target, *, half_way: Collection[str] = ()
) -> None:
    """Try the plan as asked for, and keep in the journal what that showed. `watcher`: for a rehearsal. `half_way`: the
    versions that earlier runs have left half done.

    Raises MigrationFailed when a migration failed, and what kept the dry run from being done.
    """
    with run.journal.stage("dry run") as tell:
        tried = _tried(run, worker, watcher, target, half_way)
        run.journal.dry_run = tried
        run.console.dry_run(tried)
        _warn(run, tried)
        _warn_of_loss(run, worker, tried)
        if tried.failed and tried.failed.failure:
            raise MigrationFailed(tried.failed.failure)
        tell(_told(tried, run.journal.migrations))


def _tried(
    run: Run, worker: Connection, watcher: Connection | None, target: Target, half_way: Collection[str]
) -> DryRun:
    match run.config.dry_run_mode:
        case DryRunMode.PREVIEW:
            return DryRun(mode=DryRunMode.PREVIEW)
        case DryRunMode.REHEARSE:
            assert watcher is not None  # noqa: S101 - a rehearsal has one
            from runner.commands.trying import rehearse_here

            return rehearse_here(run, worker, watcher, target)
        case DryRunMode.SHADOW:
            from runner.commands.trying import on_a_shadow

            return on_a_shadow(run, worker, target, half_way)


def _told(tried: DryRun, migrations: Sequence[Migration]) -> str:
    if tried.mode is DryRunMode.PREVIEW:
        return f"preview: {counted(len(migrations))} in this order, nothing executed"
    executed = counted(sum(result.executed for result in tried.rehearsed))
    left_out = sum(bool(result.left_out) for result in tried.rehearsed)
    rest = f", {left_out} left out" if left_out else ""
    if tried.mode is DryRunMode.REHEARSE:
        return f"{executed} rehearsed on the database and rolled back{rest}"
    return f"{executed} executed on a shadow: {tried.where}{rest}"


def _warn(run: Run, tried: DryRun) -> None:
    """What a reader should not miss, as warnings."""
    found = []
    for result in tried.rehearsed:
        path = result.migration.source.path
        if result.left_out:
            found.append(Finding(f"{result.migration.version} was not rehearsed: {result.left_out}", path=path, line=1))
        found += [
            Finding(f"left out of the dry run, on a copy without rows: {trace.left_out}", path=path, line=trace.line)
            for trace in result.traces
            if trace.left_out
        ]
    found += [Finding(_told_of(moved)) for moved in tried.moved]
    if tried.mode is DryRunMode.REHEARSE and run.config.environment == "production":
        found.append(Finding(ON_PRODUCTION, hint="`dry-run-mode: shadow` does not touch it"))
    run.journal.findings += [replace(finding, level=Level.WARNING) for finding in found]


def _warn_of_loss(run: Run, worker: Connection, tried: DryRun) -> None:
    """Of a rollback: the tables and columns that go, with what is in them."""
    if run.config.command != "rollback" or tried.schema is None:
        return
    from runner.core.loss import gone, loss
    from runner.postgres.table_facts import table_facts

    lost = gone(tried.schema, run.journal.migrations)
    tables = list(dict.fromkeys(each.table or each.name for each in lost))
    if warning := loss(lost, table_facts(worker, tables)):
        run.journal.findings.append(warning)


def _told_of(moved: SequenceMoved) -> str:
    before, after = ("its start" if number is None else number for number in (moved.before, moved.after))
    if moved.backwards:
        return f"sequence {moved.name} was put back from {before} to {after} by the rehearsal, and set again afterwards"
    return f"sequence {moved.name} moved from {before} to {after}: numbers that a rehearsal takes are not given back"
