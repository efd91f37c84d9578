"""The verdict in one line. What a headline says must be true of what happened, and in the words of the command."""

from dataclasses import replace

import pytest

from runner.core.headline import headline
from runner.core.model import DryRunMode, Report, StageState
from runner.core.parse import parse_down
from runner.core.steps import StepResult, Undoing
from runner.core.table import Table
from runner.core.trial import DryRun, Rehearsed
from runner.errors import Finding, Level, Outcome
from runner.inputs import BY_NAME
from tests.builders import a_migration, a_migration_file, a_plan, a_report, a_stage, a_step

THREE, TWO = (parse_down(a_migration_file(version, down="SELECT 1;")) for version in (3, 2))
VACUUMS = a_migration(2, sql="VACUUM;\nVACUUM;")
OUTSIDE = parse_down(a_migration_file(2, down="DROP INDEX CONCURRENTLY i;\nVACUUM;"))


def a_rollback(outcome: Outcome, *steps: StepResult, applied: tuple[str, ...] = ("01",), **others: object) -> Report:
    """Of 03 and 02 in staging, down to 01."""
    values: dict[str, object] = {
        "command": "rollback",
        "plan": a_plan(applied=applied),
        "migrations": (THREE, TWO),
        "undoing": Undoing(steps=steps) if steps else None,
    }
    return a_report(outcome, **values | others)


FAILED_TRYING = DryRun(mode=DryRunMode.SHADOW, rehearsed=(Rehearsed(migration=THREE, failure=Finding("x")),))


@pytest.mark.parametrize(
    ("report", "said"),
    [
        pytest.param(
            a_rollback(Outcome.ROLLED_BACK, a_step(THREE), a_step(TWO)),
            "2 migrations undone in staging, back at 01",
            id="done",
        ),
        pytest.param(
            a_rollback(Outcome.ROLLED_BACK, a_step(THREE), a_step(TWO), applied=()),
            "2 migrations undone in staging, back at the beginning",
            id="done-to-the-beginning",
        ),
        pytest.param(
            a_rollback(Outcome.DRY_RUN, applied=("01", "02", "03")),
            "Dry run: 2 migrations would be undone in staging, back to 01",
            id="dry-run",
        ),
        pytest.param(
            a_rollback(Outcome.UP_TO_DATE, migrations=()), "Nothing to undo: staging is at 01", id="nothing-to-undo"
        ),
        pytest.param(
            a_rollback(Outcome.UP_TO_DATE, migrations=(), applied=()),
            "Nothing to undo: staging is at the beginning",
            id="nothing-there",
        ),
        pytest.param(a_rollback(Outcome.REFUSED), "Refused: nothing was changed in staging", id="refused"),
        pytest.param(
            a_rollback(Outcome.FAILED, dry_run=FAILED_TRYING),
            "Failed in the dry run: nothing was changed in staging",
            id="failed-in-the-dry-run",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, migrations=(), plan=None),
            "Failed, with no migration undone in staging",
            id="not-reached",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(THREE, failure="x")),
            "Failed, with no migration undone in staging",
            id="failed-at-the-first",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(THREE), a_step(TWO, failure="x")),
            "Failed, with 1 of 2 migrations undone in staging",
            id="failed-half-way",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(THREE), a_step(OUTSIDE, failure="x", statements_done=1)),
            "Failed, with 1 of 2 migrations undone and 02 half undone in staging",
            id="half-undone",
        ),
        pytest.param(
            a_rollback(Outcome.FAILED, a_step(THREE, failure="x", sure=False)),
            "Failed, with 0 of 2 migrations undone and perhaps 03 in staging",
            id="nobody-knows",
        ),
        pytest.param(
            a_rollback(Outcome.CANCELLED, a_step(THREE)),
            "Cancelled, with 1 of 2 migrations undone in staging",
            id="cancelled",
        ),
    ],
)
def test_says_how_a_rollback_ended(report: Report, said: str) -> None:
    assert headline(report) == said
    assert "applied" not in said


def test_a_migration_that_a_smoke_test_took_back_is_no_rollback_that_was_asked_for() -> None:
    undoing = Undoing(steps=(a_step(TWO),))
    report = a_report(Outcome.ROLLED_BACK, plan=a_plan([2]), steps=[a_step(a_migration(2))], undoing=undoing)
    assert headline(report) == "A smoke test failed: 1 migration undone in staging"


def test_a_rollback_goes_back_to_the_version_below_in_the_order_of_the_files() -> None:
    plan = a_plan(applied=("1", "9"))
    tenth = parse_down(a_migration_file("10", down="SELECT 1;"))
    report = a_rollback(Outcome.ROLLED_BACK, a_step(tenth), migrations=(tenth,), plan=plan)
    assert headline(replace(report, environment="production")) == "1 migration undone in production, back at 9"


# Each command, refused, failed and cancelled

NOT_READ = ("staging was not read", "staging could not be read", "staging was not read")
NOT_RECORDED = ("nothing was recorded in staging",) * 3
STOPPED = {
    "migrate": (
        "nothing was changed in staging",
        "no migration was applied to staging",
        "no migration was applied to staging",
    ),
    "migrat": ("nothing was changed in staging",) + ("no migration was applied to staging",) * 2,  # misspelt
    "verify": ("staging was not verified",) * 3,
    "status": NOT_READ,
    "history": NOT_READ,
    "baseline": NOT_RECORDED,
    "adopt": NOT_RECORDED,
    "repair": ("nothing was mended in the ledger of staging",) * 3,
}
WHOLE = {
    "check": ("The check failed: 1 problem", "The check failed: 1 problem", "The check was cancelled"),
    "config": (
        "The values for staging are not sound: 1 problem",
        "Failed: the values for staging were not shown",
        "Cancelled: the values for staging were not shown",
    ),
    "rollback": (
        "Refused: nothing was changed in staging",
        "Failed, with no migration undone in staging",
        "Cancelled, with no migration undone in staging",
    ),
    **{
        command: tuple(f"{how}: {said}" for how, said in zip(("Refused", "Failed", "Cancelled"), told, strict=True))
        for command, told in STOPPED.items()
    },
}


