"""The dry run of a plan: nothing executed, executed on the target and rolled back, or executed on a shadow."""

import random
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from runner.commands.run import Run
from runner.core.impact import impacts_of, touched
from runner.core.loss import gone, loss
from runner.core.migration import Migration
from runner.core.model import DryRunMode, LedgerState, Target
from runner.core.needs import extensions_of, roles_of
from runner.core.plural import counted
from runner.core.retry import explained, retry_of
from runner.core.schema import Schema
from runner.core.schema_diff import SchemaDifference, schema_difference
from runner.core.shadow_choice import Provider
from runner.core.sqlstates import CANCELED, LOCK_TIMEOUT
from runner.core.steps import Retry
from runner.core.trial import DryRun, Rehearsed, SequenceMoved
from runner.errors import DatabaseUnusable, Finding, Level, MigrationFailed, Refused
from runner.gates.lasting import lasting
from runner.postgres.catalog_snapshot import catalog_snapshot
from runner.postgres.ledger import TABLES, Ledger
from runner.postgres.rehearse import Rehearsal, rehearse, rehearse_for_good
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection
from runner.postgres.shadow import Shadow, shadow_of
from runner.postgres.table_facts import has_rows, table_facts
from runner.postgres.watch import Watch

SECOND = timedelta(seconds=1)
LONGEST_WAIT = timedelta(seconds=2)  # for a lock, in a rehearsal: others queue behind it
UNREAD = "how the schema would change could not be read"
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
            return _rehearse(run, worker, watcher, target)
        case DryRunMode.SHADOW:
            return _on_a_shadow(run, worker, target, half_way)


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
    lost = gone(tried.schema, run.journal.migrations)
    tables = list(dict.fromkeys(each.table or each.name for each in lost))
    if warning := loss(lost, table_facts(worker, tables)):
        run.journal.findings.append(warning)


def _told_of(moved: SequenceMoved) -> str:
    before, after = ("its start" if number is None else number for number in (moved.before, moved.after))
    if moved.backwards:
        return f"sequence {moved.name} was put back from {before} to {after} by the rehearsal, and set again afterwards"
    return f"sequence {moved.name} moved from {before} to {after}: numbers that a rehearsal takes are not given back"


def _rehearse(run: Run, worker: Connection, watcher: Connection, target: Target) -> DryRun:
    """On the target, as one transaction that is rolled back. It makes way for others as a migration does: rolled back,
    and tried again.
    """
    with _watch(run, worker, watcher) as watch:
        attempt = 1
        while True:
            began = time.monotonic()
            rehearsal, schema = _attempt(run, worker, target)
            failed = next((result for result in rehearsal.rehearsed if result.failure), None)
            reason = watch.take_reason()
            retry = _retry(run, watch, failed, reason, attempt=attempt, began=began) if failed else None
            if failed is None or retry is None:
                break
            run.console.retrying(failed.migration, retry)
            time.sleep(retry.pause / SECOND)
            attempt += 1
        rehearsed = [_explained(watch, result, reason, attempt, began) for result in rehearsal.rehearsed]
    facts = table_facts(worker, _named(rehearsed))
    return DryRun(
        mode=DryRunMode.REHEARSE,
        where=f"{target.server}, database {target.database}",
        rehearsed=tuple(rehearsed),
        impacts=impacts_of(rehearsed, facts),
        schema=schema,
        moved=rehearsal.moved,
    )


def _attempt(run: Run, worker: Connection, target: Target) -> tuple[Rehearsal, SchemaDifference | None]:
    before, after = _looked(run, worker), list[Schema]()
    rehearsal = rehearse(
        worker,
        run.journal.migrations,
        timeouts=_short(run.timeouts),
        install=_ledger_to_install(run, target),
        starting=run.console.starting,
        behind=lambda: after.extend(_looked(run, worker) if before else []),
        longest_lock=_short(run.timeouts).lock,
        release=run.config.release,
    )
    return rehearsal, schema_difference(before[0], after[0]) if after else None


def _short(timeouts: Timeouts) -> Timeouts:
    lock = min(timeouts.lock or LONGEST_WAIT, LONGEST_WAIT)
    return Timeouts(lock=lock, statement=timeouts.statement)


def _watch(run: Run, worker: Connection, watcher: Connection) -> Watch:
    return Watch(
        watcher,
        worker=worker.info.backend_pid,
        policy=run.config.watch,
        tell=run.console.progress,
        warn=run.journal.findings.append,
        scrub=run.scrub,
        limit=_short(run.timeouts).lock,
    )


