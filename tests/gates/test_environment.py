"""A database belongs to one environment."""

import pytest

from runner.gates.environment import check_environment


def test_the_first_run_decides() -> None:
    verdict = check_environment("staging", None)
    assert (verdict.gate, verdict.passed) == ("environment", True)
    assert verdict.reason == "the first run: this database becomes staging"


def test_the_same_environment_passes() -> None:
    assert check_environment("staging", "staging").passed


def test_another_environment_is_refused_with_the_way_to_change_it_on_purpose() -> None:
    verdict = check_environment("staging", "production")
    assert (verdict.gate, verdict.passed) == ("environment", False)
    assert verdict.reason == "this database is production, and the run claims to be staging"
    assert "`database-url` names the database of staging" in verdict.way_out
    assert "`db-migrate repair --set-environment staging --confirmation MIGRATE-PRODUCTION`" in verdict.way_out


def test_outside_of_production_the_way_out_needs_no_confirmation() -> None:
    assert check_environment("staging", "testing").way_out.endswith("`db-migrate repair --set-environment staging`")


@pytest.mark.parametrize(("says", "passed"), [("production", False), ("staging", True)])
def test_a_ledger_in_another_schema_speaks_on_a_first_run(says: str, passed: bool) -> None:
    verdict = check_environment("staging", None, [("old", says)])
    assert verdict.passed is passed
    assert passed or "as the ledger in schema old says" in verdict.reason
    assert check_environment("staging", "staging", [("old", says)]).passed


def test_names_are_compared_to_the_letter() -> None:
    assert not check_environment("staging", "Staging").passed
