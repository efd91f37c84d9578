"""What is read without PostgreSQL's scanner is read as that reads it."""

import random

import pytest

from runner.core.plain_tokens import MOST, plain_tokens
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
            tokens += next(groups)
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


def test_many_tokens_come_in_groups() -> None:
    groups = list(plain_tokens(b"a " * (MOST + 1), 0, 2 * (MOST + 1)))
    assert [len(group) for group in groups] == [MOST, 1]
