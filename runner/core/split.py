"""Text → statements: where each begins and ends. Cut where psql cuts, so that a file means here what it means there.

https://www.postgresql.org/docs/current/sql-syntax-lexical.html; that a `;` inside the parentheses of a rule or inside
BEGIN ATOMIC … END ends nothing is psql's rule as well. Works on bytes, in one pass and without a copy of the text.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from runner.patterns import maybe, one_or_more, one_up_to, zero_or_more

BLANK = re.compile(zero_or_more(rb"[ \t\n\r\f\v]++|--[^\n\r]*+"))
LINE = re.compile(rb"[^\n\r]*+")
COMMENT_MARK = re.compile(rb"/\*|\*/")
DOLLAR_TAG = re.compile(rb"\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*+)?\$")
IN_WORD = rb"[A-Za-z0-9_$\x80-\xff]"
BEHIND_WORD = re.compile(rb"(?<=" + IN_WORD + rb")")
PLAIN = rb"'" + zero_or_more(rb"[^']++|''") + rb"'"
PLAIN_LITERAL = re.compile(PLAIN)
QUOTED_NAME = rb'"' + zero_or_more(rb'[^"]++|""') + rb'"'

# A literal that an E begins goes on, with the same escapes, in a quote on the next line.
ESCAPED = rb"'" + zero_or_more(rb"[^'\\]++|\\.|''") + rb"'"
COMMENT_LINE = rb"--[^\n\r]*+"
NEXT_LINE = (
    rb"[ \t\f\v]*+" + maybe(COMMENT_LINE) + rb"[\n\r]"
    + zero_or_more(rb"[ \t\n\r\f\v]++|" + COMMENT_LINE + rb"[\n\r]")
)  # fmt: skip
ESCAPED_LITERAL = re.compile(ESCAPED + zero_or_more(NEXT_LINE + ESCAPED), re.DOTALL)
ROUNDS = 10_000  # of one match, which may have to remember each


def _uneventful(*more: bytes, stops: bytes = b"", literal: bytes = rb"(?<![eE])" + PLAIN) -> "re.Pattern[bytes]":
    """A part of a text in which no statement can end: it stops before whatever must be looked at."""
    parts = (rb"[^;'\"$\-/\\" + stops + rb"]++", literal, QUOTED_NAME, rb"-(?!-)", rb"/(?!\*)", *more)
    return re.compile(one_up_to(ROUNDS, rb"|".join(parts)), re.DOTALL)


UNEVENTFUL = _uneventful()
OF_ROWS = rb"(?i:INSERT|UPDATE|DELETE|SELECT|VALUES|WITH|MERGE)\b"  # how statements begin that read or write rows
# To its end there is nothing to see.
EASY = re.compile(BLANK.pattern + OF_ROWS + maybe(UNEVENTFUL.pattern) + rb";", re.DOTALL)
UNEVENTFUL_WITH_ESCAPES = _uneventful(literal=ESCAPED)  # while standard_conforming_strings is off
# With others inside, but none inside of those.
COMMENT = rb"/\*" + zero_or_more(rb"[^*/]++|\*(?!/)|/(?!\*)|/\*.*?\*/") + rb"\*/"
GAP = one_or_more(rb"[ \t\n\r\f\v]|--[^\n\r]*+|" + COMMENT)
WITH_A_BODY = re.compile(
    rb"CREATE" + GAP + rb"(?:OR" + GAP + rb"REPLACE" + GAP + rb")?(?:RULE|FUNCTION|PROCEDURE)\b",
    re.IGNORECASE | re.DOTALL,
)
BODY_WORD = re.compile(rb"(BEGIN" + GAP + rb"ATOMIC|BEGIN|CASE|END)(?!" + IN_WORD + rb")", re.IGNORECASE | re.DOTALL)
WORD = rb"[A-Za-z_\x80-\xff]" + IN_WORD + rb"*+"
IN_A_BODY = (
    rb"(?i:AS)" + GAP + WORD,  # or have that for its label
    rb"(?!(?i:BEGIN|CASE|END)(?!" + IN_WORD + rb"))" + WORD,
    rb"[0-9]" + zero_or_more(rb"\.|" + IN_WORD),
    rb"\.[ \t\n\r\f\v]*+" + maybe(WORD),  # a column may be called end, behind its table
)
BODY_STOPS = rb"().A-Za-z_0-9\x80-\xff"
UNEVENTFUL_IN_A_BODY = _uneventful(*IN_A_BODY, stops=BODY_STOPS)
UNEVENTFUL_IN_A_BODY_WITH_ESCAPES = _uneventful(*IN_A_BODY, stops=BODY_STOPS, literal=ESCAPED)

MAYBE = maybe(GAP)
NAME = rb"(?:" + WORD + rb"|" + QUOTED_NAME + rb")"
COPY_FROM_CLIENT = re.compile(
    rb"COPY" + GAP + rb"(?:BINARY" + GAP + rb")?" + NAME + zero_or_more(MAYBE + rb"\." + MAYBE + NAME) + MAYBE
    + maybe(rb"\(" + zero_or_more(rb'[^()"]++|"[^"]*+"') + rb"\)") + MAYBE + rb"FROM" + GAP + rb"STD(?:IN|OUT)\b",
    re.IGNORECASE | re.DOTALL,
)  # fmt: skip
END_OF_DATA = re.compile(rb"^\\\.[ \t]*$", re.MULTILINE)
LITERALS = b"standard_conforming_strings"
LITERALS_SET = re.compile(
    rb"SET\s+(?:SESSION\s+|LOCAL\s+)?standard_conforming_strings\s*(?:=|\bTO\b)\s*'?(\w+)"
    rb"|RESET\s+(?:standard_conforming_strings|ALL)\b",
    re.IGNORECASE,
)
PIECE = 64 * 1024  # bytes
OFF = frozenset({b"off", b"false", b"no", b"0"})


class SplitError(Exception):
    """A quote or comment that never ends, so that nobody can tell where a statement does. `start`: where it begins."""

    def __init__(self, message: str, start: int) -> None:
        super().__init__(message)
        self.start = start


class CutKind(StrEnum):
    """What stands between two cuts."""

    STATEMENT = "statement"
    ESCAPES = "statement whose plain literals have backslash escapes"  # which libpg_query would misread
    PSQL = "command of psql"


@dataclass(frozen=True, slots=True)
class Cut:
    """A piece of the text, in bytes, without the blanks and comments around it."""

    start: int
    end: int
    kind: CutKind = CutKind.STATEMENT
    count: int = 1  # statements


def split(data: bytes, *, together: int = 0) -> Iterator[Cut]:
    """The statements of a text, in order, and the commands of psql between them; empty statements are left out. Those
    that read or write rows come in cuts of several, of `together` bytes at most, as far as nothing odd is in them.

    Raises SplitError, after what stands before the place.
    """
    position = start = skip_blank(data, 0)
    watches_literals = mentions(data, (LITERALS,), 0, len(data))
    escapes = False  # whether plain literals have backslash escapes
    uneventful, opened = _manner(data, start, escapes=escapes), 0
    while True:
        if together and position == start and not escapes and (rows := _rows(data, start, start + together)):
            yield rows
            position = start = skip_blank(data, data.index(b";", rows.end) + 1)
            uneventful = _manner(data, start, escapes=escapes)
            continue
        position = _past(uneventful, data, position)
        match data[position : position + 1]:
            case b";" if not opened:
                yield from _statement(data, start, position, escapes=escapes)
                if COPY_FROM_CLIENT.match(data, start, position):
                    position = _behind_rows(data, position)
                elif watches_literals and (setting := LITERALS_SET.match(data, start, position)):
                    escapes = (setting[1] or b"").lower() in OFF
                position = start = skip_blank(data, position + 1)
                uneventful = _manner(data, start, escapes=escapes)
            case b"\\":
                yield from _statement(data, start, position, escapes=escapes)
                end = _end_of_line(data, position)
                yield Cut(position, end, CutKind.PSQL)
                position = start = skip_blank(data, end)
                uneventful, opened = _manner(data, start, escapes=escapes), 0
            case b"'" | b'"' | b"$" | b"-" | b"/" as mark:
                position = _behind(data, position, mark, escapes=escapes)
            case b"(" | b")" as mark:
                position, opened = position + 1, max(opened + (1 if mark == b"(" else -1), 0)
            case b"":
                break
            case _:
                word = BODY_WORD.match(data, position)
                opened += _opens(word[1].upper(), opened) if word else 0
                position = word.end() if word else position + 1
    yield from _statement(data, start, len(data), escapes=escapes)


def mentions(data: bytes, names: Sequence[bytes], start: int, end: int) -> bool:
    """Whether one of the names, which are in lower case, stands between two places of a text, in whatever case. Looks
    at it piece by piece: that is faster than a search that ignores case, and needs no second copy.
    """
    longest = max(map(len, names))
    pieces = (data[begin : min(begin + PIECE + longest, end)].lower() for begin in range(start, end, PIECE))
    return any(name in piece for piece in pieces for name in names)


def _rows(data: bytes, start: int, most: int) -> Cut | None:
    """The easy statements from here on, as far as they end before a place, but one of any length; None if there is
    none.
    """
    end, count = start, 0
    while (easy := EASY.match(data, end)) and (not count or easy.end() <= most):
        end, count = easy.end(), count + 1
    return Cut(start, _trimmed(data, start, end - 1), count=count) if count else None


def _manner(data: bytes, start: int, *, escapes: bool) -> "re.Pattern[bytes]":
    """How to read on in the statement that begins here."""
    if WITH_A_BODY.match(data, start):
        return UNEVENTFUL_IN_A_BODY_WITH_ESCAPES if escapes else UNEVENTFUL_IN_A_BODY
    return UNEVENTFUL_WITH_ESCAPES if escapes else UNEVENTFUL


def _opens(word: bytes, opened: int) -> int:
    """What a word of a routine does to the number of bodies and parentheses that are open."""
    if word.startswith(b"BEGIN"):
        return 1 if word != b"BEGIN" else 0
    if not opened:
        return 0
    return 1 if word == b"CASE" else -1


def _statement(data: bytes, start: int, end: int, *, escapes: bool) -> Iterator[Cut]:
    end = _trimmed(data, start, end)
    if end > start:
        yield Cut(start, end, CutKind.ESCAPES if escapes and b"\\" in data[start:end] else CutKind.STATEMENT)


def _trimmed(data: bytes, start: int, end: int) -> int:
    """The end without blanks before it."""
    while end > start and data[end - 1] in b" \t\n\r\f\v":
        end -= 1
    return end


def skip_blank(data: bytes, position: int) -> int:
    """The position behind blanks and comments."""
    while True:
        position = _past(BLANK, data, position)
        if not data.startswith(b"/*", position):
            return position
        position = _behind_comment(data, position)


def _behind(data: bytes, position: int, mark: bytes, *, escapes: bool) -> int:
    """The position behind the comment or the quoted text that begins here, or behind a $ that is only a $."""
    match mark:
        case b"-":
            return _end_of_line(data, position)
        case b"/":
            return _behind_comment(data, position)
        case b"$":
            return _behind_dollars(data, position)
        case b"'":
            before = data[position - 1 : position]
            escapes = escapes or (before in (b"e", b"E") and not BEHIND_WORD.match(data, position - 1))
            literal = (ESCAPED_LITERAL if escapes else PLAIN_LITERAL).match(data, position)
            if literal:
                return literal.end()
            raise SplitError("the literal that begins here never ends", position)
        case _:
            raise SplitError("the quoted name that begins here never ends", position)


def _behind_dollars(data: bytes, position: int) -> int:
    tag = DOLLAR_TAG.match(data, position)
    if tag is None or BEHIND_WORD.match(data, position):
        return position + 1
    end = data.find(tag[0], tag.end())
    if end < 0:
        raise SplitError(f"the text that begins here with {tag[0].decode(errors='replace')} never ends", position)
    return end + len(tag[0])


def _behind_comment(data: bytes, position: int) -> int:
    """The position behind a block comment, which may have others inside."""
    depth = 0
    for mark in COMMENT_MARK.finditer(data, position):
        depth += 1 if mark[0] == b"/*" else -1
        if not depth:
            return mark.end()
    raise SplitError("the comment that begins here never ends", position)


def _behind_rows(data: bytes, position: int) -> int:
    """The position behind the rows that follow a COPY from stdin: their end mark, or the end of the text."""
    end = END_OF_DATA.search(data, position)
    return end.end() if end else len(data)


def _end_of_line(data: bytes, position: int) -> int:
    return _past(LINE, data, position)


def _past(pattern: "re.Pattern[bytes]", data: bytes, position: int) -> int:
    """The position behind all that a pattern matches from here on, which may be nothing."""
    while (found := pattern.match(data, position)) and found.end() > position:
        position = found.end()
    return position
