"""A database belongs to one environment."""

from runner.gates.environment import check_environment


def test_the_first_run_decides() -> None:
    verdict = check_environment("staging", None)
    assert (verdict.gate, verdict.passed) == ("environment", True)
    assert verdict.reason == "the first run: this database becomes staging"


def test_the_same_environment_passes() -> None:
    assert check_environment("staging", "staging").passed


def test_another_environment_is_refused_and_nobody_is_told_to_claim_it() -> None:
    verdict = check_environment("staging", "production")
    assert (verdict.gate, verdict.passed) == ("environment", False)
    assert verdict.reason == "this database is production, and the run claims to be staging"
    assert verdict.way_out == "check that `database-url` names the database of staging"


def test_names_are_compared_to_the_letter() -> None:
    assert not check_environment("staging", "Staging").passed
