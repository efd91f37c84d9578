"""What to do after a run that did not end well. The rest of it: test_report.py."""

from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.core.model import Session, SmokeResult, SmokeTest, SourceFile, StepResult, Undoing
from runner.core.next_steps import next_steps
from runner.core.parse import parse_down
from runner.errors import Finding, Outcome
from tests.builders import a_migration, a_migration_file, a_plan, a_report, a_step


def failed(sqlstate: str, *sessions: Session) -> StepResult:
    return a_step(2, failure=Finding("it failed", sqlstate=sqlstate), in_the_way=sessions)


@pytest.mark.parametrize(
    ("step", "advice"),
    [
        pytest.param(
            failed("55P03", Session(pid=4711), Session(pid=4712)),
            "Run again at a quieter moment; or, when nobody needs the session that was in the way, end it with "
            "`SELECT pg_terminate_backend(4711)` and run again",
            id="lock-timeout",
        ),
        pytest.param(failed("55P03"), "Run again at a quieter moment", id="nobody-seen"),
        pytest.param(failed("55P03", Session(pid=0)), "Run again at a quieter moment", id="prepared-transaction"),
        pytest.param(failed("40P01"), "Run again when fewer others write to these tables", id="deadlock"),
        pytest.param(failed("42703"), "When the cause is mended, run again", id="another-error"),
    ],
)
def test_says_how_to_go_on(step: StepResult, advice: str) -> None:
    report = a_report(Outcome.FAILED, plan=a_plan([2]), steps=[step])
    assert next_steps(report)[-1] == f"{advice}: the run goes on with 02."


def test_a_commit_that_nobody_can_ask_about_is_settled_by_the_next_run() -> None:
    step = a_step(2, failure="the connection was lost", sure=False)
    assert next_steps(a_report(Outcome.FAILED, plan=a_plan([2]), steps=[step])) == [
        "Run again: the run reads in the ledger whether 02 was committed, and goes on from there."
    ]


def test_a_step_outside_of_a_transaction_whose_end_nobody_knows_is_looked_for() -> None:
    step = a_step(a_migration(2, sql="VACUUM;\nVACUUM;"), failure="the connection was lost", sure=False)
    [said] = next_steps(a_report(Outcome.FAILED, plan=a_plan([2]), steps=[step]))
    assert said.startswith("Run again: the run asks the catalog how far 02 came;")


# After smoke tests

DOWN = [parse_down(a_migration_file(version, down="SELECT 1;")) for version in (2, 1)]


@pytest.mark.parametrize(
    ("undoing", "advice"),
    [
        pytest.param(
            None,
            "Mend what the smoke tests found with a new migration, or undo this run as told under Rollback.",
            id="fail",
        ),
        pytest.param(
            Undoing(why_not="migration 01 has no down file"),
            "Mend what the smoke tests found with a new migration, or undo this run as told under Rollback.",
            id="nothing-undone",
        ),
        pytest.param(
            Undoing(steps=tuple(map(a_step, DOWN))),
            "When what the smoke tests found is mended, run again: the run begins with 01.",
            id="undone",
        ),
        pytest.param(
            Undoing(steps=(a_step(DOWN[0]), a_step(DOWN[1], failure="x"))),
            "Undo what stays of this run, as told under Rollback, before you run again.",
            id="undone-in-part",
        ),
    ],
)
def test_says_how_to_go_on_after_a_failed_smoke_test(undoing: Undoing | None, advice: str) -> None:
    source = SourceFile(path=PurePosixPath("smoke-tests/x.sql"), data=b"SELECT false;")
    test = SmokeTest(source=source, statements=())
    report = a_report(
        Outcome.FAILED,
        plan=a_plan([1, 2]),
        steps=[a_step(1), a_step(2)],
        smoke=[SmokeResult(test=test, duration=timedelta(), failure=Finding("false"))],
        undoing=undoing,
    )
    assert next_steps(report) == [advice]


def test_a_run_cancelled_behind_its_last_migration_has_nothing_to_go_on_with() -> None:
    assert next_steps(a_report(Outcome.CANCELLED, plan=a_plan([1]), steps=[a_step(1)])) == []
