"""What a report tells of itself: what was applied, what is left, where the database stands, what to do now."""

from dataclasses import replace

import pytest

from runner.core.headline import headline
from runner.core.model import Report
from runner.core.naming import VersionOrder
from runner.core.next_steps import next_steps
from runner.core.plural import counted
from runner.errors import Finding, Level, Outcome
from tests.builders import a_migration, a_plan, a_report, a_step, a_target, on_github

LINT = Finding("locks", level=Level.WARNING, rule="several-exclusive-locks")


def stopped_at_two(outcome: Outcome, **others: object) -> Report:
    """A run of 01, 02 and 03 whose second migration did not complete."""
    steps = [a_step(1), a_step(2, failure="it broke")]
    return a_report(outcome, plan=a_plan([1, 2, 3]), steps=steps, **others)


def test_what_was_applied_and_what_is_left() -> None:
    report = stopped_at_two(Outcome.FAILED)
    assert (report.applied, report.pending, report.current_version) == (("01",), ("02", "03"), "01")


def test_what_lies_behind_the_version_asked_for_is_left_as_well() -> None:
    report = a_report(plan=a_plan([1, 2], later=("03",)), steps=[a_step(1), a_step(2)])
    assert (report.applied, report.pending) == (("01", "02"), ("03",))


def test_the_current_version_is_the_highest_of_before_and_now() -> None:
    assert a_report(plan=a_plan([2], applied=("01", "10")), steps=[a_step(2)]).current_version == "10"
    assert a_report(plan=a_plan(["9", "10"]), steps=[a_step(a_migration("9"))]).current_version == "9"


def test_the_current_version_is_the_last_in_the_order_that_was_chosen() -> None:
    plan = a_plan(["9"], applied=("10",), order=VersionOrder.TEXT)
    assert a_report(plan=plan, steps=[a_step(a_migration("9"))]).current_version == "9"
    assert a_report(plan=a_plan(applied=("10", "9"), order=VersionOrder.TEXT)).current_version == "9"


def test_a_run_that_did_not_reach_the_database_claims_nothing() -> None:
    report = a_report(Outcome.REFUSED)
    assert (report.applied, report.pending, report.current_version) == ((), (), "")


def test_finds_what_happened_to_a_migration() -> None:
    report = stopped_at_two(Outcome.FAILED)
    assert report.step_of("02") is report.steps[1]
    assert report.step_of("03") is None


@pytest.mark.parametrize(
    ("number", "text"), [(140000, "PostgreSQL 14.0"), (170002, "PostgreSQL 17.2"), (180010, "PostgreSQL 18.10")]
)
def test_names_the_server_by_the_number_that_it_gives(number: int, text: str) -> None:
    assert a_target(server_version=number).server == text


@pytest.mark.parametrize(("number", "words"), [(0, "0 migrations"), (1, "1 migration"), (2, "2 migrations")])
def test_counts_in_words(number: int, words: str) -> None:
    assert counted(number) == words


@pytest.mark.parametrize(
    ("report", "text"),
    [
        pytest.param(
            a_report(plan=a_plan([1, 2]), steps=[a_step(1), a_step(2)]), "2 migrations applied to staging", id="applied"
        ),
        pytest.param(a_report(Outcome.UP_TO_DATE, plan=a_plan()), "staging is up to date", id="up-to-date"),
        pytest.param(
            a_report(Outcome.DRY_RUN, plan=a_plan([1])),
            "Dry run: 1 migration would be applied to staging",
            id="dry-run",
        ),
        pytest.param(
            a_report(Outcome.DRY_RUN, plan=a_plan([1], later=("02",))),
            "Dry run: 1 migration would be applied to staging",
            id="dry-run-up-to-a-version",
        ),
        pytest.param(
            a_report(Outcome.REFUSED, plan=a_plan([1])), "Refused: nothing was changed in staging", id="refused"
        ),
        pytest.param(
            stopped_at_two(Outcome.FAILED), "Failed, with 1 migration applied to staging", id="failed-on-the-way"
        ),
        pytest.param(
            a_report(Outcome.FAILED, plan=a_plan([1]), steps=[a_step(1, failure="x")]),
            "Failed: no migration was applied to staging",
            id="failed-at-once",
        ),
        pytest.param(
            stopped_at_two(Outcome.CANCELLED), "Cancelled, with 1 migration applied to staging", id="cancelled"
        ),
        pytest.param(
            a_report(Outcome.DRY_RUN, command="status", plan=a_plan([3], applied=("01", "02"))),
            "staging is at 02, 1 migration pending",
            id="status",
        ),
        pytest.param(
            a_report(Outcome.UP_TO_DATE, command="status", plan=a_plan()),
            "staging is at the beginning, 0 migrations pending",
            id="status-of-an-empty-database",
        ),
        pytest.param(
            a_report(Outcome.DRY_RUN, command="check", migrations=[a_migration(1)]),
            "The check passed: 1 migration can be read",
            id="check-without-proof",
        ),
        pytest.param(
            a_report(Outcome.DRY_RUN, command="check", migrations=[a_migration(1)] * 3, rehearsed=[a_step(1)] * 3),
            "The check passed: 3 migrations run from zero",
            id="check",
        ),
        pytest.param(
            a_report(
                Outcome.DRY_RUN,
                command="check",
                migrations=[a_migration(1)],
                rehearsed=[a_step(1)],
                findings=[LINT, replace(LINT, level=Level.NOTICE), Finding("gap", level=Level.WARNING)],
            ),
            "The check passed: 1 migration run from zero, with 1 lint finding",
            id="check-with-lint",
        ),
        pytest.param(
            a_report(Outcome.REFUSED, command="check", exit_code=2, findings=[Finding("a"), Finding("b"), LINT]),
            "The check failed: 2 problems",
            id="check-failed",
        ),
        pytest.param(
            a_report(Outcome.CANCELLED, command="check", exit_code=143), "The check was cancelled", id="check-cancelled"
        ),
    ],
)
def test_the_headline_tells_how_the_run_ended(report: Report, text: str) -> None:
    assert headline(report) == text


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(a_report(Outcome.FAILED, command="status"), id="unreachable"),
        pytest.param(a_report(Outcome.REFUSED, command="migrat"), id="misspelt-command"),
        pytest.param(a_report(Outcome.UP_TO_DATE, command="history"), id="history"),
    ],
)
def test_the_headline_does_not_tell_what_nobody_looked_at(report: Report) -> None:
    assert "at the beginning" not in headline(report)