@pytest.mark.parametrize(
    ("command", "outcome", "exit_code", "said"),
    [
        (command, outcome, exit_code, said)
        for command, told in WHOLE.items()
        for (outcome, exit_code), said in zip(
            ((Outcome.REFUSED, 2), (Outcome.FAILED, 6), (Outcome.CANCELLED, 143)), told, strict=True
        )
    ],
)  # fmt: skip
def test_says_how_each_command_ended_that_did_not_reach_the_database(
    command: str, outcome: Outcome, exit_code: int, said: str
) -> None:
    findings = [Finding("x"), Finding("y", level=Level.WARNING)]
    assert headline(a_report(outcome, command=command, exit_code=exit_code, findings=findings)) == said


def test_every_command_is_asked_how_it_may_end() -> None:
    assert set(WHOLE) - {"migrat"} == set(BY_NAME["command"].choices)


@pytest.mark.parametrize(
    ("steps", "outcome", "said"),
    [
        ([a_step(1)], Outcome.FAILED, "Failed, with 1 migration applied to staging"),
        ([a_step(1)], Outcome.CANCELLED, "Cancelled, with 1 migration applied to staging"),
        (
            [a_step(1), a_step(VACUUMS, failure="x", statements_done=1)],
            Outcome.CANCELLED,
            "Cancelled, with 1 migration applied and 02 half done in staging",
        ),
        ([a_step(2, failure="x", sure=False)], Outcome.CANCELLED, "Cancelled, with perhaps 02 in staging"),
        (
            [a_step(1), a_step(2, failure="x", sure=False)],
            Outcome.FAILED,
            "Failed, with 1 migration applied and perhaps 02 in staging",
        ),
    ],
)
def test_says_of_a_migration_what_is_half_done_and_what_nobody_knows(
    steps: list[StepResult], outcome: Outcome, said: str
) -> None:
    assert headline(a_report(outcome, exit_code=1, plan=a_plan([1, 2]), steps=steps)) == said


@pytest.mark.parametrize(
    ("command", "stage", "done"),
    [
        ("baseline", "record", "recorded in staging"),
        ("adopt", "record", "recorded in staging"),
        ("repair", "repair", "mended in the ledger of staging"),
    ],
)
def test_what_is_written_in_one_transaction_is_all_there_or_not_at_all(command: str, stage: str, done: str) -> None:
    def said(outcome: Outcome, state: StageState) -> str:
        return headline(a_report(outcome, command=command, exit_code=1, stages=[a_stage(stage, state=state)]))

    assert said(Outcome.REFUSED, StageState.FAILED) == f"Refused: nothing was {done}"
    assert said(Outcome.FAILED, StageState.FAILED) == f"Failed on the way: all was {done}, or nothing"
    assert said(Outcome.CANCELLED, StageState.FAILED) == f"Cancelled on the way: all was {done}, or nothing"
    assert said(Outcome.CANCELLED, StageState.OK) == f"Cancelled at the end: all was {done}"


@pytest.mark.parametrize(
    ("report", "said"),
    [
        pytest.param(
            a_report(command="adopt", plan=a_plan([3], applied=("01", "02"))),
            "staging has joined at 02: nothing was run, 1 migration pending",
            id="joined",
        ),
        pytest.param(
            a_report(Outcome.DRY_RUN, command="baseline"), "Dry run: nothing was recorded in staging", id="dry-run"
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="adopt", plan=a_plan(applied=("01",))),
            "Nothing to record: staging is at 01",
            id="joined-before",
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="adopt", plan=a_plan([1])),
            "The other tool has applied none of these files: nothing was recorded in staging",
            id="an-empty-table",
        ),
        pytest.param(
            a_report(Outcome.REFUSED, command="verify", exit_code=4, findings=[Finding("x"), Finding("y")]),
            "staging is not what its ledger and the files say: 2 differences",
            id="verify-found",
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="verify"),
            "staging is what its ledger and the files say",
            id="verify",
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="config"), "The values for staging are sound", id="config"
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="repair"), "Nothing to mend in the ledger of staging", id="repair"
        ),
    ],
)  # fmt: skip
def test_says_what_a_command_found_or_did(report: Report, said: str) -> None:
    assert headline(report) == said


@pytest.mark.parametrize(
    ("rows", "pending", "said"),
    [
        ([("completed", "")], [], "staging is at 01, 0 migrations pending"),
        ([("pending", "")], [2], "staging is at 01, 1 migration pending"),
        ([("completed", "file modified"), ("completed", "file missing")], [], "staging is at 01, 1 file modified"),
        (
            [("half done", ""), ("unknown", ""), ("unknown", ""), ("completed", "file modified")],
            [2, 3],
            "staging is at 01, 1 file modified, 1 migration half done, 2 migrations unknown, 2 migrations pending",
        ),
    ],
)
def test_says_what_needs_a_look_before_what_is_pending(
    rows: list[tuple[str, str]], pending: list[int], said: str
) -> None:
    table = Table(headings=("state", "drift"), rows=tuple(rows))
    outcome = Outcome.DRY_RUN if pending else Outcome.UP_TO_DATE
    report = a_report(outcome, command="status", plan=a_plan(pending, applied=("01",)), table=table)
    assert headline(report) == headline(replace(report, exit_code=4)) == said
