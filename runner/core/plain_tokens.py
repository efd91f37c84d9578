"""The tokens of plain text, without PostgreSQL's scanner: the rows of a large file are read many times as fast.

Plain is what can be taken apart in one way only: words, numbers, literals without a backslash, quoted names, casts,
operators of one sign that stand alone. Rules: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from collections.abc import Generator
from functools import lru_cache

from runner.patterns import maybe, one_or_more, one_up_to, zero_or_more

AT_ONCE = 64 * 1024  # bytes of lines that are read together: each token takes many times its length in memory
MOST = 10_000  # tokens, where the lines are longer
BETWEEN = b"\0"  # no SQL text has one
BLANK = zero_or_more(rb"[ \t\n\r\f]++|--[^\n\r]*+")
SIGNS = rb"~!@#^&|`?+\-*/%<>="  # of operators, which end where none of these follows
WORD_ENDS = rb"(?![A-Za-z0-9_$'\"&\x80-\xff])"  # nothing that a literal begins with, as in E'…' and U&'…'
NUMBER = rb"[0-9]++" + maybe(rb"\.[0-9]++") + rb"(?![A-Za-z_.$\x80-\xff])"
# One that follows on another line goes on with the literal.
LITERAL = rb"'" + zero_or_more(rb"[^'\\]++|''") + rb"'(?!" + BLANK + rb"')"
NOT_A_SIGN_BEFORE, NOT_A_SIGN_BEHIND = rb"(?<![" + SIGNS + rb"])", rb"(?![" + SIGNS + rb"])"
PLAIN = rb"|".join(
    (
        rb"[A-Za-z_][A-Za-z0-9_]*+" + WORD_ENDS,
        NUMBER,
        LITERAL,
        rb'"' + one_or_more(rb'[^"]++|""') + rb'"',
        rb"[(),;\[\]]|\.(?![.0-9])|(?<!:)::(?![:=])",
        NOT_A_SIGN_BEFORE + rb"[+\-*/%<>=]" + NOT_A_SIGN_BEHIND,
    )
)
TOKEN = re.compile(BLANK + rb"(" + PLAIN + rb"|(?s:.*+))")  # or, from where it is not plain, all the rest
TOKENS = re.compile(one_up_to(MOST, BLANK + rb"(?:" + PLAIN + rb")"))
ALONE = re.compile(PLAIN)
BLANKS = re.compile(BLANK)
GOES_ON = re.compile(BLANK + rb"'")
CONSTANT = rb"(?i:NULL|TRUE|FALSE|DEFAULT)" + WORD_ENDS
VALUE = rb"(" + NUMBER + rb"|" + LITERAL + rb"|" + CONSTANT + rb")"
IS_VALUE = re.compile(VALUE)
IS_WORD, SEPARATORS = re.compile(rb"[A-Za-z_][A-Za-z0-9_]*+"), frozenset({b"(", b")", b",", b";"})
LONGEST_ROW = 200  # tokens


def plain_tokens(data: bytes, start: int, end: int) -> Generator[bytes, None, int]:
    """The tokens between two places of a text, without its comments, each with a NUL behind it, in groups, as far as it
    is plain; returns the place where it is no more, or `end`. At neither place may a token be under way.
    """
    row: _Row | None = None
    while True:
        while row:
            text, start = row.read(data, start, end)
            if not text:
                break
            yield text
        tokens, stop = _lines(data, start, end)
        if not tokens:
            tokens, stop = _counted(data, start, end)
        if not tokens:
            blanks = BLANKS.match(data, start, end)
            return blanks.end() if blanks else start
        yield BETWEEN.join(tokens) + BETWEEN
        row, start = _last_row(tokens) if end - stop > AT_ONCE else None, stop  # else it does not pay


def _lines(data: bytes, start: int, end: int) -> tuple[list[bytes], int]:
    """The tokens of lines, and where they end; none when the lines are too long, or one token stands on all of them."""
    longest = start + 2 * AT_ONCE
    stop = end if end <= longest else data.find(b"\n", start + AT_ONCE, longest) + 1
    tokens = TOKEN.findall(data, start, stop)
    while tokens and not tokens[-1]:
        tokens.pop()
    if tokens and not ALONE.fullmatch(tokens[-1]):
        stop -= len(tokens.pop())  # not plain, or goes on
    elif tokens and tokens[-1].endswith(b"'") and GOES_ON.match(data, stop, end):
        tokens.clear()
    return tokens, stop


def _counted(data: bytes, start: int, end: int) -> tuple[list[bytes], int]:
    """The next tokens wherever they stand, which takes twice as long."""
    found = TOKENS.match(data, start, end)
    if not found:
        return [], start
    tokens = TOKEN.findall(data, start, found.end())
    return tokens[:-1], found.end()  # behind them is nothing, which is no token


# Statements that differ in their values alone: those that follow on each other are read as wholes


class _Row:
    """One of them, by its tokens; None for each value."""

    def __init__(self, tokens: tuple[bytes | None, ...]) -> None:
        self._row = re.compile(BLANK + BLANK.join(map(_one_like, tokens)) + rb"|((?s:.++))")  # or else all the rest
        self._tokens = b"".join((b"%b" if token is None else token) + BETWEEN for token in tokens) + b"%b"

    def read(self, data: bytes, start: int, end: int) -> tuple[bytes, int]:
        """The tokens of the next ones, as far as they are like this one, and where they end."""
        stop = min(start + AT_ONCE, end)
        rows: list[tuple[bytes, ...]] = self._row.findall(data, start, stop)
        if rows and (rest := rows[-1][-1]):
            rows.pop()
            stop -= len(rest)
        return b"".join([self._tokens % row for row in rows]), stop


def _last_row(tokens: list[bytes]) -> _Row | None:
    """The statement that ends with the last of these tokens, when it has nothing but words and values."""
    if tokens[-1] != b";":
        return None
    tail = tokens[-LONGEST_ROW:-1][::-1]
    if b";" not in tail:
        return None
    row = [*tail[: tail.index(b";")][::-1], b";"]
    values = [IS_VALUE.fullmatch(token) is not None for token in row]
    others = {token for token, value in zip(row, values, strict=True) if not value} - SEPARATORS
    if not any(values) or not all(map(IS_WORD.fullmatch, others)):
        return None
    return _row(tuple(None if value else token for token, value in zip(row, values, strict=True)))


@lru_cache(maxsize=64)
def _row(tokens: tuple[bytes | None, ...]) -> _Row:
    return _Row(tokens)


def _one_like(token: bytes | None) -> bytes:
    """What reads the same token, or a value."""
    if token is None:
        return VALUE
    return re.escape(token) + (b"" if token in SEPARATORS else WORD_ENDS)