@pytest.mark.parametrize("outcome", Outcome)
def test_every_outcome_has_a_headline_that_names_the_environment(outcome: Outcome) -> None:
    assert "staging" in headline(a_report(outcome))


# What now


@pytest.mark.parametrize(
    "report",
    [
        pytest.param(a_report(plan=a_plan([1]), steps=[a_step(1)]), id="applied"),
        pytest.param(a_report(Outcome.UP_TO_DATE, plan=a_plan()), id="up-to-date"),
        pytest.param(a_report(Outcome.REFUSED, plan=a_plan([1])), id="refused"),
        pytest.param(a_report(Outcome.DRY_RUN, command="status", plan=a_plan([1])), id="status"),
        pytest.param(a_report(Outcome.DRY_RUN, plan=a_plan()), id="nothing-to-dry-run"),
        pytest.param(a_report(Outcome.REFUSED, command="check", exit_code=2), id="check"),
    ],
)
def test_nothing_is_left_to_do(report: Report) -> None:
    assert next_steps(report) == []


def test_a_dry_run_is_followed_by_a_real_one() -> None:
    report = a_report(Outcome.DRY_RUN, plan=a_plan([1]))
    said = "Run again without `dry-run` to apply these migrations, or approve the job that waits for this plan."
    assert next_steps(report) == [said]
    assert next_steps(replace(report, context=on_github(event="pull_request"))) == []


def test_a_dry_run_by_hand_in_production_is_followed_by_one_that_is_told_not_to_be() -> None:
    report = a_report(
        Outcome.DRY_RUN, environment="production", context=on_github(event="workflow_dispatch"), plan=a_plan([1])
    )
    assert "`dry-run: false`" in next_steps(report)[0]


def test_a_failure_says_how_to_go_on() -> None:
    assert next_steps(stopped_at_two(Outcome.FAILED)) == [
        "When the cause is mended, run again: the run goes on with 02."
    ]


def test_a_run_that_was_cancelled_before_it_began_says_so() -> None:
    report = a_report(Outcome.CANCELLED, plan=a_plan([1, 2]))
    assert next_steps(report) == [
        "The run was cancelled before a migration was executed.",
        "Run again to go on with 01.",
    ]


def test_a_run_that_was_cancelled_on_the_way_goes_on_where_it_stopped() -> None:
    assert next_steps(stopped_at_two(Outcome.CANCELLED)) == [
        "Run again to go on with 02.",
    ]


def test_what_was_tried_elsewhere_is_found_and_was_not_applied() -> None:
    report = a_report(Outcome.DRY_RUN, command="check", rehearsed=[a_step(1)])
    assert report.step_of("01") is report.rehearsed[0]
    assert report.applied == ()


def test_the_headline_says_that_something_was_left_for_later() -> None:
    report = a_report(Outcome.UP_TO_DATE, plan=a_plan(applied=("01",), later=("02",)))
    assert headline(report) == "staging is up to date with the version asked for, 1 migration left for later"
