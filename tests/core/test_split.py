"""Text into statements: where each begins and ends, whatever stands in quotes, bodies and comments."""

from dataclasses import dataclass, replace

import postgast
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.split import Cut, SplitError, skip_blank, split
from tests.builders import STEADY


def cuts(text: str) -> list[Cut]:
    return list(split(text.encode()))


def pieces(text: str) -> list[str]:
    return [text.encode()[cut.start : cut.end].decode() for cut in cuts(text)]


def kinds(text: str) -> list[tuple[str, str]]:
    return [(cut.kind.name, piece) for cut, piece in zip(cuts(text), pieces(text), strict=True)]


def refusal(text: str) -> tuple[list[Cut], SplitError]:
    """What comes before the place that is refused, and how it is."""
    before: list[Cut] = []
    with pytest.raises(SplitError) as caught:
        before.extend(split(text.encode()))
    return before, caught.value


WHOLE = [
    pytest.param("SELECT 'a;b'", id="literal"),
    pytest.param("SELECT 'it''s; fine'", id="doubled-quote"),
    pytest.param("SELECT '', ';', ''''", id="quotes-only"),
    pytest.param(r"SELECT E'it\'s; fine'", id="escapes"),
    pytest.param(r"SELECT e'\\', ';'", id="escaped-backslash"),
    pytest.param(r"SELECT E'it''s\';'", id="escapes-and-a-doubled-quote"),
    pytest.param("SELECT E'a'\n  'b\\';'", id="escapes-on-the-next-line"),
    pytest.param("SELECT E'a'\r'b\\';'", id="escapes-behind-a-carriage-return"),
    pytest.param("SELECT type'\\', ';'", id="a-name-that-ends-in-e"),
    pytest.param(r"SELECT 'C:\', ';'", id="backslash-in-a-plain-literal"),
    pytest.param(r"SELECT N'\', U&'\0061;', B'01', X'1F'", id="other-literals"),
    pytest.param("SELECT 'a\n;\nb'", id="literal-over-lines"),
    pytest.param("SELECT '--', '/*'", id="comment-marks-in-literals"),
    pytest.param('SELECT "a;b"', id="name"),
    pytest.param('SELECT "a"";""b"', id="name-with-quotes"),
    pytest.param("SELECT $$a;b$$", id="dollars"),
    pytest.param("SELECT $a$;$$;$b$;$a$", id="dollars-in-dollars"),
    pytest.param("SELECT $größe$;'$größe$", id="dollar-tag-with-an-umlaut"),
    pytest.param("SELECT $_1$;$_1$", id="dollar-tag-with-a-digit"),
    pytest.param("DO $do$ BEGIN PERFORM 1; EXECUTE $x$SELECT 2;$x$; END $do$", id="do-block"),
    pytest.param("PREPARE q AS SELECT $1, $2", id="parameters"),
    pytest.param("SELECT a$b, a$$b, c$1, d$e$f", id="names-with-dollars"),
    pytest.param("SELECT größe$$, 'ß;'", id="name-with-an-umlaut-and-dollars"),
    pytest.param("SELECT 1 - 2 / 3 -1", id="signs-of-which-comments-are-made"),
    pytest.param("SELECT 1 /* ; ' $$ \" */ + 1", id="block-comment"),
    pytest.param("SELECT 1 /* a /* nested; */ b; */ + 1", id="comment-in-a-comment"),
    pytest.param("SELECT 1 /*/ ; /**/ */ + 1", id="comment-that-begins-with-its-end"),
    pytest.param("SELECT 1 -- don't; $$ /*\n + 1", id="line-comment"),
    pytest.param("SELECT 1 -- a;\r + 1", id="carriage-return-ends-a-comment"),
    pytest.param("SELECT\f1\v+\r2", id="form-feed"),
    pytest.param("SELECT '😀;', 'é;'", id="multibyte"),
    pytest.param("SELECT '{\"a\": 1}'::jsonb ? 'a', 7 % 2, '{{ x }}', '${y}'", id="placeholders-of-others"),
    pytest.param("CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1", id="schema-with-elements"),
    pytest.param("CREATE FUNCTION f() RETURNS int LANGUAGE sql RETURN CASE WHEN true THEN 1 END", id="return"),
]
OURS_ALONE = [  # libpg_query's scanner knows no comment in a literal that goes on; psql's and the server's do
    pytest.param("SELECT E'a' -- it's;\n\n-- $$\n'b\\';'", id="escapes-behind-comments"),
]
BODIES = [
    pytest.param("CREATE FUNCTION f() RETURNS int BEGIN ATOMIC SELECT 1; SELECT 2; END", id="atomic"),
    pytest.param("create\n or /* ; */ replace procedure p() begin -- ;\natomic select 1; end", id="with-comments"),
    pytest.param("CREATE PROCEDURE p() BEGIN ATOMIC END", id="empty"),
    pytest.param(
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT CASE WHEN a THEN CASE b WHEN 1 THEN 2 END END; END", id="case"
    ),
    pytest.param(
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT (CASE WHEN a THEN 1 END); SELECT 2; END", id="case-in-parens"
    ),
    pytest.param(
        'CREATE FUNCTION f() BEGIN ATOMIC SELECT t.end, "end", t . end FROM t; SELECT 2; END', id="column-end"
    ),
    pytest.param("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 AS end, 2 AS case; SELECT 2; END", id="label-end"),
    pytest.param(
        "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1. AS x, CASE WHEN a THEN 1. END; END", id="number-with-a-dot"
    ),
    pytest.param("CREATE FUNCTION f() BEGIN ATOMIC SELECT end_of, begin_x, case_1, weekend; SELECT 2; END", id="words"),
    pytest.param("CREATE FUNCTION f(begin int, atomic int) BEGIN ATOMIC SELECT begin; SELECT 2; END", id="names"),
    pytest.param("CREATE FUNCTION f(a int DEFAULT CASE WHEN true THEN 1 END) BEGIN ATOMIC SELECT 1; END", id="default"),
    pytest.param("CREATE FUNCTION f() BEGIN ATOMIC SELECT 'END;', $$;END;$$, E'\\';END'; END", id="literals"),
    pytest.param("CREATE FUNCTION f() BEGIN /* /* ; */ */ ATOMIC SELECT 1; END", id="nested-comment"),
    pytest.param("CREATE FUNCTION f() AS 'BEGIN; END' LANGUAGE plpgsql", id="body-in-a-literal"),
    pytest.param("CREATE FUNCTION f() AS $$ BEGIN; CASE; END; $$ LANGUAGE plpgsql", id="body-in-dollars"),
    pytest.param("CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)", id="rule"),
    pytest.param(
        "CREATE OR REPLACE RULE r AS ON UPDATE TO t WHERE old.end IS NULL DO (SELECT (1); SELECT 2)", id="rule-end"
    ),
]


