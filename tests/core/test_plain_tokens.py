"""What is read without PostgreSQL's scanner is read as that reads it."""

import random

import pytest

from runner.core import plain_tokens as module
from runner.core.plain_tokens import AT_ONCE, BETWEEN, plain_tokens
from runner.core.syntax import tokens_between

PARTS = [
    "SELECT", "a", "x1", "_", "E", "U", "b", "&", "e'x'", "'b'", "'it''s'", "'x\\y'", "'é'", "é", '"q"', '""', "$1",
    "$$a$$", "1", "1.5", "1.", "0x1F", "1e5", "1_000", ".", ":", "::", "-", "=", "<", "*", "/", "!", "(", ")",
    "[", ",", ";", " ", " ", "\n", "\n", "\t", "\r", "\v", "--", "--c'\n", "/*x*/",
]  # fmt: skip


def plain(text: str) -> tuple[list[bytes], int]:
    """The tokens, and the place where the text is plain no more."""
    data, tokens = text.encode(), []
    groups = plain_tokens(data, 0, len(data))
    while True:
        try:
            tokens += next(groups).split(BETWEEN)[:-1]
        except StopIteration as stop:
            return tokens, stop.value


def scanned(data: bytes) -> list[bytes]:
    return [token for group in tokens_between(data, 0, len(data), at_once=len(data) + 1) for token in group]


def test_whatever_is_plain_is_what_the_scanner_reads() -> None:
    chance, whole = random.Random(7), 0
    for _ in range(20_000):
        text = "".join(chance.choices(PARTS, k=chance.randint(1, 7)))
        tokens, place = plain(text)
        if place == len(text.encode()):
            assert tokens == scanned(text.encode()), text
            whole += 1
    assert whole > 2_000


def test_what_stands_before_the_rest_is_what_the_scanner_reads_too() -> None:
    for rest in ("$$;$$", "E'\\\\'", "é", "<>", "/* x */", "1e5", "'a\\'"):
        text = f"SELECT a -- it's\n, 'b' FROM t WHERE {rest};"
        tokens, place = plain(text)
        assert place == text.index(rest)
        assert tokens == scanned(text.encode())[: len(tokens)]
        assert len(tokens) == 7


@pytest.mark.parametrize(
    "text", ["'a'\n'b'", "'a' -- x\n'b'", "a=-1", "a:=1", "1..2", "x'1f'", "n'a'", 'u&"a"', "'a", '"a']
)
def test_what_could_be_read_in_two_ways_is_not_plain(text: str) -> None:
    _, place = plain(text)
    assert place < len(text)


@pytest.mark.parametrize("blank", [b" ", b"\n", b"\t-- a comment;\n"], ids=["one line", "lines", "comments"])
def test_many_tokens_come_in_groups(blank: bytes) -> None:
    data = (b"a" + blank) * 2 * AT_ONCE
    groups = list(plain_tokens(data, 0, len(data)))
    assert b"".join(groups) == b"a\0" * 2 * AT_ONCE
    assert max(map(len, groups)) <= 2 * AT_ONCE


@pytest.mark.parametrize("at_once", range(1, 40))
def test_wherever_a_group_ends_the_tokens_are_the_same(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    text = "SELECT 'a\nb', \"c\nd\" -- 'e'\n, 1 -- f\nFROM t\nWHERE g = 'h' -- i\n;\nVALUES ('j''\n', 2)\n;"
    whole = plain(text)
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    assert plain(text) == whole == (scanned(text.encode()), len(text))


@pytest.mark.parametrize("at_once", range(1, 40))
def test_a_literal_that_goes_on_behind_a_group_is_not_plain(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    monkeypatch.setattr(module, "AT_ONCE", at_once)
    text = "SELECT 1,\n2,\n'a' -- b\n\n'c'\n, 3"
    tokens, place = plain(text)
    assert (len(tokens), place) == (5, text.index("'a'"))


ROWS = [
    "INSERT INTO t VALUES (1, 'a;b', NULL);\n", "INSERT INTO t VALUES (2.5,'it''s\n', false) ;\n",
    "INSERT INTO t VALUES(3, 'é', DEFAULT);", "INSERT INTO t VALUES (4, -- c;\n'd', 5);\n",
    "INSERT INTO t VALUES (6, 7, 8);", "insert INTO t VALUES (1, 'a', 'b');\n",
    "INSERTINTO t VALUES (1, 'a', 'b');\n", "INSERT INTO u VALUES (1, 'a', 'b');\n",
    "INSERT INTO t VALUES (-1, 'a', 'b');\n", "INSERT INTO t VALUES (1, 'a'\n'b', 2);\n",
    "INSERT INTO t VALUES (1, E'a', 2);\n", "INSERT INTO t VALUES (1, 'a', 2)\n",
    "INSERT INTO t VALUES (1, 'a\\', 2);\n", "INSERT INTO t VALUES (1, 'a', nullx);\n",
    "INSERT INTO t VALUES (1e5, 'a', 2);\n", "INSERT INTO t VALUES (1, 'a', 2), (1, 'a', 2);\n", ";\n", "-- it's\n",
]  # fmt: skip


@pytest.mark.parametrize("at_once", [30, 60, 100])
def test_rows_that_are_read_as_wholes_have_the_same_tokens(monkeypatch: pytest.MonkeyPatch, at_once: int) -> None:
    chance, wholes = random.Random(at_once), 0
    for _ in range(2_000):
        text = "".join(chance.choices(ROWS, weights=[9] * 5 + [1] * (len(ROWS) - 5), k=chance.randint(1, 12)))
        whole = plain(text)
        with monkeypatch.context() as patch:
            patch.setattr(module, "AT_ONCE", at_once)
            assert plain(text) == whole
        if whole[1] == len(text.encode()):
            assert whole[0] == scanned(text.encode())
            wholes += 1
    assert wholes > 200


@pytest.mark.parametrize(
    ("row", "other"),
    [
        ("SELECT NULL AS x;\n", "SELECT NULLAS x;\n"),
        ("SELECT 'a' AS x;\n", "SELECT 'a'AS x;\n"),
        ("SELECT 1 x;\n", "SELECT1 x;\n"),
        ("SELECT 'a' x;\n", "SELECT'a' x;\n"),
        ("VALUES (1);\n", "VALUES (1_0);\n"),
    ],
)
def test_what_only_seems_like_the_rows_before_it_is_not(monkeypatch: pytest.MonkeyPatch, row: str, other: str) -> None:
    monkeypatch.setattr(module, "AT_ONCE", len(row))
    text = row * 9 + other + row
    whole = scanned(text.encode())
    tokens, place = plain(text)
    assert tokens == whole[: len(tokens)]
    assert tokens == whole or place < len(text) - len(row)
