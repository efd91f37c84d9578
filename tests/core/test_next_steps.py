"""What to do after a run that did not end well. The rest of it: test_report.py."""

from dataclasses import replace
from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.core.model import DryRunMode, Report, SourceFile
from runner.core.naming import LEDGER_FILE
from runner.core.next_steps import next_steps
from runner.core.parse import parse_down
from runner.core.steps import Session, SmokeResult, SmokeTest, StepResult, Undoing
from runner.core.trial import DryRun, Rehearsed
from runner.errors import Finding, Outcome
from tests.builders import a_context, a_migration, a_migration_file, a_plan, a_report, a_step


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


# After a rollback

OUTSIDE = parse_down(a_migration_file(1, down="DROP INDEX CONCURRENTLY i;\nVACUUM;"))
LOST = parse_down(a_migration_file(1, down="CREATE TEMP TABLE old ();\nDROP INDEX CONCURRENTLY i;"))
SETTLE = "db-migrate repair --environment=staging"
BY_HAND = a_context(event="workflow_dispatch")
PENDING_AGAIN = (
    "What was undone is pending again: before the next run applies it as it is, mend its files, or deploy a version "
    "without them."
)


def a_rollback(outcome: Outcome, *steps: StepResult, **others: object) -> Report:
    """Of 02 and 01 in staging, with a checkout that has neither."""
    values: dict[str, object] = {
        "command": "rollback",
        "plan": a_plan(applied=("00",)),
        "migrations": DOWN,
        "undoing": Undoing(steps=steps) if steps else None,
    }
    return a_report(outcome, **values | others)


@pytest.mark.parametrize(
    ("report", "said"),
    [
        pytest.param(a_rollback(Outcome.ROLLED_BACK, *map(a_step, DOWN)), "", id="done"),
        pytest.param(a_rollback(Outcome.UP_TO_DATE, migrations=()), "", id="nothing-to-undo"),
        pytest.param(a_rollback(Outcome.REFUSED, migrations=()), "", id="refused"),
        pytest.param(
            a_rollback(Outcome.ROLLED_BACK, *map(a_step, DOWN), plan=a_plan([1, 2])),
            PENDING_AGAIN,
            id="pending-again",
        ),
        pytest.param(
            a_rollback(Outcome.DRY_RUN),
            "Run again without `dry-run` to undo these migrations, or approve the job that waits for this plan.",
            id="dry-run",
        ),
        pytest.param(
            a_rollback(Outcome.DRY_RUN, environment="production", context=BY_HAND),
            "Run again with `dry-run: false` and with `confirmation: ROLLBACK-PRODUCTION` to undo these migrations, or "
            "approve the job that waits for this plan.",
            id="dry-run-of-production",
        ),
        pytest.param(
            a_rollback(
                Outcome.FAILED,
                dry_run=DryRun(mode=DryRunMode.SHADOW, rehearsed=(Rehearsed(migration=DOWN[0], failure=Finding("x")),)),
            ),
            "Undoing 02 was only tried, on a shadow: take away what is in its way and run again, or go forward "
            "with a new migration.",
            id="failed-in-the-dry-run",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0]), a_step(DOWN[1], failure="x")),
            'When the cause is mended, run again with `to: "00"`: the run goes on with 01. It runs the down file '
            "that the ledger kept; if that itself is wrong, undo 01 by hand: docs/rollback.md#undoing-by-hand.",
            id="failed-half-way",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0]), a_step(OUTSIDE, failure="x", statements_done=1)),
            'When the cause is mended, run again with `to: "00"`: the run goes on with 01. It runs the down file '
            "that the ledger kept; if that itself is wrong, do by hand what is left of it, and tell the ledger: "
            f"`{SETTLE} --settle=01=undone`.",
            id="failed-half-way-outside",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0]), a_step(LOST, failure="x", statements_done=1)),
            f"Do by hand what is left of the down file of 01, and tell the ledger: `{SETTLE} --settle=01=undone`.",
            id="no-run-goes-on",
        ),
        pytest.param(
            a_rollback(Outcome.CANCELLED, a_step(replace(LOST, file=DOWN[0].file), failure="x", statements_done=1)),
            f"Do by hand what is left of the down file of 02, and tell the ledger: `{SETTLE} --settle=02=undone`. Then "
            'run again with `to: "00"`.',
            id="no-run-goes-on-and-more-is-to-be-undone",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0], failure=Finding("x", sqlstate="55P03"))),
            'Run again at a quieter moment with `to: "00"`: the run goes on with 02.',
            id="lock-timeout",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0], failure="x", sure=False)),
            'Run again with `to: "00"`: the ledger tells the run whether 02 was undone.',
            id="nobody-knows",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(DOWN[0]), a_step(OUTSIDE, failure="x", sure=False)),
            'Run again with `to: "00"`: the run asks the catalog how far undoing 01 came; where that cannot tell, '
            "it stops and says what to look at.",
            id="half-undone",
        ),
        pytest.param(
            a_rollback(Outcome.CANCELLED, a_step(DOWN[0]), a_step(DOWN[1], failure="cancelled")),
            'Run again with `to: "00"` to go on with 01.',
            id="cancelled-in-the-middle-of-one",
        ),
        pytest.param(
            a_rollback(Outcome.CANCELLED, a_step(DOWN[0])),
            'Run again with `to: "00"` to go on.',
            id="cancelled-between-two",
        ),
        pytest.param(a_rollback(Outcome.CANCELLED), "Nothing was undone yet.", id="cancelled-before-the-first"),
    ],
)
def test_says_how_to_go_on_with_a_rollback(report: Report, said: str) -> None:
    assert "\n".join(next_steps(report)) == said


def test_a_smoke_test_that_fails_behind_a_rollback_may_ask_for_what_was_undone() -> None:
    test = SmokeTest(source=SourceFile(path=PurePosixPath("smoke-tests/x.sql"), data=b"SELECT false;"), statements=())
    smoke = [SmokeResult(test=test, duration=timedelta(), failure=Finding("false"))]
    [said] = next_steps(a_rollback(Outcome.FAILED, *map(a_step, DOWN), smoke=smoke))
    assert said.startswith("Look at what the smoke tests found: they may ask for what was undone.")


# After joining

LATE = (
    "A run refuses 02, as the database already has 03: give it a number behind the last one, or run `db-migrate` with "
    "`out-of-order: allow`."
)


@pytest.mark.parametrize("command", ["baseline", "adopt"])
@pytest.mark.parametrize(
    ("pending", "applied", "said"),
    [
        (["03"], ("01", "02"), ["Run `db-migrate`: it begins with 03."]),
        ([], ("01", "02"), []),
        (
            ["02", "04"],
            ("01", "03"),
            [LATE],
        ),
    ],
)
def test_a_database_that_has_joined_is_not_sent_into_a_refusal(
    command: str, pending: list[str], applied: tuple[str, ...], said: list[str]
) -> None:
    assert next_steps(a_report(command=command, plan=a_plan(pending, applied=applied))) == said


def test_the_file_of_the_ledger_is_never_late() -> None:
    ledger = replace(a_migration_file("00"), up=SourceFile(path=PurePosixPath(LEDGER_FILE), data=b""))
    plan = replace(a_plan(applied=("01",)), pending=(ledger,))
    report = a_report(command="adopt", plan=plan)
    assert next_steps(report) == ["Run `db-migrate`: it begins with 00."]