@pytest.mark.parametrize("sql", [*WHOLE, *OURS_ALONE, *BODIES])
def test_cuts_only_where_a_statement_ends(sql: str) -> None:
    assert pieces(f"{sql};\nSELECT 2;") == [sql, "SELECT 2"]


@pytest.mark.parametrize("sql", WHOLE)
def test_cuts_where_the_servers_parser_does(sql: str) -> None:
    text = f"{sql};\n{sql}; /* ; */ SELECT 2".encode()
    parsed = [(skip_blank(text, raw.stmt_location), raw.stmt_len) for raw in postgast.parse(text.decode()).stmts]
    assert [cut.start for cut in split(text)] == [start for start, _ in parsed]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\t\f\v\r\n", [], id="blank"),
        pytest.param("-- nothing\n/* here */", [], id="comments-only"),
        pytest.param("-- a comment without a line end", [], id="open-comment-only"),
        pytest.param(";;\n;", [], id="semicolons-only"),
        pytest.param("SELECT 1;; ;SELECT 2;;", ["SELECT 1", "SELECT 2"], id="empty-statements-between"),
        pytest.param("SELECT 1", ["SELECT 1"], id="no-semicolon-at-the-end"),
        pytest.param("SELECT 1;\nSELECT 2\n", ["SELECT 1", "SELECT 2"], id="newline-for-the-last-semicolon"),
        pytest.param("SELECT 1; -- the end", ["SELECT 1"], id="open-comment-at-the-end"),
        pytest.param("/* a */ SELECT 1 /* b */; -- c", ["SELECT 1 /* b */"], id="comments-around"),
        pytest.param("SELECT 1 \f\r\n;", ["SELECT 1"], id="blanks-at-the-end"),
        pytest.param("BEGIN; SELECT 1; END", ["BEGIN", "SELECT 1", "END"], id="begin-is-no-body"),
        pytest.param("CREATE TABLE t (a int); END;", ["CREATE TABLE t (a int)", "END"], id="end-is-no-body"),
        pytest.param("SELECT (1; SELECT 2", ["SELECT (1", "SELECT 2"], id="open-parenthesis"),
        pytest.param("CREATE RULE r )) ; SELECT 2", ["CREATE RULE r ))", "SELECT 2"], id="closing-parentheses"),
    ],
)
def test_leaves_out_what_is_not_a_statement(text: str, expected: list[str]) -> None:
    assert pieces(text) == expected


