"""The next version and name: in the form of the set, and always behind it."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.naming import VersionOrder, problems_of_order
from runner.core.next_version import name_of, next_version
from runner.errors import InputError
from tests.builders import NOON, STEADY
from tests.core.test_naming import named

EVERY_ORDER = pytest.mark.parametrize("order", VersionOrder)


@EVERY_ORDER
@pytest.mark.parametrize(
    ("versions", "expected"),
    [
        pytest.param([], "01", id="none"),
        pytest.param(["00"], "01", id="the-ledger-only"),
        pytest.param(["01", "02", "07"], "08", id="two-digits"),
        pytest.param(["09"], "10", id="tens"),
        pytest.param(["0001", "0041"], "0042", id="four-digits"),
        pytest.param(["00000041"], "00000042", id="eight-digits-that-are-no-date"),
        pytest.param(["20261301"], "20261302", id="a-month-that-is-none"),
        pytest.param(["99991231"], "99991232", id="a-year-that-is-none"),
        pytest.param(["123456"], "123457", id="six-digits"),
        pytest.param(["20260131"], "20261122", id="date"),
        pytest.param(["20261122"], "20261123", id="date-of-today"),
        pytest.param(["20261231"], "20270101", id="date-ahead"),
        pytest.param(["202601311200"], "202611221200", id="minute"),
        pytest.param(["202611221200"], "202611221201", id="minute-taken"),
        pytest.param(["20260131120000"], "20261122120000", id="second"),
        pytest.param(["20261122120000"], "20261122120001", id="second-taken"),
        pytest.param(["20261231235959"], "20270101000000", id="second-ahead"),
        pytest.param(["20260131120000123"], "20261122120000000", id="millisecond"),
        pytest.param(["20261122120000999"], "20261122120001000", id="millisecond-ahead"),
        pytest.param(["20260131120000123456"], "20261122120000000000", id="microsecond"),
        pytest.param(["2026013101"], "2026112201", id="date-and-counter"),
        pytest.param(["2026112201", "2026112202"], "2026112203", id="date-and-counter-of-today"),
        pytest.param(["1700000000"], "1795348800", id="unix-seconds"),
        pytest.param(["1795348800"], "1795348801", id="unix-seconds-taken"),
        pytest.param(["1700000000123"], "1795348800000", id="unix-milliseconds"),
        pytest.param(["1700000000123456"], "1795348800000000", id="unix-microseconds"),
        pytest.param(["1700000000123456789"], "1795348800000000000", id="unix-nanoseconds"),
        pytest.param(["00", "20260131120000"], "20261122120000", id="the-ledger-and-stamps"),
    ],
)
def test_follows_the_set_in_its_own_form(versions: list[str], expected: str, order: VersionOrder) -> None:
    assert next_version(versions, order, NOON) == expected


def test_the_time_is_that_of_greenwich() -> None:
    in_tokyo = datetime(2026, 11, 23, 6, 0, tzinfo=timezone(timedelta(hours=9)))
    assert next_version(["20260131120000"], VersionOrder.AUTO, in_tokyo) == "20261122210000"


@pytest.mark.parametrize("versions", [["99"], ["9999"], ["01", "99"]])
@pytest.mark.parametrize("order", [VersionOrder.AUTO, VersionOrder.TEXT])
def test_a_width_that_is_used_up_is_told_with_the_way_out(versions: list[str], order: VersionOrder) -> None:
    with pytest.raises(InputError, match="last version of") as caught:
        next_version(versions, order, NOON)
    assert "version-order: numeric" in caught.value.findings[0].hint


@pytest.mark.parametrize(("version", "expected"), [("99", "100"), ("9", "10")])
def test_versions_that_are_numbers_may_grow(version: str, expected: str) -> None:
    assert next_version([version], VersionOrder.NUMERIC, NOON) == expected


def test_a_number_is_not_taken_twice() -> None:
    assert next_version(["008", "7"], VersionOrder.TEXT, NOON) == "9"


MOMENTS = st.integers(0, 6 * 10**9).map(lambda seconds: datetime(1990, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds))
VERSIONS = st.one_of(
    st.integers(0, 98).map(lambda number: f"{number:02d}"),
    st.integers(0, 9998).map(lambda number: f"{number:04d}"),
    st.integers(10**9, 10**10 - 2).map(str),
    st.integers(10**16, 10**17 - 2).map(str),
    MOMENTS.map(lambda moment: f"{moment:%Y%m%d}"),
    MOMENTS.map(lambda moment: f"{moment:%Y%m%d%H%M}"),
    MOMENTS.map(lambda moment: f"{moment:%Y%m%d%H%M%S%f}"),
)


@STEADY
@given(VERSIONS, MOMENTS)
def test_is_always_behind_and_never_makes_the_set_ambiguous(highest: str, now: datetime) -> None:
    following = next_version([highest], VersionOrder.AUTO, now)
    assert len(following) == len(highest)
    assert following > highest
    assert problems_of_order(named(f"{highest}_a.sql", f"{following}_b.sql"), VersionOrder.AUTO) == []


@pytest.mark.parametrize(
    ("title", "name"),
    [
        ("add user roles", "add_user_roles"),
        ("  Add   User-Roles!  ", "add_user_roles"),
        ("add_user_roles", "add_user_roles"),
        ("v1.2: orders/items", "v1_2_orders_items"),
        ("2FA", "2fa"),
        ("Größe ändern", "größe_ändern"),
        ("Gro\u0308ße", "größe"),
        ("добавить роли", "добавить_роли"),
        ("役割を追加", "役割を追加"),
        ("हिन्दी", "हिन्दी"),
        ("drop `users`; --", "drop_users"),
        ("../../etc/passwd", "etc_passwd"),
        ("x.down", "x_down"),
        ("🚀 launch", "launch"),
        ("a\nb\tc\0d", "a_b_c_d"),
    ],
)
def test_names_a_file_by_its_title(title: str, name: str) -> None:
    assert name_of(title) == name


@pytest.mark.parametrize("title", ["", "   ", "---", "🚀", "\n"])
def test_a_title_that_names_nothing_is_refused(title: str) -> None:
    with pytest.raises(InputError, match="no letter"):
        name_of(title)


@pytest.mark.parametrize("title", ["word " * 100, "ä" * 300, "役割" * 200, "x" * 1000])
def test_a_long_title_is_cut_to_what_a_file_system_takes(title: str) -> None:
    name = name_of(title)
    assert 50 < len(name) <= 100
    assert len(f"20261122120000_{name}.check.sql".encode()) <= 255
    assert not name.endswith("_")


@STEADY
@given(st.text(min_size=1))
def test_every_name_is_that_of_a_migration(title: str) -> None:
    try:
        name = name_of(title)
    except InputError:
        return
    (file,) = named(f"01_{name}.sql")
    assert (file.name, file.kind) == (name, "")
    assert name_of(name) == name
