"""A named restore point that is required must be possible."""

from typing import Any

import pytest

from runner.core.model import RestorePointMode
from runner.core.restore_point import RestorePointFacts
from runner.gates.restore_point import check_restore_point

AUTO, REQUIRED, OFF = RestorePointMode


def facts(**others: Any) -> RestorePointFacts:
    """A role that may do all of it, on a server that archives its log."""
    values: dict[str, Any] = {
        "role": "migrator",
        "may_name": True,
        "may_locate": True,
        "wal_level": "replica",
        "in_recovery": False,
        "archived": True,
    }
    return RestorePointFacts(**values | others)


@pytest.mark.parametrize("mode", [AUTO, REQUIRED])
def test_one_that_can_have_a_name_will_have_one(mode: RestorePointMode) -> None:
    verdict = check_restore_point(mode, facts())
    assert (verdict.gate, verdict.passed, verdict.reason) == ("restore point", True, "a named one will be made")


@pytest.mark.parametrize(
    ("given", "reason", "way_out"),
    [
        (
            facts(may_name=False),
            "role migrator may not execute pg_create_restore_point",
            'GRANT EXECUTE ON FUNCTION pg_catalog.pg_create_restore_point(text) TO "migrator";',
        ),
        (facts(wal_level="minimal"), "`wal_level` is minimal", "set `wal_level` to replica"),
        (facts(in_recovery=True), "this server is a standby", "must name the primary"),
        (facts(in_recovery=True, may_name=False, wal_level="minimal"), "this server is a standby", "the primary"),
    ],
)
def test_a_required_one_that_cannot_have_a_name_is_refused_with_a_way_out(
    given: RestorePointFacts, reason: str, way_out: str
) -> None:
    verdict = check_restore_point(REQUIRED, given)
    assert not verdict.passed
    assert reason in verdict.reason
    assert way_out in verdict.way_out
    assert "`restore-point: auto`" in verdict.way_out


def test_the_grant_quotes_the_role() -> None:
    verdict = check_restore_point(REQUIRED, facts(may_name=False, role='ci "bot"'))
    assert 'TO "ci ""bot""";' in verdict.way_out


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (facts(may_name=False), "position and time will be noted: role migrator may not execute"),
        (facts(may_name=False, may_locate=False), "the time will be noted: role migrator may not execute"),
        (facts(wal_level="minimal"), "position and time will be noted: the server's `wal_level` is minimal"),
        (facts(in_recovery=True), "the time will be noted: this server is a standby"),
    ],
)
def test_else_it_says_what_will_be_noted_instead_and_why(given: RestorePointFacts, reason: str) -> None:
    verdict = check_restore_point(AUTO, given)
    assert verdict.passed
    assert verdict.reason.startswith(reason)


@pytest.mark.parametrize("mode", [AUTO, REQUIRED])
@pytest.mark.parametrize(
    ("archived", "said"), [(True, ""), (False, "of no use unless something else keeps"), (None, "does not tell")]
)
def test_a_log_that_nobody_keeps_is_told_and_refuses_nothing(
    mode: RestorePointMode, archived: bool | None, said: str
) -> None:
    verdict = check_restore_point(mode, facts(archived=archived))
    assert verdict.passed
    assert verdict.reason.removeprefix("a named one will be made").find(said) >= 0
    assert bool(said) is (verdict.reason != "a named one will be made")


def test_nothing_is_asked_for_when_it_is_off() -> None:
    assert check_restore_point(OFF, facts(in_recovery=True, may_name=False, archived=False)).passed
