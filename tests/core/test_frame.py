"""The lines around a place."""

import pytest

from runner.core.frame import code_frame

TEXT = b"one\ntwo\nthree\nfour\nfive\nsix\nseven"


def test_shows_two_lines_before_and_after_with_a_caret() -> None:
    assert code_frame(TEXT, 4, 3) == (
        "  2 | two\n"  #
        "  3 | three\n"
        "> 4 | four\n"
        "    |   ^\n"
        "  5 | five\n"
        "  6 | six"
    )


def test_begins_and_ends_with_the_file() -> None:
    assert code_frame(b"only", 1, 1) == "> 1 | only\n    | ^"


@pytest.mark.parametrize(("line", "numbers"), [(1, [1, 2, 3]), (2, [1, 2, 3, 4]), (6, [4, 5, 6, 7]), (7, [5, 6, 7])])
def test_never_leaves_the_file(line: int, numbers: list[int]) -> None:
    rows = code_frame(TEXT, line, None).split("\n")
    assert [int(row.strip("> ").split(" | ")[0]) for row in rows] == numbers


def test_without_a_column_there_is_no_caret() -> None:
    assert "^" not in code_frame(TEXT, 4, None)


def test_the_caret_stands_under_its_column_behind_tabs() -> None:
    assert code_frame(b"\ta\tb", 1, 4) == "> 1 | \ta\tb\n    | \t \t^"


def test_aligns_the_numbers_of_lines() -> None:
    rows = code_frame("\n".join(str(number) for number in range(1, 21)).encode(), 10, None).split("\n")
    assert rows == ["   8 | 8", "   9 | 9", "> 10 | 10", "  11 | 11", "  12 | 12"]


def test_cuts_lines_that_are_too_long_and_leaves_out_a_caret_behind_them() -> None:
    assert code_frame(b"x" * 1000, 1, 161) == "> 1 | " + "x" * 160 + "…"
    assert code_frame(b"x" * 1000, 1, 160) == "> 1 | " + "x" * 160 + "…\n    | " + " " * 159 + "^"


def test_a_place_behind_the_end_shows_what_there_is() -> None:
    assert code_frame(b"a\nb", 3, 1) == "  1 | a\n  2 | b"


def test_the_line_end_at_the_end_of_the_file_is_no_line() -> None:
    assert code_frame(b"a\nb\n", 2, None) == "  1 | a\n> 2 | b"


def test_a_place_far_behind_the_end_shows_nothing() -> None:
    assert code_frame(b"a\nb\nc\nd", 20, 1) == ""


def test_columns_count_characters() -> None:
    assert code_frame("SELECT 'é😀', x".encode(), 1, 14) == "> 1 | SELECT 'é😀', x\n    |              ^"


def test_a_carriage_return_does_not_begin_a_line() -> None:
    assert code_frame(b"a\rb\nc", 2, None) == "  1 | a\rb\n> 2 | c"


def test_an_empty_file_has_one_line() -> None:
    assert code_frame(b"", 1, 1) == "> 1 |\n    | ^"


def test_finds_a_line_in_the_middle_of_a_large_file() -> None:
    frame = code_frame(b"".join(b"line %d\n" % number for number in range(1, 100_001)), 50_000, None)
    assert frame.split("\n")[2] == "> 50000 | line 50000"
