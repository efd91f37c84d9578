"""Files and ledger into a plan, or into what they contradict."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import Applied, MigrationFile, Plan
from runner.core.naming import VersionOrder
from runner.core.plan import changed_versions, compare, make_plan
from runner.core.policies import PlanPolicy
from runner.core.sql_digest import sql_digest
from runner.errors import Drift, InputError, Level, Refused
from tests.builders import SQL, STEADY, a_migration_file, applied, version_text


def files(*versions: int | str) -> list[MigrationFile]:
    return [a_migration_file(version) for version in versions]


def rows(*versions: int | str) -> list[Applied]:
    return [applied(version) for version in versions]


def plan_of(found: Sequence[MigrationFile], recorded: Sequence[Applied] = (), **policy: object) -> Plan:
    return make_plan(found, recorded, PlanPolicy(**policy))  # type: ignore[arg-type]


def pending(plan: Plan) -> list[str]:
    return [file.version for file in plan.pending]


def test_an_empty_database_gets_everything_in_order() -> None:
    plan = plan_of(files(3, 1, 2))
    assert (pending(plan), plan.applied, plan.current_version) == (["01", "02", "03"], (), "")


def test_what_was_applied_does_not_run_again() -> None:
    plan = plan_of(files(1, 2, 3), rows(2, 1))
    assert (pending(plan), plan.applied, plan.current_version) == (["03"], ("01", "02"), "02")


def test_nothing_is_left_when_everything_was_applied() -> None:
    plan = plan_of(files(1, 2), rows(1, 2))
    assert (pending(plan), plan.findings) == ([], ())


@pytest.mark.parametrize("status", ["failed", "pending", "running", "anything else"])
def test_what_did_not_complete_runs_again_even_changed(status: str) -> None:
    plan = plan_of(files(1, 2), [applied(1), applied(2, status=status, checksum="of the text that failed")])
    assert (pending(plan), plan.applied) == (["02"], ("01",))


def test_versions_are_compared_as_numbers() -> None:
    plan = plan_of(files("0001", "2", "03"), rows(1, "002"))
    assert (pending(plan), plan.applied) == (["03"], ("01", "002"))


@pytest.mark.parametrize(
    ("order", "expected"),
    [(VersionOrder.AUTO, ["9", "10"]), (VersionOrder.NUMERIC, ["9", "10"]), (VersionOrder.TEXT, ["10", "9"])],
)
def test_runs_in_the_order_that_was_chosen(order: VersionOrder, expected: list[str]) -> None:
    assert pending(plan_of(files("9", "10"), version_order=order)) == expected


def test_a_row_of_another_tools_version_is_no_obstacle() -> None:
    assert pending(plan_of(files(1), rows("init"))) == ["01"]


# Drift


def test_refuses_a_file_that_changed_after_it_was_applied() -> None:
    with pytest.raises(Drift) as caught:
        plan_of(files(1, 2), [applied(1, checksum="another")])
    (finding,) = caught.value.findings
    assert finding.message == (
        "Migration 01 checksum mismatch! File has been modified after being applied. This is unsafe."
    )
    assert finding.place == "migrations/01_example.sql:1"
    assert finding.hint == "restore the file as it was applied, and put the change into a new migration"
    assert caught.value.exit_code == 4


def test_lists_every_file_that_changed() -> None:
    with pytest.raises(Drift) as caught:
        plan_of(files(1, 2, 3), [applied(1, checksum="x"), applied(2), applied(3, checksum="y")])
    assert [finding.place for finding in caught.value.findings] == [
        "migrations/01_example.sql:1",
        "migrations/03_example.sql:1",
    ]


def test_a_changed_file_is_refused_even_behind_the_version_asked_for() -> None:
    with pytest.raises(Drift):
        plan_of(files(1, 2), [applied(1), applied(2, checksum="x")], version="01")


def test_a_changed_file_is_refused_even_where_out_of_order_is_allowed() -> None:
    with pytest.raises(Drift):
        plan_of(files(1, 2), [applied(2, checksum="x")], allow_out_of_order=True)


def test_comparing_alone_refuses_nothing() -> None:
    plan = compare(files(1, 2), [applied(2, checksum="x")], VersionOrder.AUTO)
    assert (pending(plan), plan.applied) == (["01"], ("02",))


def test_a_file_that_only_looks_different_is_a_warning() -> None:
    recorded = [applied(1, checksum="another", sql_digest=sql_digest(SQL.encode())), applied(2)]
    plan = plan_of([a_migration_file(1, sql=f"-- a comment\n{SQL}"), *files(2, 3)], recorded)
    assert (pending(plan), plan.applied) == (["03"], ("01", "02"))
    (warning,) = plan.findings
    assert (warning.level, warning.place) == (Level.WARNING, "migrations/01_example.sql:1")
    assert warning.message == "migration 01 was edited after being applied, in comments or layout only"


def test_only_what_is_unsafe_is_refused_beside_what_only_looks_different() -> None:
    recorded = [applied(1, checksum="x", sql_digest=sql_digest(SQL.encode())), applied(2, checksum="y")]
    with pytest.raises(Drift) as caught:
        plan_of(files(1, 2), recorded)
    assert [finding.place for finding in caught.value.findings] == ["migrations/02_example.sql:1"]


def test_a_refused_file_is_shown_against_the_text_that_was_applied() -> None:
    with pytest.raises(Drift) as caught:
        make_plan(files(1), [applied("1", checksum="x")], PlanPolicy(), {"1": "SELECT 0;\n"})
    assert caught.value.findings[0].diff.endswith("@@ -1,2 +1,2 @@\n-SELECT 0;\n+SELECT 1;\n ")


def test_names_the_changed_versions_as_the_ledger_writes_them() -> None:
    recorded = [
        applied("1", checksum="x"),
        applied(2),
        applied(3, checksum="y"),
        applied(4, status="failed", checksum="z"),
    ]
    assert changed_versions(files(1, 2, 3, 4, 5), [*recorded, applied("init")]) == ["1", "03"]


# The version asked for


def test_runs_up_to_the_version_asked_for_and_includes_it() -> None:
    plan = plan_of(files(1, 2, 3, 4), rows(1), version="03")
    assert (pending(plan), plan.later) == (["02", "03"], ("04",))


@pytest.mark.parametrize("asked", ["3", "03", "003"])
def test_the_version_asked_for_is_a_number(asked: str) -> None:
    assert pending(plan_of(files(1, 3), version=asked)) == ["01", "03"]


def test_a_version_that_was_applied_leaves_nothing_to_do() -> None:
    plan = plan_of(files(1, 2, 3), rows(1, 2), version="01")
    assert (pending(plan), plan.later) == ([], ("03",))


def test_the_version_asked_for_counts_in_the_order_that_was_chosen() -> None:
    plan = plan_of(files("10", "11", "9"), version="11", version_order=VersionOrder.TEXT)
    assert (pending(plan), plan.later) == (["10", "11"], ("9",))


def test_refuses_a_version_that_does_not_exist_and_names_the_last_ones() -> None:
    with pytest.raises(InputError) as caught:
        plan_of(files(*range(1, 13)), version="99")
    (finding,) = caught.value.findings
    assert finding.message == "version: there is no migration 99"
    assert finding.hint == "the last versions here are 03, 04, 05, 06, 07, 08, 09, 10, 11, 12"


# Out of order


def test_refuses_a_migration_that_came_late() -> None:
    with pytest.raises(Refused) as caught:
        plan_of(files(1, 2, 3, 4), rows(2, 4))
    assert [str(finding) for finding in caught.value.findings] == [
        "migrations/01_example.sql:1: migration 01 came late: the database already has 04",
        "migrations/03_example.sql:1: migration 03 came late: the database already has 04",
    ]
    assert caught.value.findings[0].hint == (
        "give it a number behind the last one, or allow it with `out-of-order: allow`"
    )


def test_runs_a_late_migration_with_a_warning_when_that_is_allowed() -> None:
    plan = plan_of(files(1, 2, 3), rows(2), allow_out_of_order=True)
    assert pending(plan) == ["01", "03"]
    (warning,) = plan.findings
    assert str(warning) == "migrations/01_example.sql:1: migration 01 runs behind 02"
    assert warning.level is Level.WARNING


def test_late_is_meant_in_the_order_that_was_chosen() -> None:
    assert pending(plan_of(files("10", "9"), rows("10"), version_order=VersionOrder.TEXT)) == ["9"]
    with pytest.raises(Refused):
        plan_of(files("10", "9"), rows("9"), version_order=VersionOrder.TEXT)


def test_a_failed_migration_does_not_make_those_before_it_late() -> None:
    assert pending(plan_of(files(1, 2), [applied(2, status="failed")])) == ["01", "02"]


# Missing files


def test_warns_of_an_applied_migration_whose_file_is_gone() -> None:
    plan = plan_of(files(2), [applied(1, name="users"), applied(2)])
    (warning,) = plan.findings
    assert warning.level is Level.WARNING
    assert str(warning) == "migration 01 (users) was applied, but its file is not in this checkout"
    assert warning.hint == "restore the file, so that an empty database can be brought to the same state"
    assert plan.applied == ("01", "02")


def test_a_missing_file_of_a_migration_that_failed_is_nobodys_loss() -> None:
    assert plan_of(files(1), [applied(1), applied(2, status="failed")]).findings == ()


def test_warns_of_missing_files_in_order() -> None:
    warnings = plan_of([], rows(2, 1)).findings
    assert [warning.message.split()[1] for warning in warnings] == ["01", "02"]


# The same plan


def test_a_plan_made_again_on_the_same_ground_is_the_same() -> None:
    assert plan_of(files(1, 2), rows(1)).same_as(plan_of(files(1, 2), [*rows(1), applied(2, status="running")]))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(plan_of(files(1, 2)), id="less-was-applied"),
        pytest.param(plan_of(files(1, 2, 3), rows(1)), id="more-to-run"),
        pytest.param(plan_of([a_migration_file(1), a_migration_file(2, sql="SELECT 2")], rows(1)), id="another-text"),
    ],
)
def test_a_plan_made_again_on_other_ground_is_another(other: Plan) -> None:
    assert not plan_of(files(1, 2), rows(1)).same_as(other)


@STEADY
@given(st.sets(st.integers(0, 30)), st.sets(st.integers(0, 30)), st.randoms(use_true_random=False))
def test_what_runs_is_what_the_ledger_lacks_in_order(present: set[int], done: set[int], random: object) -> None:
    shuffled = files(*present)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    plan = plan_of(shuffled, rows(*done), allow_out_of_order=True)
    assert pending(plan) == [version_text(number) for number in sorted(present - done)]
    assert plan.applied == tuple(version_text(number) for number in sorted(done))


def test_a_ledger_file_of_the_users_own_may_come_late() -> None:
    found = [a_migration_file("00", name="migration_state_tracking"), *files(1)]
    assert pending(make_plan(found, rows(1), PlanPolicy())) == ["00"]
