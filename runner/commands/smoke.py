"""The smoke tests behind the migrations, and what follows when one fails."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import replace

from runner.commands.run import Run
from runner.core.model import LedgerRows, OnSmokeFailure, StageState
from runner.core.plural import counted
from runner.core.smoke import parse_smoke_test
from runner.core.steps import SmokeResult, SmokeTest, Undoing
from runner.core.undoing import undoable
from runner.core.validity import findings
from runner.errors import Finding, InputError, Level, MigrationFailed, RolledBack
from runner.postgres.execution import Execution
from runner.postgres.session import Connection
from runner.postgres.signals import deaf
from runner.postgres.smoke import run_smoke_test
from runner.postgres.undo import undo_all
from runner.postgres.validity import validity
from runner.postgres.watch import Watch
from runner.workspace import smoke_files

LOST = "the connection was lost behind the last migration"


def read_smoke_tests(run: Run) -> Sequence[SmokeTest]:
    """The files of `smoke-tests`, parsed before anything runs. Raises InputError with all that is wrong with them."""
    policy = run.config.smoke
    if policy is None:
        return ()
    tests: list[SmokeTest] = []
    problems: list[Finding] = []
    for source in smoke_files(run.checkout, policy.pattern):
        try:
            tests.append(parse_smoke_test(source))
        except InputError as error:
            problems += error.findings
    if problems:
        raise InputError(*problems)
    return tests


def smoke_test(
    run: Run,
    execution: Execution,
    tests: Sequence[SmokeTest],
    *,
    undoing: Callable[[], AbstractContextManager[Watch]] | None = None,
) -> None:
    """Raises MigrationFailed with every test that failed; RolledBack when what was applied has been undone. `undoing`:
    the watcher for that, which may make others wait as applying does; None where there is nothing to undo. A test only
    reads, and nobody makes it give way.
    """
    policy, journal = run.config.smoke, run.journal
    if policy is None:
        journal.skip("smoke tests", "none: `smoke-tests` is not given")
        return
    failures = _ask(run, execution.worker, tests)
    if not failures:
        return
    if policy.on_failure is OnSmokeFailure.FAIL or undoing is None:
        raise MigrationFailed(*failures)
    with undoing() as watch:
        try:
            undone = _undo(run, replace(execution, watch=watch, release=False, done={}))
        except BaseException:
            journal.findings += failures  # why it was undone, whatever ends that
            raise
    if undone.steps and not undone.failed:
        raise RolledBack(*failures)
    stuck = [undone.failed.failure] if undone.failed and undone.failed.failure else []
    raise MigrationFailed(*failures, *stuck)


def ask_again(run: Run, worker: Connection, tests: Sequence[SmokeTest], rows: LedgerRows) -> None:
    """With nothing to apply, ask again what the last run, which ended otherwise than well, may have left wrong. An
    invalid index is an error when that run had applied all it had: then it is what it failed for, or was not looked
    for. Raises MigrationFailed.
    """
    journal, last_outcome = run.journal, rows.last_outcome
    all_applied = all(row.completed for row in rows.applied)
    why = f"; asked, as the last run ended as {last_outcome}"
    with journal.stage("verify") as tell:
        found = findings(validity(worker), before=None, migrations=())
        if not all_applied:
            found = [replace(finding, level=Level.WARNING) for finding in found]
        if wrong := journal.errors_of(found):
            raise MigrationFailed(*wrong)
        tell(("see the warnings" if found else "all that should be valid is") + why)
    if run.config.smoke and (failures := _ask(run, worker, tests, why)):
        raise MigrationFailed(*failures)


def _ask(run: Run, connection: Connection, tests: Sequence[SmokeTest], why: str = "") -> list[Finding]:
    """The stage of the smoke tests: what each that failed found. `why` they are asked, when nothing was applied."""
    with run.journal.stage("smoke tests") as tell:
        failures = _failures(run, connection, tests)
        files = counted(len(tests), "file")
        if failures:
            tell(f"{len(failures)} of {files} failed{why}", StageState.FAILED)
        else:
            tell(f"{files}, all true{why}")
    return failures


def _failures(run: Run, connection: Connection, tests: Sequence[SmokeTest]) -> list[Finding]:
    """What each that failed found; all are run, so that all that is wrong is known."""
    results: list[SmokeResult] = []
    run.journal.smoke = results
    try:
        with ExitStack() as stack:
            if connection.closed:  # lost behind the last COMMIT
                connection = stack.enter_context(run.open_connection("smoke tests"))
            for test in tests:
                result = run_smoke_test(connection, test)
                if result.failure:
                    result = replace(result, failure=result.failure.scrubbed(run.scrub))
                results.append(result)
                run.console.smoke(result)
    except BaseException:
        run.journal.findings += [result.failure for result in results if result.failure]
        raise
    return [result.failure for result in results if result.failure]


def _undo(run: Run, execution: Execution) -> Undoing:
    """Undo what this run has applied, the last one first."""
    journal = run.journal
    with journal.stage("undo") as tell:
        downs = undoable(journal.migrations, run.config.parse) if not execution.worker.closed else LOST
        if isinstance(downs, str):
            journal.undoing = undoing = Undoing(why_not=downs)
            tell(f"nothing was undone: {downs}", StageState.FAILED)
            return undoing
        journal.undoing = undoing = Undoing()
        with deaf(), closing(undo_all(execution, downs)) as steps:
            for step in steps:
                undoing = journal.record_undone(step)
                run.console.undone(step)
        state = StageState.FAILED if undoing.failed else StageState.OK
        tell(f"{len(undoing.undone)} of {counted(len(downs))} undone", state)
    return undoing