def test_a_comment_behind_the_last_statement_cannot_swallow_what_comes_next() -> None:
    (sql,) = pieces("SELECT 1 -- open")
    assert pieces(f"{sql}\n; SELECT 2") == ["SELECT 1 -- open", "SELECT 2"]


@pytest.mark.parametrize(
    ("text", "message", "start", "before"),
    [
        pytest.param("SELECT 1;\nSELECT 'abc", "the literal that begins here never ends", 17, 1, id="literal"),
        pytest.param("SELECT '''", "the literal that begins here never ends", 7, 0, id="literal-with-a-quote"),
        pytest.param(r"SELECT E'\'", "the literal that begins here never ends", 8, 0, id="escapes"),
        pytest.param('SELECT 1; SELECT "abc;', "the quoted name that begins here never ends", 17, 1, id="name"),
        pytest.param("SELECT $a$ $b$;", "the text that begins here with $a$ never ends", 7, 0, id="dollars"),
        pytest.param("SELECT $ü$ $u$", "the text that begins here with $ü$ never ends", 7, 0, id="tag-with-an-umlaut"),
        pytest.param("SELECT 1;\n\n/* /* */", "the comment that begins here never ends", 11, 1, id="comment"),
        pytest.param("SELECT 1 /* x", "the comment that begins here never ends", 9, 0, id="comment-in-a-statement"),
        pytest.param("SELECT 'é', 'x", "the literal that begins here never ends", 13, 0, id="behind-multibyte-text"),
    ],
)
def test_refuses_what_never_ends_behind_the_statements_before_it(
    text: str, message: str, start: int, before: int
) -> None:
    found, error = refusal(text)
    assert (str(error), error.start, len(found)) == (message, start, before)


# psql


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            "\\connect app\nSELECT 1;", [("PSQL", "\\connect app"), ("STATEMENT", "SELECT 1")], id="at-the-beginning"
        ),
        pytest.param("SELECT 1;\n  \\q", [("STATEMENT", "SELECT 1"), ("PSQL", "\\q")], id="at-the-end"),
        pytest.param(
            "SELECT 1 \\gset x_\n", [("STATEMENT", "SELECT 1"), ("PSQL", "\\gset x_")], id="instead-of-an-end"
        ),
        pytest.param(
            "\\echo it's; $$\r\nSELECT 1",
            [("PSQL", "\\echo it's; $$"), ("STATEMENT", "SELECT 1")],
            id="with-open-quotes",
        ),
        pytest.param(
            "CREATE RULE r (\n\\i x\n; SELECT 1",
            [("STATEMENT", "CREATE RULE r ("), ("PSQL", "\\i x"), ("STATEMENT", "SELECT 1")],
            id="inside-of-parentheses",
        ),
        pytest.param("SELECT '\n\\q\n'", [("STATEMENT", "SELECT '\n\\q\n'")], id="inside-of-a-literal"),
        pytest.param("-- \\q\nSELECT 1 /* \\q */", [("STATEMENT", "SELECT 1 /* \\q */")], id="inside-of-a-comment"),
    ],
)
def test_tells_the_commands_of_psql_from_statements(text: str, expected: list[tuple[str, str]]) -> None:
    assert kinds(text) == expected


