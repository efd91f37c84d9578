"""Production wants to be confirmed; each way of almost doing so is told apart."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import Verdict
from runner.core.policies import ConfirmationPolicy
from runner.gates.confirmation import MISTAKES, SLIPS, check_confirmation
from tests.builders import STEADY


def verdict(
    confirmation: str = "",
    *,
    variable: str = "",
    manual: bool = False,
    environment: str = "production",
    rollback: bool = False,
) -> Verdict:
    return check_confirmation(
        ConfirmationPolicy(
            environment=environment, confirmation=confirmation, variable=variable, manual=manual, rollback=rollback
        )
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


HYPHEN, CAPITALS = "must be spelled with a hyphen", "must be in capitals"
BLANKS, QUOTES, BREAK = (
    "has blanks around the phrase",
    "has quotes around the phrase",
    "has a line break around the phrase",
)
DASH, INVISIBLE = "has a dash in place of the hyphen", "has invisible characters in it"
LETTERS, NO_ANSWER = "has letters of another alphabet in it", "is a yes or a no, and the phrase itself is wanted"
TWICE, MORE, PART, OTHER = (
    "has the phrase more than once",
    "has more in it than the phrase",
    "is a part of the phrase",
    ("is not the phrase"),
)
ROLLBACK = "is the phrase of a rollback, and this is a migration"


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        pytest.param(" MIGRATE-PRODUCTION", BLANKS, id="blank-before"),
        pytest.param("MIGRATE-PRODUCTION\t", BLANKS, id="tab-behind"),
        pytest.param("MIGRATE-PRODUCTION\u00a0", BLANKS, id="no-break-space"),
        pytest.param("MIGRATE-PRODUCTION\u3000", BLANKS, id="ideographic-space"),
        pytest.param("MIGRATE-PRODUCTION\n", BREAK, id="newline-behind"),
        pytest.param("MIGRATE-PRODUCTION\r\n", BREAK, id="line-end-of-windows"),
        pytest.param("\nMIGRATE-PRODUCTION", BREAK, id="newline-before"),
        pytest.param(" MIGRATE-PRODUCTION \n", f"{BREAK} and {BLANKS}", id="blanks-and-newline"),
        pytest.param("\ufeffMIGRATE-PRODUCTION", INVISIBLE, id="byte-order-mark"),
        pytest.param("MIGRATE\u200b-PRODUCTION", INVISIBLE, id="zero-width-space"),
        pytest.param("MIGRATE-PRO\u200dDUCTION", INVISIBLE, id="zero-width-joiner"),
        pytest.param("\u202eMIGRATE-PRODUCTION\u202c", INVISIBLE, id="direction"),
        pytest.param("MIGRATE-PRODUCTION\0", INVISIBLE, id="nul"),
        pytest.param("MIGRATE-PRODUCTION\x1b", INVISIBLE, id="escape"),
        pytest.param('"MIGRATE-PRODUCTION"', QUOTES, id="double-quotes"),
        pytest.param("'MIGRATE-PRODUCTION'", QUOTES, id="single-quotes"),
        pytest.param("`MIGRATE-PRODUCTION`", QUOTES, id="backticks"),
        pytest.param("“MIGRATE-PRODUCTION”", QUOTES, id="typographic-quotes"),
        pytest.param("„MIGRATE-PRODUCTION“", QUOTES, id="german-quotes"),
        pytest.param("«MIGRATE-PRODUCTION»", QUOTES, id="french-quotes"),
        pytest.param("'MIGRATE-PRODUCTION", QUOTES, id="one-quote"),
        pytest.param("migrate-production", CAPITALS, id="lower-case"),
        pytest.param("Migrate-Production", CAPITALS, id="title-case"),
        pytest.param("MIGRATE-PRODUCTIOn", CAPITALS, id="one-small-letter"),
        pytest.param("MIGRATE_PRODUCTION", HYPHEN, id="underscore"),
        pytest.param("MIGRATE PRODUCTION", HYPHEN, id="blank"),
        pytest.param("MIGRATE\u00a0PRODUCTION", HYPHEN, id="no-break-space-between"),
        pytest.param("MIGRATE--PRODUCTION", HYPHEN, id="two-hyphens"),
        pytest.param("MIGRATE - PRODUCTION", HYPHEN, id="blanks-around-the-hyphen"),
        pytest.param("MIGRATEPRODUCTION", HYPHEN, id="in-one-word"),
        pytest.param("MIGRATE\nPRODUCTION", HYPHEN, id="on-two-lines"),
        pytest.param("MIGRATE‐PRODUCTION", DASH, id="another-hyphen"),
        pytest.param("MIGRATE‑PRODUCTION", DASH, id="hyphen-that-does-not-break"),
        pytest.param("MIGRATE–PRODUCTION", DASH, id="en-dash"),
        pytest.param("MIGRATE—PRODUCTION", DASH, id="em-dash"),
        pytest.param("MIGRATE−PRODUCTION", DASH, id="minus"),
        pytest.param("MIGRATE\u00adPRODUCTION", DASH, id="soft-hyphen"),
        pytest.param("MIGRАTE-PRODUCTION", LETTERS, id="a-cyrillic-letter"),
        pytest.param("ＭＩＧＲＡＴＥ-ＰＲＯＤＵＣＴＩＯＮ", LETTERS, id="full-width"),
        pytest.param("migrate production", f"{CAPITALS} and {HYPHEN}", id="blank-and-lower-case"),
        pytest.param('"migrate production" ', f"{BLANKS} and {QUOTES} and {CAPITALS} and {HYPHEN}", id="four-slips"),
        pytest.param("ROLLBACK-PRODUCTION", ROLLBACK, id="of-a-rollback"),
        pytest.param("rollback-production\n", ROLLBACK, id="of-a-rollback-with-slips"),
        pytest.param("true", NO_ANSWER, id="true"),
        pytest.param("TRUE", NO_ANSWER, id="true-in-capitals"),
        pytest.param("false", NO_ANSWER, id="false"),
        pytest.param("yes", NO_ANSWER, id="yes"),
        pytest.param(" y\n", NO_ANSWER, id="y"),
        pytest.param("1", NO_ANSWER, id="one"),
        pytest.param("MIGRATE-PRODUCTIONMIGRATE-PRODUCTION", TWICE, id="twice"),
        pytest.param("MIGRATE-PRODUCTION MIGRATE-PRODUCTION", TWICE, id="twice-with-a-blank"),
        pytest.param("MIGRATE-PRODUCTION\nmigrate-production\n", TWICE, id="twice-on-lines"),
        pytest.param("MIGRATE-PRODUCTION!", MORE, id="more"),
        pytest.param("confirmation: MIGRATE-PRODUCTION", MORE, id="with-the-name-of-the-input"),
        pytest.param("MIGRATE-PRODUCTION-EU", MORE, id="of-something-else"),
        pytest.param("MIGRATE", PART, id="one-word"),
        pytest.param("production", PART, id="the-other-word"),
        pytest.param("MIGRATE-PROD", PART, id="cut-off"),
        pytest.param("MIGRATE-", PART, id="half"),
        pytest.param(" ", "is blank", id="a-blank"),
        pytest.param("\n", "is blank", id="a-line-end"),
        pytest.param("\u200b", "is blank", id="nothing-to-see"),
        pytest.param('""', "is blank", id="empty-quotes"),
        pytest.param("MIGRATE-STAGING", OTHER, id="another-environment"),
        pytest.param("MIGRATE-PRODUCTOIN", OTHER, id="letters-the-wrong-way-round"),
        pytest.param("PRODUCTION-MIGRATE", OTHER, id="words-the-wrong-way-round"),
        pytest.param("${{ inputs.confirmation }}", OTHER, id="an-expression-that-was-not-one"),
        pytest.param("-", OTHER, id="a-hyphen"),
        pytest.param("М" * 18, OTHER, id="of-the-same-length"),
        pytest.param("x" * 1_000_000, OTHER, id="very-long"),
    ],
)
@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_refuses_a_near_miss_and_says_how_it_misses(given: str, reason: str, manual: bool) -> None:
    found = verdict(given, manual=manual)
    assert (found.gate, found.passed, found.reason) == ("confirmation", False, f"the confirmation {reason}")


@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_nothing_is_no_confirmation(manual: bool) -> None:
    found = verdict(manual=manual)
    assert (found.passed, found.reason) == (False, "production needs a confirmation, and none was given")


EACH_SLIP: tuple[tuple[Callable[[str], str], str], ...] = (  # from the outermost to the innermost
    (lambda text: f"\u200b{text}", INVISIBLE),
    (lambda text: f"{text}\n", BREAK),
    (lambda text: f" {text}", BLANKS),
    (lambda text: f'"{text}"', QUOTES),
    (str.lower, CAPITALS),
    (lambda text: text.replace("-", "_"), HYPHEN),
    (lambda text: text.replace("A", "А").replace("a", "а"), LETTERS),  # Cyrillic
)


@pytest.mark.parametrize("some", range(1, 1 << len(EACH_SLIP)))
def test_of_several_slips_each_is_told(some: int) -> None:
    made = [slip for number, slip in enumerate(EACH_SLIP) if some >> number & 1]
    text = "MIGRATE-PRODUCTION"
    for slip, _ in reversed(made):
        text = slip(text)
    expected = f"the confirmation {' and '.join(reason for _, reason in made)}"
    if {HYPHEN, LETTERS} <= {reason for _, reason in made}:  # more than a slip
        expected = "the confirmation is not the phrase"
    assert (verdict(text).passed, verdict(text).reason) == (False, expected)


@given(st.text(min_size=1))
@STEADY
def test_no_text_passes_but_the_phrase(given: str) -> None:
    assert not verdict(given, manual=True).passed


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


@pytest.mark.parametrize(
    "secret",
    ["hunter2-pasted-into-the-wrong-field", "MIGRATE-PRODUCTION hunter2", '"hunter2"', "postgresql://u:hunter2@db/x"],
)
def test_never_repeats_what_was_given(secret: str) -> None:
    found = verdict(secret)
    assert "hunter2" not in found.reason + found.way_out


def test_the_page_tells_every_way_of_missing() -> None:
    page = (Path(__file__).parents[2] / "docs" / "production.md").read_text()
    cells = {row.rpartition("| ")[2].removesuffix(" |") for row in page.split("\n") if row.startswith("| ")}
    assert {miss for _, miss in (*SLIPS, *MISTAKES)} <= cells


# A rollback


@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_a_rollback_has_a_phrase_of_its_own(manual: bool) -> None:
    assert verdict("ROLLBACK-PRODUCTION", manual=manual, rollback=True).passed
    assert verdict(environment="staging", rollback=True).passed
    found = verdict("MIGRATE-PRODUCTION", manual=manual, rollback=True)
    assert (found.passed, found.reason, found.way_out) == (
        False,
        "the confirmation is the phrase of a migration, and this is a rollback",
        "give `confirmation: ROLLBACK-PRODUCTION`",
    )


@pytest.mark.parametrize("manual", [True, False], ids=["by-hand", "by-an-event"])
def test_the_variable_does_not_confirm_a_rollback(manual: bool) -> None:
    found = verdict(variable="true", manual=manual, rollback=True)
    assert (found.passed, found.reason, found.way_out) == (
        False,
        "CONFIRM_PRODUCTION_MIGRATION does not confirm a rollback; the phrase must be given",
        "give `confirmation: ROLLBACK-PRODUCTION`",
    )
    assert verdict("ROLLBACK-PRODUCTION", variable="true", manual=manual, rollback=True).passed


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ("rollback-production", CAPITALS),
        ("ROLLBACK PRODUCTION", HYPHEN),
        ("ROLLBACK–PRODUCTION", DASH),
        (" ROLLBACK-PRODUCTION\n", f"{BREAK} and {BLANKS}"),
        ("RОLLBACK-PRODUCTION", LETTERS),
        ("ROLLBACK", PART),
        ("ROLLBACK-PRODUCTION!", MORE),
        ("ROLLBACK-PRODUCTION rollback-production", TWICE),
        ("migrate production", OTHER),
        ("true", NO_ANSWER),
        ("ROLLBACK-STAGING", OTHER),
    ],
)
def test_a_near_miss_of_its_phrase_is_told_as_well(given: str, reason: str) -> None:
    assert verdict(given, rollback=True).reason == f"the confirmation {reason}"
