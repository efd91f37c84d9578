"""What holds of every file, whatever is in it: cuts, places and digests, on thousands of generated texts."""

import hashlib
import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import PurePosixPath

import postgast
from hypothesis import example, given
from hypothesis import strategies as st
from postgast import pg_query_pb2

from runner.core.checksum import checksum, normalise
from runner.core.migration import Statement
from runner.core.model import SourceFile
from runner.core.split import Cut, CutKind, SplitError, split
from runner.core.sql_digest import sql_digest
from runner.core.statements import read_statements
from runner.core.syntax import tokens_between
from tests.builders import STEADY

BYTE_ORDER_MARK = b"\xef\xbb\xbf"
COMMENTS = (pg_query_pb2.SQL_COMMENT, pg_query_pb2.C_COMMENT)


def tokens_of(text: str) -> list[tuple[int, int]]:
    """Where libpg_query sees the tokens of a text, in bytes, comments left out."""
    return [(token.start, token.end) for token in postgast.scan(text).tokens if token.token not in COMMENTS]


# Any text at all

SCRAPS = st.sampled_from(
    ["SELECT 1", "a", "E", "é", "😀", "1", "0x1F", " ", "\n", "\r", "\r\n", "\t", ";", ";;", "'", "''", "E'", "\\",
     "\\'", '"', "$$", "$a$", "$1", "a$b", "--", "-", "/", "*", "/*", "*/", "(", ")", "CREATE RULE r AS",
     "CREATE FUNCTION f()", "BEGIN ATOMIC", "BEGIN", "CASE", "END", ".", "SET standard_conforming_strings = off;",
     "\u00a0", "{{x}}", "%s", "?"]
)  # fmt: skip
UNLIKE_POSTGRESQL = re.compile(
    r"standard_conforming|[0-9F]\$"
)  # libpg_query knows no such setting; nor is 1$$ ever SQL
ANY_TEXT = st.lists(SCRAPS, max_size=25).map("".join)


@STEADY
@given(ANY_TEXT)
@example("E'a'\r'\\';'")
@example("SELECT 1 /* /* */ ; */ -- ';\n;'")
def test_cuts_and_what_stands_between_them_are_the_whole_text(text: str) -> None:
    data = text.encode()
    cuts, stopped = cuts_of(data)
    assert all(cut.start < cut.end for cut in cuts)
    assert all(before.end <= behind.start for before, behind in pairwise(cuts))
    between = zip([0, *(cut.end for cut in cuts)], [*(cut.start for cut in cuts), stopped], strict=True)
    gaps = [data[start:end] for start, end in between]
    pieces = [data[cut.start : cut.end] for cut in cuts]
    joined = b"".join(gap + piece for gap, piece in zip(gaps, [*pieces, data[stopped:]], strict=True))
    assert joined == data
    for gap in gaps[:-1] if stopped < len(data) else gaps:
        assert all(gap[start:end] == b";" for start, end in tokens_of(gap.decode()))


def cuts_of(data: bytes) -> tuple[list[Cut], int]:
    """The cuts, and where they end: at a quote that never does, or at the end of the text."""
    cuts = []
    try:
        for cut in split(data):
            cuts.append(cut)  # noqa: PERF402 - those before an error are wanted as well
    except SplitError as error:
        return cuts, error.start
    return cuts, len(data)


@STEADY
@given(ANY_TEXT.filter(lambda text: not UNLIKE_POSTGRESQL.search(text)))
@example("SELECT E'a'\r'\\';'")
@example("SELECT e'\\'';', e'\\\\', 'a\\';")
def test_a_statement_never_begins_or_ends_inside_of_a_token(text: str) -> None:
    data = text.encode()
    try:
        tokens = tokens_of(text)
    except postgast.PgQueryError:
        return
    cuts, stopped = cuts_of(data)
    if any(cut.kind is CutKind.PSQL for cut in cuts):
        return
    assert stopped == len(data)
    inside = {place for start, end in tokens for place in range(start + 1, end)}
    assert inside.isdisjoint(place for cut in cuts for place in (cut.start, cut.end))


@STEADY
@given(st.text("a\n\té😀';\ufeff", max_size=40))
def test_checksums_are_those_of_the_text_whatever_wrote_its_line_ends(text: str) -> None:
    lines = text.lstrip("\ufeff")
    written = [lines.encode(), BYTE_ORDER_MARK + lines.encode(), lines.replace("\n", "\r\n").encode()]
    written.append(BYTE_ORDER_MARK + written[-1])
    assert {checksum(normalise(data)) for data in written} == {hashlib.sha256(lines.encode()).hexdigest()}
    assert len({sql_digest(normalise(data)) for data in written}) == 1


