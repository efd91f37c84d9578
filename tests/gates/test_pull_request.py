"""What a pull request may do to the migrations of its base branch: nothing but add to them."""

from collections.abc import Mapping
from pathlib import PurePosixPath

import pytest

from runner.core.changes import ASTRAY, Trees, changes_of
from runner.core.model import Verdict
from runner.core.naming import LEDGER_FILE, VersionOrder
from runner.errors import Finding, Level
from runner.gates.pull_request import PullRequestPolicy, check_checkout, check_links, check_pull_request
from tests.builders import NOON

MAIN = {"01_a.sql": "A", "01_a.down.sql": "a", "02_b.sql": "B"}


def judged(
    head: Mapping[str, str],
    *,
    base: Mapping[str, str] = MAIN,
    merge_base: Mapping[str, str] | None = None,
    order: VersionOrder = VersionOrder.AUTO,
    allow: bool = False,
) -> tuple[Verdict, list[Finding]]:
    policy = PullRequestPolicy(
        folder=PurePosixPath("migrations"), base_branch="main", order=order, allow_out_of_order=allow, time=NOON
    )
    trees = Trees(merge_base=base if merge_base is None else merge_base, base=base, head=head)
    return check_pull_request(policy, trees, changes_of(trees))


def told(findings: list[Finding]) -> list[tuple[str, str]]:
    return [(str(finding), finding.hint) for finding in findings]


def without(*names: str) -> dict[str, str]:
    return {name: content for name, content in MAIN.items() if name not in names}


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        pytest.param(MAIN, "it adds no migrations, and leaves those of main alone", id="nothing"),
        pytest.param(MAIN | {"03_c.sql": "C"}, "it adds 1 migration, and leaves those of main alone", id="one"),
        pytest.param(
            MAIN | {"03_c.sql": "C", "04_d.sql": "D"}, "it adds 2 migrations, and leaves those of main alone", id="two"
        ),
        pytest.param(
            MAIN | {"01_a.down.sql": "other", "02_b.check.sql": "new"},
            "it adds no migrations, and leaves those of main alone",
            id="down-and-check-files",
        ),
        pytest.param(
            MAIN | {LEDGER_FILE: "L"}, "it adds 1 migration, and leaves those of main alone", id="the-ledger-s-own-file"
        ),
    ],
)
def test_what_only_adds_passes(head: Mapping[str, str], reason: str) -> None:
    assert judged(head) == (Verdict(gate="pull request", passed=True, reason=reason), [])


@pytest.mark.parametrize(
    ("head", "finding"),
    [
        pytest.param(
            MAIN | {"02_b.sql": "other"},
            (
                "migrations/02_b.sql:1: main has this migration, and the pull request changes it",
                "restore the file, and put the change into a new migration",
            ),
            id="changed",
        ),
        pytest.param(
            without("02_b.sql"),
            (
                "migrations/02_b.sql: main has this migration, and the pull request deletes it",
                "restore the file; to undo what it did, add a new migration",
            ),
            id="deleted",
        ),
        pytest.param(
            without("02_b.sql") | {"02_better.sql": "B"},
            (
                "migrations/02_better.sql:1: main has this migration as 02_b.sql, and the pull request renames it",
                "name it 02_b.sql again",
            ),
            id="renamed",
        ),
        pytest.param(
            without("02_b.sql") | {"03_b.sql": "B"},
            (
                "migrations/03_b.sql:1: main has this migration as 02_b.sql, and the pull request renames it",
                "name it 02_b.sql again",
            ),
            id="renumbered",
        ),
        pytest.param(
            without("02_b.sql") | {"02_other.sql": "other"},
            (
                "migrations/02_other.sql:1: main has this migration as 02_b.sql, and the pull request renames it",
                "name it 02_b.sql again, with its old content, and put the change into a new migration",
            ),
            id="renamed-and-changed",
        ),
    ],
)
def test_a_migration_of_the_base_branch_stays_as_it_is(head: Mapping[str, str], finding: tuple[str, str]) -> None:
    verdict, findings = judged(head)
    assert told(findings) == [finding]
    assert not verdict.passed
    assert verdict.reason == f"it changes what main has, or its versions are taken or late: {findings[0].path}"
    assert verdict.way_out == "leave the migrations that main has as they are, and add new ones behind them"


