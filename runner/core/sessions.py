"""Other people's sessions, in words."""

import re
from collections.abc import Sequence
from functools import cache

from runner.core.durations import in_words
from runner.core.steps import Session
from runner.patterns import maybe, zero_or_more

LONGEST_QUERY = 120  # characters
PREPARED = 0  # the process that pg_blocking_pids names for a prepared transaction, which has none
SHOWN = 5  # sessions in the way; the rest is counted

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html. Whether a quote behind a backslash ends a literal is
# decided by an E before it, and by a setting of that session: such a literal counts as one without an end.
LETTER, IN_TAG = r"[A-Za-z_\x80-\U0010ffff]", r"[A-Za-z0-9_\x80-\U0010ffff]"
TAG = maybe(rf"{LETTER}{IN_TAG}*+")
IN_LITERAL, IN_NAME = r"[^'\\]++|''|\\[^']", r'[^"]++|""'
TOKEN = (
    r"(?P<comment>--[^\n\r]*+|/\*)"
    rf"|(?P<literal>'{zero_or_more(IN_LITERAL)}'|\$(?P<tag>{TAG})\$.*?\$(?P=tag)\$)"
    rf"|(?P<number>[0-9]{zero_or_more(f'[.]|{IN_TAG}')})"
    rf"|(?:{LETTER}{zero_or_more(f'[$]|{IN_TAG}')}"  # a dollar in a name begins nothing
    rf'|\$[0-9]++|"{zero_or_more(IN_NAME)}"' + rf"|(?!['\"]|\${TAG}\$).)"
)
COMMENT_MARK = re.compile(r"/\*|\*/")
INSTEAD = {"comment": " ", "literal": "'…'", "number": "?"}


@cache
def _token() -> re.Pattern[str]:
    return re.compile(TOKEN, re.DOTALL)  # takes 30 ms, and most runs have nobody in their way


def without_values(query: str) -> str:
    """The text of a query without what may be somebody's data or password: literals, numbers, comments. From a quote on
    whose end is not to be seen, as where the server has cut the text, nothing is left.
    """
    kept: list[str] = []
    position = 0
    while position < len(query):
        token = _token().match(query, position)
        if token is None:
            return "".join(kept) + INSTEAD["literal"]
        kept.append(INSTEAD.get(token.lastgroup or "", token[0]))
        position = _behind_comment(query, token.end()) if token[0] == "/*" else token.end()
    return "".join(kept)


def _behind_comment(query: str, position: int) -> int:
    """Where the comment that has begun ends; others may be inside."""
    depth = 1
    while depth and (mark := COMMENT_MARK.search(query, position)):
        depth += 1 if mark[0] == "/*" else -1
        position = mark.end()
    return len(query) if depth else position


def one_line(query: str) -> str:
    """The text of a query on one line, cut to what fits there."""
    text = " ".join(query.split())
    return text if len(text) <= LONGEST_QUERY else text[: LONGEST_QUERY - 2] + " …"


def describe(session: Session) -> str:
    """`pid 4711, reporting, role app, idle in transaction for 3 min 05 s: SELECT …`, as far as our role may see it."""
    if session.pid == PREPARED:
        return "a prepared transaction (see pg_prepared_xacts)"
    age = in_words(session.age) if session.age is not None else ""
    doing = f"{session.state or 'in a transaction'} for {age}" if age else session.state
    known = [f"pid {session.pid}", session.application, session.role and f"role {session.role}", doing]
    return ", ".join(filter(None, known)) + (f": {session.query}" if session.query else "")


def list_in_the_way(sessions: Sequence[Session]) -> list[str]:
    """One line for each of the first; the others are counted."""
    lines = [f"in the way: {describe(session)}" for session in sessions[:SHOWN]]
    return [*lines, f"and {len(sessions) - SHOWN} more"] if len(sessions) > SHOWN else lines