@pytest.mark.parametrize(
    "copy",
    [
        "COPY t FROM stdin",
        "copy t (a, b) from STDIN with (format csv, delimiter ';')",
        'COPY "a;b"."c""d" ("e)f", g)FROM stdin',
        "COPY s . t FROM /* the client */ STDIN",
        "COPY BINARY t FROM stdin",
        "COPY t FROM stdout",
    ],
)
@pytest.mark.parametrize("end", ["\\.\n", "\\. \n", ""], ids=["mark", "mark-and-blank", "end-of-the-text"])
def test_the_rows_behind_copy_are_no_statements(copy: str, end: str) -> None:
    behind = "SELECT 1;\n" if end else ""
    text = f"{copy};\n1\tit's; \\N $$\n\\\\.\n{end}{behind}"
    assert pieces(text) == [copy, *(["SELECT 1"] if end else [])]


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param("COPY t FROM '/x' -- not FROM STDIN\n", id="in-a-comment"),
        pytest.param("COPY t TO '/x' (NULL 'from stdin')", id="in-a-literal"),
        pytest.param("COPY (SELECT a FROM stdin) TO '/x'", id="as-a-table"),
        pytest.param("COPY t TO stdout", id="to"),
        pytest.param("COPY t FROM PROGRAM 'cat'", id="program"),
        pytest.param("COPY t FROM stdinx", id="another-word"),
        pytest.param("-- COPY t FROM stdin\nSELECT 0", id="commented-out"),
    ],
)
def test_what_only_reads_like_copy_from_the_client_swallows_nothing(copy: str) -> None:
    assert pieces(f"{copy};\nDROP TABLE t;")[-1] == "DROP TABLE t"


# Backslashes in plain literals

OFF = "SET standard_conforming_strings = off"


@pytest.mark.parametrize(
    "off",
    [
        OFF,
        "set session standard_conforming_strings to 'off'",
        "SET LOCAL STANDARD_CONFORMING_STRINGS TO false",
        "SET standard_conforming_strings=0",
        "SET standard_conforming_strings TO no",
    ],
)
def test_a_backslash_escapes_once_standard_conforming_strings_is_off(off: str) -> None:
    assert kinds(f"{off};\nSELECT 'it\\'s;';\nSELECT 'plain';") == [
        ("STATEMENT", off),
        ("ESCAPES", "SELECT 'it\\'s;'"),
        ("STATEMENT", "SELECT 'plain'"),
    ]


@pytest.mark.parametrize(
    "on",
    [
        "SET standard_conforming_strings = on",
        "SET standard_conforming_strings TO DEFAULT",
        "RESET standard_conforming_strings",
        "RESET ALL",
    ],
)
def test_and_no_longer_once_it_is_on_again(on: str) -> None:
    assert kinds(f"{OFF}; {on}; SELECT '\\'; SELECT 1")[2:] == [("STATEMENT", "SELECT '\\'"), ("STATEMENT", "SELECT 1")]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'standard_conforming_strings = off'",
        "-- SET standard_conforming_strings = off;\nSELECT 1",
        "SET standard_conforming_strings = on",
        "SHOW standard_conforming_strings",
    ],
)
def test_nothing_else_switches_it_off(sql: str) -> None:
    assert kinds(f"{sql}; SELECT '\\'")[-1] == ("STATEMENT", "SELECT '\\'")


def test_while_it_is_off_bodies_are_read_so_too() -> None:
    sql = "CREATE FUNCTION f() BEGIN ATOMIC SELECT 'it\\';END;'; SELECT 2; END"
    assert kinds(f"{OFF}; {sql}; SELECT 1")[1:] == [("ESCAPES", sql), ("STATEMENT", "SELECT 1")]


