"""Text → statements, each with its place in the file. PostgreSQL's own parser (libpg_query) finds where they end."""

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from runner.core.model import Statement

if TYPE_CHECKING:
    import postgast
    from postgast import pg_query_pb2


class SplitError(Exception):
    """PostgreSQL's parser refused the text. `line` and `column` count from 1."""

    def __init__(self, message: str, *, line: int, column: int, certain: bool) -> None:
        super().__init__(message)
        self.line, self.column = line, column
        self.certain = certain  # not even the scanner reads this text, so no server does


@dataclass(frozen=True, slots=True)
class ParsedStatement:
    """A statement with its syntax tree."""

    statement: Statement
    kind: str  # libpg_query's name of the node: "create_stmt"
    tree: "pg_query_pb2.Node" = field(repr=False)


def split(text: str) -> list[ParsedStatement]:
    """The statements of a file, in order; comments and empty statements between them are left out.

    Raises SplitError where libpg_query does not understand the text.
    """
    import postgast

    tokens = _scan(text)
    try:
        parsed = postgast.parse(text)
    except postgast.PgQueryError as error:
        raise _split_error(text, error, certain=False) from None
    source = text.encode()
    starts = [token.start for token in tokens if token.token not in _comments()]
    places = _Places(source)
    found = []
    for raw in parsed.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        start = starts[bisect_left(starts, raw.stmt_location)]
        line, column = places.of(start)
        sql = source[start:end].decode().rstrip()
        kind = raw.stmt.WhichOneof("node") or ""
        found.append(ParsedStatement(Statement(sql=sql, line=line, column=column), kind, raw.stmt))
    return found


def leading_words(text: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The first two words of each statement, upper-cased, with the line: what the scanner alone can tell.

    For text that the parser does not understand. Raises SplitError when not even the scanner does.
    """
    source = text.encode()
    places = _Places(source)
    words: list[str] = []
    line = 1
    for token in _scan(text):
        if token.token in _comments():
            continue
        word = source[token.start : token.end].decode().upper()
        if word != ";" and not words:
            line, _ = places.of(token.start)
        if word != ";":
            words.append(word)
        elif words:
            yield tuple(words[:2]), line
            words = []
    if words:
        yield tuple(words[:2]), line


def locate(statement: Statement, position: int) -> tuple[int, int]:
    """Line and column in the file of a character of the statement, counted from 1 as the server's errors do."""
    before = statement.sql[: position - 1]
    lines = before.count("\n")
    column = len(before) - before.rfind("\n") if lines else statement.column + len(before)
    return statement.line + lines, column


def _comments() -> frozenset[int]:
    from postgast import pg_query_pb2

    return frozenset({pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT})


def _scan(text: str) -> "Sequence[pg_query_pb2.ScanToken]":
    import postgast

    try:
        tokens: Sequence[pg_query_pb2.ScanToken] = postgast.scan(text).tokens
    except postgast.PgQueryError as error:  # a quote that never ends, a number that runs into a word
        raise _split_error(text, error, certain=True) from None
    return tokens


def _split_error(text: str, error: "postgast.PgQueryError", *, certain: bool) -> SplitError:
    before = text[: max(error.cursorpos - 1, 0)]  # counted in characters, whatever postgast's own page says
    line, column = before.count("\n") + 1, len(before) - before.rfind("\n")
    return SplitError(error.message, line=line, column=column, certain=certain)


class _Places:
    """Line and column of ascending byte offsets; every byte is looked at once."""

    def __init__(self, source: bytes) -> None:
        self._source, self._seen = source, 0
        self._line, self._column = 1, 1

    def of(self, offset: int) -> tuple[int, int]:
        passed = self._source[self._seen : offset]
        self._seen = offset
        if lines := passed.count(b"\n"):
            self._line += lines
            self._column = 1
            passed = passed[passed.rfind(b"\n") + 1 :]
        self._column += len(passed.decode(errors="replace"))
        return self._line, self._column
