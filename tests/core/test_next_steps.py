"""What to do after a migration that others kept from running. The rest of it: test_report.py."""

import pytest

from runner.core.model import Session, StepResult
from runner.core.next_steps import next_steps
from runner.errors import Finding, Outcome
from tests.builders import a_plan, a_report, a_step


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


def test_nothing_is_claimed_of_a_commit_that_nobody_can_ask_about() -> None:
    step = a_step(2, failure="the connection was lost", sure=False)
    [said] = next_steps(a_report(Outcome.FAILED, plan=a_plan([2]), steps=[step]))
    assert said.startswith("Nobody can tell yet whether migration 02 was committed.")