def test_everything_is_told_at_once() -> None:
    verdict, findings = judged({"01_a.sql": "other", "00_late.sql": "L"})
    assert [finding.path.name for finding in findings if finding.path] == ["01_a.sql", "02_b.sql", "00_late.sql"]
    assert verdict.reason.endswith(": migrations/01_a.sql, migrations/02_b.sql, migrations/00_late.sql")


def test_a_long_list_is_cut() -> None:
    many = {f"{number:02d}_a.sql": str(number) for number in range(1, 21)}
    verdict, findings = judged({}, base=many)
    assert len(findings) == 20
    assert verdict.reason.endswith("migrations/05_a.sql and 15 more")


STAMPS = {"20260101_a.sql": "A", "20260301_b.sql": "B"}


@pytest.mark.parametrize(
    ("base", "added", "expected"),
    [
        pytest.param(
            {"01_a.sql": "A", "07_b.sql": "B"},
            ["05-x y.sql"],
            [("migrations/05-x y.sql:1: version 05 comes late: main already has 07", "rename it to 08-x y.sql")],
            id="numbers",
        ),
        pytest.param(
            {"01_a.sql": "A", "07_b.sql": "B"},
            ["06_y.sql", "05_x.sql", "08_z.sql"],
            [
                ("migrations/05_x.sql:1: version 05 comes late: main already has 07", "rename it to 09_x.sql"),
                ("migrations/06_y.sql:1: version 06 comes late: main already has 07", "rename it to 10_y.sql"),
            ],
            id="several-keep-their-order",
        ),
        pytest.param(
            {"07_b.sql": "B"},
            ["05_x.sql", "05_x.down.sql"],
            [
                (
                    "migrations/05_x.sql:1: version 05 comes late: main already has 07",
                    "rename it to 08_x.sql, and its .down.sql with it",
                )
            ],
            id="with-its-down-file",
        ),
        pytest.param(
            {"07_b.sql": "B"},
            ["05_x.sql", "05_x.check.sql", "05_x.down.sql"],
            [
                (
                    "migrations/05_x.sql:1: version 05 comes late: main already has 07",
                    "rename it to 08_x.sql, and its .down.sql and .check.sql with it",
                )
            ],
            id="with-both",
        ),
        pytest.param(
            STAMPS,
            ["20260201_x.sql"],
            [
                (
                    "migrations/20260201_x.sql:1: version 20260201 comes late: main already has 20260301",
                    "rename it to 20261122_x.sql",
                )
            ],
            id="time-stamps",
        ),
        pytest.param(
            {"99_b.sql": "B"},
            ["05_x.sql"],
            [
                (
                    "migrations/05_x.sql:1: version 05 comes late: main already has 99",
                    "give `version-order: numeric`, here and in the workflows, and versions may grow longer",
                )
            ],
            id="no-number-left",
        ),
    ],
)
def test_a_version_behind_the_base_branch_is_refused_with_a_free_one(
    base: Mapping[str, str], added: list[str], expected: list[tuple[str, str]]
) -> None:
    verdict, findings = judged(dict(base) | dict.fromkeys(added, "new"), base=base)
    assert told(findings) == expected
    assert not verdict.passed


def test_a_late_version_that_is_allowed_is_a_warning() -> None:
    verdict, (finding,) = judged({"07_b.sql": "B", "05_x.sql": "X"}, base={"07_b.sql": "B"}, allow=True)
    assert verdict.passed
    assert finding.level is Level.WARNING
    assert str(finding) == "migrations/05_x.sql:1: version 05 comes late: main already has 07"


def test_what_came_to_the_base_branch_since_counts() -> None:
    _, findings = judged(
        {"01_a.sql": "A", "02_x.sql": "X"}, merge_base={"01_a.sql": "A"}, base=MAIN | {"03_c.sql": "C"}
    )
    assert told(findings) == [
        ("migrations/02_x.sql:1: version 02 is also that of 02_b.sql, which main has", "rename it to 04_x.sql")
    ]


