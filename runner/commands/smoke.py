"""The smoke tests behind the migrations, and what follows when one fails."""

from collections.abc import Sequence
from contextlib import ExitStack, closing

from runner.commands.run import Run
from runner.core.headline import counted
from runner.core.model import OnSmokeFailure, SmokeResult, SmokeTest, StageState, Undoing
from runner.core.smoke import parse_smoke_test
from runner.core.undoing import undoable
from runner.errors import Finding, InputError, MigrationFailed, RolledBack
from runner.postgres.execution import Execution
from runner.postgres.signals import deaf
from runner.postgres.smoke import run_smoke_test
from runner.postgres.undo import undo_all
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


def smoke_test(run: Run, execution: Execution, tests: Sequence[SmokeTest]) -> None:
    """Raises MigrationFailed with every test that failed; RolledBack when what was applied has been undone."""
    policy, journal = run.config.smoke, run.journal
    if policy is None:
        journal.skip("smoke tests", "none: `smoke-tests` is not given")
        return
    with journal.stage("smoke tests") as tell:
        failures = [result.failure for result in _results(run, execution, tests) if result.failure]
        if not failures:
            tell(f"{counted(len(tests), 'file')}, all true")
            return
        tell(f"{len(failures)} of {counted(len(tests), 'file')} failed", StageState.FAILED)
        if policy.on_failure is OnSmokeFailure.FAIL:
            raise MigrationFailed(*failures)
    undoing = _undo(run, execution)
    if undoing.steps and not undoing.failed:
        raise RolledBack(*failures)
    stuck = [undoing.failed.failure] if undoing.failed and undoing.failed.failure else []
    raise MigrationFailed(*failures, *stuck)


def _results(run: Run, execution: Execution, tests: Sequence[SmokeTest]) -> Sequence[SmokeResult]:
    """How each went; all are run, so that all that is wrong is known."""
    results: list[SmokeResult] = []
    run.journal.smoke = results
    with ExitStack() as stack:
        worker = execution.worker
        if worker.closed:  # lost behind the last COMMIT
            worker = stack.enter_context(execution.reconnect())
        for test in tests:
            result = run_smoke_test(worker, test)
            if result.failure:
                result = SmokeResult(test=test, duration=result.duration, failure=result.failure.scrubbed(run.scrub))
            results.append(result)
            run.console.smoke(result)
    return results


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
                journal.undoing = undoing = Undoing(steps=(*undoing.steps, step))
                run.console.undone(step)
        state = StageState.FAILED if undoing.failed else StageState.OK
        tell(f"{len(undoing.undone)} of {counted(len(downs))} undone", state)
    return undoing