# Any text


@dataclass(frozen=True)
class Piece:
    """A statement, and what stands before it."""

    gap: str
    sql: str


GAPS = st.sampled_from(
    ["", " ", "\n", "\t", "\n\n  ", "-- it's; $$\n", "-- größer\n", "/* ; /* ' */ 😀 */", "/*\n\n*/ ", ";", "; \n;"]
)
STATEMENTS = st.sampled_from([str(parameter.values[0]) for parameter in (*WHOLE, *BODIES)])


@STEADY
@given(st.lists(st.builds(Piece, GAPS, STATEMENTS), max_size=6), GAPS)
def test_every_statement_stands_where_the_text_has_it(found: list[Piece], tail: str) -> None:
    text, expected = b"", []
    for piece in found:
        text += piece.gap.encode()
        expected.append(Cut(len(text), len(text) + len(piece.sql.encode())))
        text += piece.sql.encode() + b";"
    assert list(split(text + tail.encode())) == expected


ANYTHING = st.text(st.sampled_from([*"ab eE1_.;:'\"$\\-/*()\n\r\t\f\vé"]), max_size=40)
WORDS = st.sampled_from(["CREATE FUNCTION ", "BEGIN ATOMIC ", "END", "CASE ", "$a$", "E'", "/*", "*/", "--", OFF + ";"])


@STEADY
@given(st.lists(ANYTHING | WORDS, max_size=8).map("".join))
def test_whatever_the_text_only_blanks_comments_and_semicolons_are_left_out(text: str) -> None:
    data, position = text.encode(), 0
    found, end = until_refused(data)
    for cut in found:
        assert position <= cut.start < cut.end <= end
        assert only_blanks(data[position : cut.start])
        position = cut.end
    assert end < len(data) or only_blanks(data[position:])


SEVERAL = [
    "INSERT INTO a VALUES (1, 'it''s; x');", "insert into b values (E'a\\'b;');", "UPDATE a SET b = 2 -- c;\n;",
    "SELECT $$a;b$$;", "VALUES ('a\n;b') ;", "-- c 'x\n", "/* a; /* b */ */", 'CREATE TABLE x ("a;b" int);',
    "SET standard_conforming_strings = off;", "SELECT 'a\\', 'b;';", "RESET ALL;", ";;", "INSERTED;",
    "SELECT 'a'\n';b';", "WITH q AS (SELECT 1) MERGE INTO a;", "COPY a FROM stdin;\n1;\n\\.\n", "\\echo x\n",
    "CREATE FUNCTION f() BEGIN ATOMIC", "SELECT 1; END;", "VALUES (';", "DELETE",
]  # fmt: skip


@given(st.lists(st.sampled_from(SEVERAL), max_size=12).map("".join), st.integers(1, 200))
@STEADY
def test_statements_that_are_cut_together_are_those_that_are_cut_one_by_one(text: str, together: int) -> None:
    data = text.encode()
    several, end = until_refused(data, together)
    assert all(cut.count == 1 or cut.end - cut.start <= together for cut in several)
    one_by_one = [one for cut in several for one in (inside(data, cut) if cut.count > 1 else [cut])]
    assert (one_by_one, end) == until_refused(data)


def inside(data: bytes, several: Cut) -> list[Cut]:
    start, parts = several.start, list(split(data[several.start : several.end]))
    assert len(parts) == several.count
    return [replace(part, start=start + part.start, end=start + part.end) for part in parts]


def until_refused(data: bytes, together: int = 0) -> tuple[list[Cut], int]:
    """The cuts, and how far the text could be read."""
    found: list[Cut] = []
    try:
        found.extend(split(data, together=together))
    except SplitError as error:
        return found, error.start
    return found, len(data)


def only_blanks(between: bytes) -> bool:
    """Blanks, comments and semicolons."""
    position = 0
    while position < len(between):
        after = skip_blank(between, position)
        after += between.startswith(b";", after)
        if after == position:
            return False
        position = after
    return True
