"""File names: which are migrations, and when a set of them has one clear order."""

from pathlib import PurePosixPath

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from runner.core.naming import FileName, Kind, VersionOrder, gaps, parse_name, problems_of_order
from runner.errors import Finding, Level
from tests.builders import STEADY


def taken_apart(name: str) -> FileName:
    parsed = parse_name(PurePosixPath("migrations") / name)
    assert isinstance(parsed, FileName), parsed
    return parsed


def refused(name: str) -> Finding:
    parsed = parse_name(PurePosixPath("migrations") / name)
    assert isinstance(parsed, Finding), parsed
    return parsed


def named(*names: str) -> list[FileName]:
    return [taken_apart(name) for name in names]


def problems(*names: str, order: VersionOrder = VersionOrder.AUTO) -> dict[str, str]:
    """The hint of each file that is found wrong."""
    return {finding.path.name: finding.hint for finding in problems_of_order(named(*names), order) if finding.path}


@pytest.mark.parametrize(
    ("file", "version", "name", "kind"),
    [
        pytest.param("01_add_status.sql", "01", "add_status", Kind.UP, id="underscore"),
        pytest.param("01-add-status.sql", "01", "add-status", Kind.UP, id="hyphen"),
        pytest.param("01_add_status.down.sql", "01", "add_status", Kind.DOWN, id="down"),
        pytest.param("01_add_status.check.sql", "01", "add_status", Kind.CHECK, id="check"),
        pytest.param("01_add the status.sql", "01", "add the status", Kind.UP, id="blanks"),
        pytest.param("01_release_1.2.sql", "01", "release_1.2", Kind.UP, id="dots"),
        pytest.param("01_größe.sql", "01", "größe", Kind.UP, id="not-ascii"),
        pytest.param("01_2_add.sql", "01", "2_add", Kind.UP, id="digits-in-name"),
        pytest.param("01__add.sql", "01", "_add", Kind.UP, id="two-underscores"),
        pytest.param("1_add.sql", "1", "add", Kind.UP, id="one-digit"),
        pytest.param("20260131120000_add.sql", "20260131120000", "add", Kind.UP, id="seconds"),
        pytest.param("20260131120000123456_add.sql", "20260131120000123456", "add", Kind.UP, id="20-digits"),
        pytest.param("01_down.sql", "01", "down", Kind.UP, id="named-down"),
        pytest.param("01_x.down.check.sql", "01", "x.down", Kind.CHECK, id="two-kinds"),
    ],
)
def test_takes_a_name_apart(file: str, version: str, name: str, kind: Kind) -> None:
    parsed = taken_apart(file)
    assert (parsed.version, parsed.name, parsed.kind) == (version, name, kind)


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("add_status.sql", id="no-version"),
        pytest.param("v01_add.sql", id="letter-before-version"),
        pytest.param("01.sql", id="no-name"),
        pytest.param("01_.sql", id="empty-name"),
        pytest.param("01_.down.sql", id="empty-name-of-a-down-file"),
        pytest.param("01add.sql", id="no-separator"),
        pytest.param("01 add.sql", id="blank-as-separator"),
        pytest.param("01.add.sql", id="dot-as-separator"),
        pytest.param("_01_add.sql", id="underscore-first"),
        pytest.param("-1_add.sql", id="negative"),
        pytest.param("1.5_add.sql", id="fraction"),
        pytest.param("0x1_add.sql", id="hexadecimal"),
        pytest.param("０１_add.sql", id="digits-that-are-not-ascii"),
        pytest.param("01_add.SQL", id="upper-case-suffix"),
        pytest.param("01_add.sql.bak", id="another-suffix"),
        pytest.param("01_add\nstatus.sql", id="line-break"),
        pytest.param("01_add\x1b[31m.sql", id="escape-sequence"),
        pytest.param(" 01_add.sql", id="blank-first"),
    ],
)
def test_refuses_a_name_that_is_not_that_of_a_migration(name: str) -> None:
    finding = refused(name)
    assert (finding.path, finding.level) == (PurePosixPath("migrations") / name, Level.ERROR)
    assert finding.message == "this name is not that of a migration"
    assert "02_add_status.sql" in finding.hint


