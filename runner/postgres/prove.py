"""The proof that a set of migrations works: all of it from zero, and the new ones undone and applied again."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

from runner.core.difference import difference
from runner.core.migration import Migration
from runner.core.model import Backend, LedgerState, RunContext
from runner.core.naming import LEDGER_FILE
from runner.core.steps import StepResult
from runner.errors import Finding, MigrationFailed
from runner.postgres.execute import apply
from runner.postgres.execution import Execution
from runner.postgres.ledger import Ledger
from runner.postgres.schema_snapshot import schema_snapshot
from runner.postgres.scratch import Scratch
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, usable
from runner.postgres.signals import deaf
from runner.postgres.undo import undo_all
from runner.postgres.watcher import Mutex, take_mutex

ONE_BY_ONE = 10  # migrations; more are undone and compared together
NO_WAIT = timedelta()


@dataclass(frozen=True, slots=True, kw_only=True)
class Undoable:
    """A migration with what undoes it."""

    up: Migration
    down: Migration


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What the files are proved with."""

    scratch: Scratch
    schema: str  # of the ledger
    context: RunContext
    timeouts: Timeouts
    scrub: Callable[[str], str]


def prove(proof: Proof, migrations: Sequence[Migration], undoable: Sequence[Undoable]) -> Iterator[StepResult]:
    """Apply all migrations on the empty database; then undo the last ones, which `undoable` are, and apply them again.
    Yields what happened to each when it was applied first.

    Raises MigrationFailed at the first that fails, and when undoing one does not bring back the schema before it.
    """
    with proof.scratch.connect("worker") as worker, proof.scratch.connect("watcher") as watcher:
        mutex = take_mutex(watcher, proof.schema, wait=NO_WAIT, tell=lambda _: None)
        groups = _groups(undoable)
        first = {group[0].up.version for group in groups}
        before: list[tuple[str, ...]] = []
        batch: list[Migration] = []
        state = LedgerState.ABSENT
        if migrations and migrations[0].file.path.name != LEDGER_FILE:  # else that one makes it
            with usable(worker), worker.transaction():
                Ledger(schema=proof.schema, context=proof.context, environment="check").install(worker)
            state = LedgerState.CURRENT
        for migration in migrations:
            if migration.version in first:
                yield from _applied(proof, worker, mutex, batch, state)
                state, batch = (LedgerState.CURRENT, []) if batch else (state, batch)
                before.append(schema_snapshot(proof.scratch.url, proof.scratch.programs))
            batch.append(migration)
        yield from _applied(proof, worker, mutex, batch, state)
        if not groups:
            return
        whole = schema_snapshot(proof.scratch.url, proof.scratch.programs)
        for group, expected in zip(reversed(groups), reversed(before), strict=True):
            _undo(proof, worker, mutex, group)
            _compare(proof, group, expected, "undoing {} does not bring back the schema that was there before")
        for _ in _applied(proof, worker, mutex, [pair.up for pair in undoable], LedgerState.CURRENT):
            pass
        _compare(proof, undoable, whole, "applying {} again gives another schema than the first time")


def _groups(undoable: Sequence[Undoable]) -> list[Sequence[Undoable]]:
    """What is undone before the schema is looked at."""
    if len(undoable) > ONE_BY_ONE:
        return [undoable]
    return [[pair] for pair in undoable]


def _applied(
    proof: Proof, worker: Connection, mutex: Mutex, migrations: Sequence[Migration], state: LedgerState
) -> Iterator[StepResult]:
    if not migrations:
        return
    execution = _execution(proof, worker, mutex)
    with deaf(), closing(apply(execution, migrations, state)) as steps:
        for step in steps:
            yield step
            if step.failure:
                raise MigrationFailed(step.failure)


def _undo(proof: Proof, worker: Connection, mutex: Mutex, group: Sequence[Undoable]) -> None:
    execution = _execution(proof, worker, mutex)
    with deaf(), closing(undo_all(execution, [pair.down for pair in reversed(group)])) as steps:
        for step in steps:
            if step.failure:
                raise MigrationFailed(step.failure)


def _execution(proof: Proof, worker: Connection, mutex: Mutex) -> Execution:
    """A run of its own."""
    context = replace(proof.context, run_id=str(uuid.uuid4()))
    return Execution(
        worker=worker,
        backend=Backend(worker.info.backend_pid),
        ledger=Ledger(schema=proof.schema, context=context, environment="check"),
        mutex=mutex,
        timeouts=proof.timeouts,
        starting=lambda _: None,
        retrying=lambda *_: None,
        tell=lambda _: None,
        scrub=proof.scrub,
        warn=lambda _: None,
        reconnect=lambda: proof.scratch.connect("worker"),
    )


def _compare(proof: Proof, group: Sequence[Undoable], expected: Sequence[str], message: str) -> None:
    found = schema_snapshot(proof.scratch.url, proof.scratch.programs)
    if found == expected:
        return
    versions = [pair.up.version for pair in group]
    which = f"migration {versions[0]}" if len(versions) == 1 else f"migrations {versions[0]} to {versions[-1]}"
    raise MigrationFailed(
        Finding(
            message.format(which),
            path=group[-1].down.source.path,
            line=1,
            hint="correct the down file, or take it out where the change cannot be undone: a dropped column comes back "
            "as the last one, and a value of an enum never goes",
            diff=proof.scrub(difference(expected, found, "expected", "found")),
        )
    )
