"""Production wants to be confirmed; each way of almost doing so is told apart."""

import pytest

from runner.core.model import Verdict
from runner.gates.confirmation import ConfirmationPolicy, check_confirmation


def verdict(
    confirmation: str = "", *, variable: str = "", manual: bool = False, environment: str = "production"
) -> Verdict:
    return check_confirmation(
        ConfirmationPolicy(environment=environment, confirmation=confirmation, variable=variable, manual=manual)
    )


@pytest.mark.parametrize("environment", ["development", "staging", "production-eu", "preproduction"])
def test_is_not_asked_for_outside_of_production(environment: str) -> None:
    found = verdict(environment=environment)
    assert (found.passed, found.reason) == (True, "not asked for outside of production")


@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_the_exact_phrase_passes(manual: bool) -> None:
    found = verdict("MIGRATE-PRODUCTION", manual=manual)
    assert (found.gate, found.passed, found.reason) == ("confirmation", True, "the phrase was given")


def test_the_variable_confirms_what_an_event_started() -> None:
    assert verdict(variable="true").reason == "CONFIRM_PRODUCTION_MIGRATION is true"
    assert verdict(variable="true").passed


def test_the_variable_passes_beside_a_phrase_that_is_wrong() -> None:
    assert verdict("MIGRATE", variable="true").passed


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param("", "production needs a confirmation, and none was given", id="nothing"),
        pytest.param(" MIGRATE-PRODUCTION", "the confirmation has blanks around the phrase", id="blank-before"),
        pytest.param("MIGRATE-PRODUCTION\n", "the confirmation has blanks around the phrase", id="newline-behind"),
        pytest.param('"MIGRATE-PRODUCTION"', "the confirmation has quotes around the phrase", id="double-quotes"),
        pytest.param("'MIGRATE-PRODUCTION'", "the confirmation has quotes around the phrase", id="single-quotes"),
        pytest.param("`MIGRATE-PRODUCTION`", "the confirmation has quotes around the phrase", id="backticks"),
        pytest.param("migrate-production", "the confirmation must be in capitals", id="lower-case"),
        pytest.param("Migrate-Production", "the confirmation must be in capitals", id="title-case"),
        pytest.param("MIGRATE_PRODUCTION", "the confirmation must be spelled with a hyphen", id="underscore"),
        pytest.param("MIGRATE PRODUCTION", "the confirmation must be spelled with a hyphen", id="blank"),
        pytest.param("migrate production", "the confirmation must be spelled with a hyphen", id="blank-and-lower-case"),
        pytest.param("MIGRATE-PRODUCTION!", "the confirmation is not the phrase", id="more"),
        pytest.param("MIGRATE", "the confirmation is not the phrase", id="less"),
        pytest.param("ROLLBACK-PRODUCTION", "the confirmation is not the phrase", id="of-a-rollback"),
        pytest.param("MIGRATE‐PRODUCTION", "the confirmation is not the phrase", id="another-hyphen"),
        pytest.param("true", "the confirmation is not the phrase", id="true"),
    ],
)
@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_refuses_a_near_miss_and_says_how_it_misses(given: str, reason: str, manual: bool) -> None:
    found = verdict(given, manual=manual)
    assert (found.gate, found.passed, found.reason) == ("confirmation", False, reason)


@pytest.mark.parametrize("variable", ["TRUE", "True", "1", "yes", "true ", "MIGRATE-PRODUCTION"])
def test_the_variable_must_be_exactly_true(variable: str) -> None:
    found = verdict(variable=variable)
    assert (found.passed, found.reason) == (False, "CONFIRM_PRODUCTION_MIGRATION must be exactly `true`")


def test_the_variable_does_not_confirm_what_was_started_by_hand() -> None:
    found = verdict(variable="true", manual=True)
    assert not found.passed
    assert found.reason == (
        "CONFIRM_PRODUCTION_MIGRATION does not confirm a run started by hand; the phrase must be typed"
    )


def test_the_way_out_is_open_to_this_run() -> None:
    assert verdict(manual=True).way_out == "give `confirmation: MIGRATE-PRODUCTION`"
    assert verdict().way_out == (
        "give `confirmation: MIGRATE-PRODUCTION`, or set CONFIRM_PRODUCTION_MIGRATION=true in the environment"
    )


def test_never_repeats_what_was_given() -> None:
    found = verdict("hunter2-pasted-into-the-wrong-field")
    assert "hunter2" not in found.reason + found.way_out
