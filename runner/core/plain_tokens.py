"""The tokens of plain text, without PostgreSQL's scanner: the rows of a large file are read several times as fast.

Plain is what can be taken apart in one way only: words, numbers, literals without a backslash, quoted names, casts,
operators of one sign that stand alone. Rules: https://www.postgresql.org/docs/current/sql-syntax-lexical.html
"""

import re
from collections.abc import Generator

MOST = 10_000  # tokens of a group: each takes many times its length in memory
BLANK = rb"(?:[ \t\n\r\f]|--[^\n\r]*+)*+"
SIGNS = rb"~!@#^&|`?+\-*/%<>="  # of operators, which end where none of these follows
PLAIN = rb"|".join(
    (
        rb"[A-Za-z_][A-Za-z0-9_]*+(?![$'\"&\x80-\xff])",  # nothing that a literal begins with, as in E'…' and U&'…'
        rb"[0-9]++(?:\.[0-9]++)?+(?![A-Za-z_.$\x80-\xff])",
        rb"'(?:[^'\\]++|'')*+'(?!" + BLANK + rb"')",  # one that follows on another line goes on with the literal
        rb'"(?:[^"]++|"")++"',
        rb"[(),;\[\]]|\.(?![.0-9])|(?<!:)::(?![:=])",
        rb"(?<![" + SIGNS + rb"])[+\-*/%<>=](?![" + SIGNS + rb"])",
    )
)
TOKEN = re.compile(BLANK + rb"(" + PLAIN + rb")")
TOKENS = re.compile(rb"(?:" + BLANK + rb"(?:" + PLAIN + rb")){1,%d}+" % MOST)
BLANKS = re.compile(BLANK)


def plain_tokens(data: bytes, start: int, end: int) -> Generator[list[bytes], None, int]:
    """The tokens between two places of a text, without its comments, in groups, as far as it is plain; returns the
    place where it is no more, or `end`. At neither place may a token be under way.
    """
    while found := TOKENS.match(data, start, end):
        yield TOKEN.findall(data, start, found.end())
        start = found.end()
    blanks = BLANKS.match(data, start, end)
    return blanks.end() if blanks else start