@pytest.mark.parametrize("allow", [False, True])
@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("02_x.sql", "version 02 is also that of 02_b.sql, which main has"),
        ("2_x.sql", "version 2 is also that of 02_b.sql, which main has"),
        ("02_b.sql", "version 02 is also that of 02_b.sql, which main has"),
    ],
)
def test_a_version_is_taken_whatever_is_allowed(added: str, message: str, allow: bool) -> None:
    before = {"01_a.sql": "A"}
    verdict, (finding,) = judged(before | {added: "X"}, merge_base=before, base=MAIN, allow=allow)
    assert finding.message == message
    assert not verdict.passed


def test_two_new_files_with_one_version_are_told() -> None:
    _, findings = judged(MAIN | {"03_c.sql": "C", "03_d.sql": "D"})
    assert told(findings) == [
        ("migrations/03_d.sql:1: version 03 is also that of 03_c.sql, which is new too", "rename it to 04_d.sql")
    ]


def test_order_is_as_said() -> None:
    base = {"9_a.sql": "A", "10_b.sql": "B"}
    assert judged(base | {"11_c.sql": "C"}, base=base, order=VersionOrder.NUMERIC)[0].passed
    assert not judged(base | {"11_c.sql": "C"}, base=base, order=VersionOrder.TEXT)[0].passed


@pytest.mark.parametrize(
    ("base", "head"),
    [
        pytest.param(
            {"9_a.sql": "A", "10_b.sql": "B"}, {"09_a.sql": "A", "10_b.sql": "B"}, id="a-number-that-gets-its-zero"
        ),
        pytest.param(
            {"01_a.sql": "A", "02_b.sql": "B", "02_c.sql": "C"},
            {"01_a.sql": "A", "02_b.sql": "B", "03_c.sql": "C"},
            id="a-version-that-two-had",
        ),
        pytest.param(
            {"01_a.up.sql": "A", "02_b.sql": "B"}, {"01_a.sql": "A", "02_b.sql": "B"}, id="a-name-of-no-migration"
        ),
    ],
)
def test_a_name_that_kept_the_set_from_running_may_be_mended(base: Mapping[str, str], head: Mapping[str, str]) -> None:
    assert judged(head, base=base)[1] == []


def test_a_name_is_mended_without_another_content() -> None:
    _, findings = judged({"09_a.sql": "other", "10_b.sql": "B"}, base={"9_a.sql": "A", "10_b.sql": "B"})
    assert len(findings) == 1


def test_the_first_migrations_pass() -> None:
    assert judged({"01_a.sql": "A"}, base={})[0].passed


def test_a_folder_that_git_does_not_have_is_told_and_passes() -> None:
    verdict, (finding,) = judged({}, base={})
    assert verdict.passed
    assert finding.level is Level.WARNING
    assert finding.path == PurePosixPath("migrations")


POLICY = PullRequestPolicy(
    folder=PurePosixPath("migrations"),
    base_branch="main",
    order=VersionOrder.AUTO,
    allow_out_of_order=False,
    time=NOON,
)


def test_a_checkout_of_something_else_is_told() -> None:
    wanted = {f"0{number}.sql": "X" for number in range(1, 8)} | {"08.sql": ""}
    lacking, left = check_checkout(POLICY, wanted, {"02.sql": {"X"}, "08.sql": set[str]()})
    listed = ", ".join(f"migrations/0{number}.sql" for number in (1, 3, 4, 5, 6))
    assert lacking.message == (
        f"the checkout is not of this pull request: it lacks {listed} and 1 more, or has another content there"
    )
    assert left.message.endswith("which deletes what is there: migrations/08.sql")
    assert all("`ref: ${{ github.event.pull_request.head.sha }}`" in finding.hint for finding in (lacking, left))
    assert check_checkout(POLICY, {"01.sql": "X"}, {"01.sql": {"X"}}) == []


def test_a_link_that_leads_nowhere_is_an_error_and_may_be_mended() -> None:
    astray = {"01_a.sql": f"{ASTRAY}A", "README.md": f"{ASTRAY}R"}
    (finding,) = check_links(POLICY, Trees(merge_base=MAIN, base=MAIN, head=astray))
    assert (finding.level, finding.path) == (Level.ERROR, PurePosixPath("migrations/01_a.sql"))
    assert judged(MAIN, base=MAIN | astray)[1] == []
    assert len(judged(MAIN | astray)[1]) == 1