def _retry(run: Run, watch: Watch, failed: Rehearsed, reason: str, *, attempt: int, began: float) -> Retry | None:
    """What comes after a rehearsal that others were in the way of."""
    assert failed.failure is not None  # noqa: S101 - it failed
    return retry_of(
        run.config.retry,
        attempt=attempt,
        sqlstate=failed.failure.sqlstate,
        reason=reason,
        lock_timeout=_short(run.timeouts).lock,
        in_the_way=watch.in_the_way(began),
        jitter=random.random(),  # noqa: S311 - no secret
    )


def _explained(watch: Watch, result: Rehearsed, reason: str, attempts: int, began: float) -> Rehearsed:
    """The failure of the last attempt, with who was in the way."""
    if result.failure is None:
        return result
    in_the_way = watch.in_the_way(began) if result.failure.sqlstate in {LOCK_TIMEOUT, CANCELED} else ()
    failure = explained(result.failure, attempts=attempts, reason=reason, in_the_way=in_the_way)
    return replace(result, failure=failure)


def _of_another_version(shadow: Shadow, target: Target) -> Iterator[str]:
    if str(target.server_version // 10000) not in shadow.server.split(",")[0].split(".")[0].split():
        yield f"it is {shadow.server}, and the target {target.server}: what only one of them knows is not told"


def _looked(run: Run, connection: Connection) -> list[Schema]:
    """The schema at the end of a rehearsal; none when somebody holds a lock that reading it needs: others must not wait
    for that.
    """
    try:
        return [_look(run, connection)]
    except DatabaseUnusable as error:
        if connection.closed:
            raise
        run.journal.findings.append(Finding(f"{UNREAD}: {error}", level=Level.WARNING))
        return []


def _on_a_shadow(run: Run, worker: Connection, target: Target, half_way: Collection[str]) -> DryRun:
    """On a throw-away copy of the target's schema, in which everything is executed."""
    migrations, choice = run.journal.migrations, run.config.shadow
    if choice.provider is Provider.URL and (lasts := lasting(migrations, whatever=True)):
        raise Refused(*lasts)
    with shadow_of(
        run.url,
        choice,
        connection=worker,
        ledger_schema=run.config.tracking_schema,
        extensions=extensions_of(migrations),
        roles=roles_of(migrations),
        name=f"db_migrate_shadow_{run.journal.context.run_id[:8]}",
        lock_timeout=run.timeouts.lock,
        tell=lambda text: run.console.say(f"  {text}"),
    ) as shadow:
        with shadow.connect("worker") as connection:
            before = _look(run, connection)
            rehearsed, after = _executed(
                run, connection, target, without_rows=has_rows(worker, but_for=TABLES), half_way=half_way
            )
            schema = schema_difference(before, after or _look(run, connection))
        where, notes = shadow.server, [*shadow.notes, *_of_another_version(shadow, target)]
    run.journal.findings += [Finding(f"the shadow: {note}", level=Level.WARNING) for note in notes]
    return DryRun(
        mode=DryRunMode.SHADOW,
        where=where,
        rehearsed=rehearsed,
        impacts=impacts_of(rehearsed, table_facts(worker, _named(rehearsed))),
        schema=schema,
    )


def _executed(
    run: Run, connection: Connection, target: Target, *, without_rows: bool, half_way: Collection[str]
) -> tuple[tuple[Rehearsed, ...], Schema | None]:
    """What was executed on a shadow, in the transactions of a real run; and the schema behind it, once that is gone."""
    migrations, install = run.journal.migrations, _ledger_to_install(run, target)
    timeouts, starting = run.timeouts, run.console.starting
    if not run.config.release:
        rehearsed = rehearse_for_good(
            connection,
            migrations,
            timeouts=timeouts,
            install=install,
            starting=starting,
            without_rows=without_rows,
            half_way=half_way,
        )
        return rehearsed, None
    schemas: list[Schema] = []
    rehearsal = rehearse(
        connection,
        migrations,
        timeouts=timeouts,
        install=install,
        starting=starting,
        behind=lambda: schemas.extend(_looked(run, connection)),
        release=True,
        without_rows=without_rows,
    )
    return rehearsal.rehearsed, next(iter(schemas), None)


def _look(run: Run, connection: Connection) -> Schema:
    return catalog_snapshot(connection, ledger_schema=run.config.tracking_schema)


def _ledger_to_install(run: Run, target: Target) -> Ledger | None:
    return None if target.ledger is LedgerState.CURRENT else run.ledger


def _named(rehearsed: Sequence[Rehearsed]) -> list[str]:
    return list({name for result in rehearsed for trace in result.traces for name in touched(trace)})