@STEADY
@given(ANY_TEXT, st.integers(1, 40))
@example("$a$SELECT 1$a$ U&'x' $größe$;$größe$", 1)
@example("SELECT 'a long literal' 'of two'\n'lines' /* and a comment */ + 12.5e3", 4)
def test_a_text_has_the_same_tokens_in_pieces_of_any_size(text: str, size: int) -> None:
    data = text.encode()
    try:
        whole = [data[start:end] for start, end in tokens_of(text)]
    except postgast.PgQueryError:
        return
    in_pieces = [token for group in tokens_between(data, 0, len(data), at_once=size) for token in group]
    assert in_pieces == whole


# Scripts that PostgreSQL's parser understands


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def escaped(text: str) -> str:
    return "E'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def in_dollars(text: str) -> str:
    tag = next(tag for tag in ("$$", "$a$", "$größe$", "$_1$") if tag not in text and not text.endswith("$"))
    return tag + text + tag


SAYINGS = st.lists(
    st.sampled_from(
        ["it's", ";", "--", "/*", "*/", "\\", "\n", "é", "😀", '"', "$a", "BEGIN", "END;", " ", "%s", "{{x}}"]
    ),
    max_size=6,
).map("".join)
LITERALS = SAYINGS.flatmap(lambda said: st.sampled_from([quoted, escaped, in_dollars]).map(lambda write: write(said)))
PLAIN_LAYOUT = [" ", "\n", "\t", " \n\n  ", "\r ", "\f"]
COMMENT_LAYOUT = [" -- it's; $$\n", " /* ; /* ' */ é */ ", "\n--\n", " /*\n*/ ", ' -- "größer; /*\n', "/**/ "]
LAYOUT = st.sampled_from(PLAIN_LAYOUT + COMMENT_LAYOUT)
A_CASE = "SELECT~CASE~WHEN~t.end~>~1~THEN~1~ELSE~2~END~FROM~t"
TEMPLATES = st.sampled_from(
    [
        "SELECT~{0}",
        "SELECT~1~+~2~AS~\"odd; 'name'\"",
        "INSERT~INTO~größen~VALUES~(~1~,~{0}~,~{1}~)",
        "CREATE~TABLE~t~(~a~int~DEFAULT~7~%~2~,~b~text~DEFAULT~{0}~)",
        "DO~$do$ BEGIN PERFORM 1; END; $do$",
        "CREATE~FUNCTION~f~(~)~RETURNS~text~LANGUAGE~sql~AS~{0}",
        "CREATE~OR~REPLACE~FUNCTION~f~(~)~RETURNS~int~LANGUAGE~sql~BEGIN~ATOMIC~SELECT~{0}~;~" + A_CASE + "~;~END",
        "CREATE~PROCEDURE~p~(~)~BEGIN~ATOMIC~END",
        "CREATE~FUNCTION~f~(~a~int~)~RETURNS~int~RETURN~CASE~a~WHEN~1~THEN~2~END",
        "CREATE~RULE~r~AS~ON~DELETE~TO~t~DO~ALSO~(~INSERT~INTO~a~VALUES~(~{0}~)~;~" + A_CASE + "~)",
        "CREATE~SCHEMA~s~CREATE~TABLE~t~(~a~int~)~CREATE~VIEW~v~AS~SELECT~1",
        "COMMENT~ON~TABLE~t~IS~{0}",
        "BEGIN",
        "END",
        "ALTER~TYPE~mood~ADD~VALUE~'calm'",
        "PREPARE~q~AS~SELECT~$1~,~a$b~FROM~t~WHERE~c~?|~ARRAY~[~{0}~]",
    ]
)


@dataclass(frozen=True)
class Script:
    """Statements, each with what stands before it."""

    gaps: list[str]
    statements: list[str]
    tail: str

    @property
    def text(self) -> str:
        pieces = [f"{gap}{sql};" for gap, sql in zip(self.gaps, self.statements, strict=True)]
        return "".join(pieces) + self.tail


@st.composite
def a_statement(draw: st.DrawFn) -> str:
    """One of the templates, its gaps filled with layout and comments."""
    pieces = draw(TEMPLATES).replace("{0}", "\0").replace("{1}", "\0").split("~")
    written = [draw(LITERALS) if piece == "\0" else piece for piece in pieces]
    return "".join(
        piece + (draw(LAYOUT) if behind else "") for piece, behind in zip(written, [*written[1:], ""], strict=True)
    )