@pytest.mark.parametrize(("digits", "expected"), [(100, FileName), (101, Finding), (5000, Finding)])
def test_a_version_has_at_most_a_hundred_digits(digits: int, expected: type) -> None:
    assert isinstance(parse_name(PurePosixPath(f"{'1' * digits}_a.sql")), expected)


def test_refuses_another_tools_up_file_with_the_name_to_give_it() -> None:
    finding = refused("01_add.up.sql")
    assert (finding.message, finding.hint) == ("a migration has no .up in its name", "rename it to 01_add.sql")


def test_the_files_of_one_migration_share_their_stem() -> None:
    assert {file.stem for file in named("01_a b.sql", "01_a b.down.sql", "01_a b.check.sql")} == {"01_a b"}


def test_a_down_file_of_another_spelling_of_the_version_is_another_migrations() -> None:
    assert taken_apart("1_a.down.sql").stem != taken_apart("01_a.sql").stem


def test_nine_beside_ten_is_refused_with_the_rename_that_mends_it() -> None:
    (finding,) = problems_of_order(named("9_nine.sql", "10_ten.sql"), VersionOrder.AUTO)
    assert str(finding) == (
        "migrations/9_nine.sql: as a number, version 9 sorts differently than as text among the others"
    )
    assert (
        finding.hint == "rename it to 09_nine.sql, or say which order is meant with `version-order: numeric` or `text`"
    )


def test_a_day_among_seconds_is_refused_and_gets_a_time() -> None:
    found = problems("20260131_day.sql", "20250101120000_second.sql")
    assert list(found) == ["20260131_day.sql"]
    assert found["20260131_day.sql"].startswith("rename it to 20260131000000_day.sql,")


@pytest.mark.parametrize(
    ("short", "long", "renamed"),
    [
        pytest.param("99_a.sql", "20260131120000_b.sql", "00000000000099_a.sql", id="a-number-among-seconds"),
        pytest.param("20260131_a.sql", "202501011_b.sql", "020260131_a.sql", id="a-day-among-something-else"),
    ],
)
def test_only_a_day_among_seconds_gets_a_time(short: str, long: str, renamed: str) -> None:
    assert problems(short, long)[short].startswith(f"rename it to {renamed},")


def test_every_file_that_is_too_short_is_told_its_new_name() -> None:
    found = problems("98_a.sql", "99_b.sql", "100_c.sql")
    assert {name: hint.split(",")[0] for name, hint in found.items()} == {
        "98_a.sql": "rename it to 098_a.sql",
        "99_b.sql": "rename it to 099_b.sql",
    }


def test_a_rename_widens_the_version_and_not_a_number_in_the_name() -> None:
    assert problems("9_add_9.sql", "10_ten.sql")["9_add_9.sql"].startswith("rename it to 09_add_9.sql,")


def test_one_digit_is_refused_before_the_tenth_file_comes() -> None:
    (finding,) = problems_of_order(named("1_add.sql"), VersionOrder.AUTO)
    assert finding.message == "a version has two digits or more"
    assert finding.hint.startswith("rename it to 01_add.sql,")


def test_the_ledgers_own_file_is_never_to_be_renamed() -> None:
    assert "00_migration_state_tracking.sql" not in problems(
        "00_migration_state_tracking.sql", "98_a.sql", "99_b.sql", "100_c.sql"
    )


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="none"),
        pytest.param(["01_a.sql", "02_b.sql", "10_c.sql"], id="two-digits"),
        pytest.param(["00_migration_state_tracking.sql", "20260131120000_a.sql"], id="ledger-among-seconds"),
        pytest.param(["2024_a.sql", "20250101_b.sql", "20260131120000_c.sql"], id="widths-that-agree"),
        pytest.param(["20260131120000123456_a.sql", "20260131120000123457_b.sql"], id="past-64-bits"),
    ],
)
def test_accepts_versions_that_sort_alike_as_numbers_and_as_text(names: list[str]) -> None:
    assert problems(*names) == {}


@pytest.mark.parametrize("order", [VersionOrder.NUMERIC, VersionOrder.TEXT])
def test_an_order_that_was_chosen_accepts_what_is_ambiguous(order: VersionOrder) -> None:
    assert problems("1_a.sql", "9_b.sql", "10_c.sql", order=order) == {}


