"""Trying a plan: rehearsed on the database itself, or executed on a shadow of it."""

import random
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

from runner.commands.run import Run
from runner.core.impact import impacts_of, touched
from runner.core.model import DryRunMode, LedgerState, Target
from runner.core.needs import extensions_of, roles_of
from runner.core.retry import explained, retry_of
from runner.core.schema import Schema
from runner.core.schema_diff import SchemaDifference, schema_difference
from runner.core.shadow_choice import Provider
from runner.core.sqlstates import CANCELED, LOCK_TIMEOUT
from runner.core.steps import Retry
from runner.core.trial import DryRun, Rehearsed
from runner.errors import DatabaseUnusable, Finding, Level, Refused
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


def rehearse_here(run: Run, worker: Connection, watcher: Connection, target: Target) -> DryRun:
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


def on_a_shadow(run: Run, worker: Connection, target: Target, half_way: Collection[str]) -> DryRun:
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


def _look(run: Run, connection: Connection) -> Schema:
    return catalog_snapshot(connection, ledger_schema=run.config.tracking_schema)


def _ledger_to_install(run: Run, target: Target) -> Ledger | None:
    return None if target.ledger is LedgerState.CURRENT else run.ledger


def _named(rehearsed: Sequence[Rehearsed]) -> list[str]:
    return list({name for result in rehearsed for trace in result.traces for name in touched(trace)})