GAPS = st.lists(st.sampled_from([*PLAIN_LAYOUT, *COMMENT_LAYOUT, ";", ""]), max_size=3).map("".join)


@st.composite
def a_script(draw: st.DrawFn) -> Script:
    statements = draw(st.lists(a_statement(), max_size=5))
    gaps = [draw(GAPS) for _ in statements]
    return Script(gaps, statements, draw(GAPS) + draw(st.sampled_from(["", "SELECT 1", "SELECT 1 -- open", "-- open"])))


@STEADY
@given(a_script())
def test_cuts_where_postgresqls_own_parser_does(script: Script) -> None:
    data = script.text.encode()
    tokens = tokens_of(script.text)
    expected = []
    for raw in postgast.parse(script.text).stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(data)
        start = next(start for start, _ in tokens if start >= raw.stmt_location and data[start : start + 1] != b";")
        expected.append((start, len(data[:end].rstrip(b" \t\n\r\f\v"))))
    assert [(cut.start, cut.end) for cut in split(data)] == expected


@STEADY
@given(a_script(), st.booleans(), st.booleans())
def test_statements_stand_where_an_editor_counts_them(script: Script, with_mark: bool, with_crlf: bool) -> None:
    text = script.text.replace("\n", "\r\n") if with_crlf else script.text
    raw = (BYTE_ORDER_MARK if with_mark else b"") + text.encode()
    problems: list[object] = []
    found = read_statements(source(raw), problems, problems)  # type: ignore[arg-type]
    assert problems == []
    lines = raw.decode("utf-8-sig").split("\n")
    for statement in found:
        shown = lines[statement.line - 1][statement.column - 1 :] + "\n" + "\n".join(lines[statement.line :])
        assert shown.replace("\r\n", "\n").startswith(statement.sql.decode())
    assert [statement.sql.decode() for statement in found[: len(script.statements)]] == script.statements
    assert [place(statement) for statement in found[: len(script.statements)]] == places(script)


def source(raw: bytes) -> SourceFile:
    return SourceFile(path=PurePosixPath("migrations/01_x.sql"), data=normalise(raw))


def place(statement: Statement) -> tuple[int, int]:
    return statement.line, statement.column


def places(script: Script) -> list[tuple[int, int]]:
    """Counted character by character, from what was put together."""
    found, before = [], ""
    for gap, sql in zip(script.gaps, script.statements, strict=True):
        before += gap
        line = column = 1
        for character in before:
            line, column = (line + 1, 1) if character == "\n" else (line, column + 1)
        found.append((line, column))
        before += sql + ";"
    return found


# Tokens and what stands between them

WORDS = ["SELECT", "a", "größe", '"a b"', '"A"', "1", "1.5e3", "0x1F", "+", "-", "||", "?|", "<=", "(", ")", ",", ";",
         ".", "::", ":=", "$1", "[", "]", "*", "/", "%"]  # fmt: skip
STRINGS = ["'a'", "'it''s'", "'--'", "E'\\''", "$$;$$", "$x$'$x$", "U&'\\0061'", "'/*'"]
TOKENS = st.lists(st.one_of(st.sampled_from(WORDS), st.sampled_from(STRINGS)), min_size=1, max_size=12).filter(
    lambda tokens: not any(before in STRINGS and behind in STRINGS for before, behind in pairwise(tokens))
)  # two strings on two lines are one


@STEADY
@given(TOKENS, st.data())
def test_layout_and_comments_never_change_the_sql_digest(tokens: list[str], data: st.DataObject) -> None:
    once, again = (spread(tokens, data) for _ in range(2))
    assert sql_digest(once.encode()) == sql_digest(again.encode()) is not None


@STEADY
@given(TOKENS, st.data())
def test_any_change_of_a_token_changes_the_sql_digest(tokens: list[str], data: st.DataObject) -> None:
    number = data.draw(st.integers(0, len(tokens) - 1))
    other = data.draw(st.sampled_from([word for word in WORDS if word != tokens[number]]))
    changed = [*tokens[:number], other, *tokens[number + 1 :]]
    shorter = tokens[:number] + tokens[number + 1 :]
    digests = [sql_digest(" ".join(some).encode()) for some in (tokens, changed, shorter)]
    assert None not in digests
    assert digests[0] not in digests[1:]


def spread(tokens: list[str], data: st.DataObject) -> str:
    """The tokens with blanks and comments around each."""
    around = st.lists(LAYOUT, max_size=2).map(lambda gap: " " + "".join(gap) + " ")
    return "".join(data.draw(around) + token for token in tokens) + data.draw(around)