@pytest.mark.parametrize("order", VersionOrder)
@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param("02_a.sql", "02_b.sql", id="same-text"),
        pytest.param("2_a.sql", "002_b.sql", id="same-number"),
        pytest.param("02_a.sql", "02-a.sql", id="same-name"),
    ],
)
def test_refuses_two_files_with_one_version(first: str, second: str, order: VersionOrder) -> None:
    found = [finding for finding in problems_of_order(named(first, second), order) if "is also that of" in str(finding)]
    version = taken_apart(second).version
    assert [str(finding) for finding in found] == [f"migrations/{second}: version {version} is also that of {first}"]
    assert found[0].hint == "give the later one the next free number"


def test_counts_every_further_file_with_the_same_version() -> None:
    assert list(problems("02_a.sql", "02_b.sql", "02_c.sql")) == ["02_b.sql", "02_c.sql"]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        pytest.param(VersionOrder.AUTO, ["9", "10", "100"], id="auto"),
        pytest.param(VersionOrder.NUMERIC, ["9", "10", "100"], id="numeric"),
        pytest.param(VersionOrder.TEXT, ["10", "100", "9"], id="text"),
    ],
)
def test_sorts_versions(order: VersionOrder, expected: list[str]) -> None:
    assert sorted(["9", "100", "10"], key=order.key) == expected


def test_numbers_past_64_bits_still_sort_as_numbers() -> None:
    stamps = ["99999999999999999999", "100000000000000000000"]
    assert max(stamps, key=VersionOrder.NUMERIC.key) == stamps[1]


@pytest.mark.parametrize(
    ("versions", "shown"),
    [
        pytest.param(["01", "03"], "2", id="one"),
        pytest.param(["01", "05"], "2 to 4", id="several"),
        pytest.param(["01", "03", "07"], "2, 4 to 6", id="two-gaps"),
        pytest.param(["03", "01"], "2", id="not-sorted"),
        pytest.param(["0001", "0003"], "2", id="four-digits"),
        pytest.param([f"{n:02d}" for n in range(1, 12, 2)], "2, 4, 6, 8, 10", id="five"),
        pytest.param([f"{n:02d}" for n in range(1, 14, 2)], "2, 4, 6, 8, 10 and more", id="more-than-five"),
    ],
)
def test_warns_of_a_gap_in_short_numbering(versions: list[str], shown: str) -> None:
    (finding,) = gaps(versions)
    assert (finding.message, finding.level) == (f"the numbering has gaps: {shown}", Level.WARNING)
    assert finding.hint == "was a file forgotten?"


@pytest.mark.parametrize(
    "versions",
    [
        pytest.param([], id="none"),
        pytest.param(["05", "06"], id="late-beginning"),
        pytest.param(["00", "01", "02"], id="complete"),
        pytest.param(["00001", "00003"], id="five-digits"),
        pytest.param(["20260101", "20260131"], id="days"),
        pytest.param(["20260101120000", "20260131120000"], id="seconds"),
        pytest.param(["01", "02", "20260131"], id="numbers-and-days"),
    ],
)
def test_sees_no_gap(versions: list[str]) -> None:
    assert gaps(versions) == []


@STEADY
@given(st.lists(st.text("0129", min_size=1, max_size=4), min_size=1, max_size=6, unique_by=int))
def test_a_set_is_refused_exactly_when_its_orders_differ_or_will(versions: list[str]) -> None:
    ambiguous = sorted(versions, key=int) != sorted(versions) or any(len(version) == 1 for version in versions)
    assert bool(problems(*(f"{version}_x.sql" for version in versions))) is ambiguous


@STEADY
@given(st.lists(st.text("0129", min_size=1, max_size=4), min_size=2, max_size=6, unique_by=int))
def test_the_renames_mend_the_set(versions: list[str]) -> None:
    names = [f"{version}_x.sql" for version in versions]
    found = problems(*names)
    assume(found)
    renamed = {name: hint.removeprefix("rename it to ").split(",")[0] for name, hint in found.items()}
    assert problems(*(renamed.get(name, name) for name in names)) == {}
