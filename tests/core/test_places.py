"""Bytes into lines and columns, as an editor shows them."""

from hypothesis import given
from hypothesis import strategies as st

from runner.core.migration import Statement
from runner.core.places import Places, locate
from tests.builders import STEADY


def line_and_column(before: str) -> tuple[int, int]:
    """Of the character behind this text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")


TEXTS = st.text(st.sampled_from("ab\n\n\r\tüß😀"), max_size=30)


@STEADY
@given(st.lists(TEXTS, max_size=6))
def test_finds_ascending_places(texts: list[str]) -> None:
    data = "".join(texts)
    places, before = Places(data.encode()), ""
    for text in texts:
        before += text
        assert places.of(len(before.encode())) == line_and_column(before)
        assert places.of(len(before.encode())) == line_and_column(before)


@STEADY
@given(TEXTS, TEXTS, st.data())
def test_finds_a_character_of_a_statement_in_its_file(gap: str, sql: str, data: st.DataObject) -> None:
    line, column = line_and_column(gap)
    statement = a_statement(gap + sql, start=len(gap.encode()), line=line, column=column)
    position = data.draw(st.integers(1, len(sql) + 1), label="position")
    assert locate(statement, position) == line_and_column(gap + sql[: position - 1])


def test_finds_the_end_of_a_statement() -> None:
    assert locate(a_statement("\n\n    SELECT\n(", start=6, line=3, column=5), 9) == (4, 2)


def a_statement(text: str, *, start: int, line: int, column: int) -> Statement:
    return Statement(source=text.encode(), start=start, end=len(text.encode()), line=line, column=column)
