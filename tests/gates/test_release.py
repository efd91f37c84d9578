from dataclasses import replace

from runner.gates.release import check_release
from tests.builders import a_migration


def test_migrations_that_can_share_a_transaction_pass() -> None:
    verdict = check_release([a_migration(1), a_migration(2)])
    assert verdict.passed
    assert verdict.reason == "one for all: 2 migrations stay, or none"


def test_one_that_cannot_is_named_with_the_reason() -> None:
    outside = replace(a_migration(2), transactional=False, why="it says so")
    verdict = check_release([a_migration(1), outside, replace(outside)])
    assert not verdict.passed
    assert verdict.reason == f"`transaction: release` cannot hold {outside.file.path}, and 1 other: it says so"
    assert "`version`" in verdict.way_out
