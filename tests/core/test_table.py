"""A table as plain text: as wide as its content, or as the terminal."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from runner.core.table import Table, as_lines, as_text, moment

APPLIED = Table(
    headings=("version", "name", "applied at", "note"),
    rows=(
        ("01", "users", "2026-11-22 12:00:00 UTC", ""),
        ("02", "orders", "", 'migrations/02_orders.sql:3:1: relation "customers" does not exist (SQLSTATE 42P01)'),
    ),
)


def test_a_table_is_as_wide_as_its_content() -> None:
    assert as_text(Table(headings=("version", "by"), rows=(("01", "ada"), ("20260131120000", "")))) == (
        "version         by\n"  #
        "──────────────  ───\n"
        "01              ada\n"
        "20260131120000"
    )


def test_a_table_without_rows_shows_its_headings() -> None:
    assert as_text(Table(headings=("a", "bc"), rows=())) == "a  bc\n─  ──"


def test_a_table_that_fits_is_not_narrowed() -> None:
    assert as_lines(APPLIED, 1000, aside="note") == as_lines(APPLIED)
    assert len(as_lines(APPLIED)) == 4


def test_what_is_too_wide_is_told_below_its_row() -> None:
    assert "\n".join(as_lines(APPLIED, 50, aside="note")) == (
        "version  name    applied at\n"
        "───────  ──────  ───────────────────────\n"
        "01       users   2026-11-22 12:00:00 UTC\n"
        "02       orders\n"
        "    migrations/02_orders.sql:3:1: relation\n"
        '    "customers" does not exist (SQLSTATE 42P01)'
    )


def test_columns_break_between_words_where_that_is_not_enough() -> None:
    assert as_lines(APPLIED, 30, aside="note")[2] == (
        "01       users   2026-11-22\n"  #
        "                 12:00:00 UTC"
    )


@pytest.mark.parametrize("width", [1, 10, 26])
def test_a_word_is_never_broken(width: int) -> None:
    table = Table(headings=APPLIED.headings[:3], rows=tuple(row[:3] for row in APPLIED.rows))
    words = "\n".join(as_lines(table, width, aside="note")).split()
    assert {"2026-11-22", "12:00:00", "UTC", "orders"} <= set(words)


def test_there_is_one_text_for_each_row_however_narrow() -> None:
    assert len(as_lines(APPLIED, 20, aside="note")) == len(as_lines(APPLIED)) == 2 + len(APPLIED.rows)


def test_a_cell_stays_in_its_row_whatever_is_in_it() -> None:
    assert as_text(Table(headings=("name", "by"), rows=(("a\nb\tc\x1b[2J", "ada"),))).splitlines()[2:] == [
        "a b c\\x1b[2J  ada"
    ]


def test_moments_are_told_in_utc() -> None:
    assert moment(datetime(2026, 11, 22, 14, tzinfo=timezone(timedelta(hours=2)))) == "2026-11-22 12:00:00 UTC"
    assert moment(datetime(2026, 11, 22, 12, tzinfo=UTC)) == "2026-11-22 12:00:00 UTC"
