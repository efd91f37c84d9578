"""Text into statements: where each begins and ends, whatever stands in quotes, bodies and comments."""

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.model import Statement
from runner.core.split import SplitError, leading_words, locate, split
from tests.builders import STEADY


def statements(text: str) -> list[str]:
    return [part.statement.sql for part in split(text)]


def places(text: str) -> list[tuple[int, int]]:
    return [(part.statement.line, part.statement.column) for part in split(text)]


def refusal(text: str) -> SplitError:
    with pytest.raises(SplitError) as caught:
        split(text)
    return caught.value


@pytest.mark.parametrize(
    "sql",
    [
        pytest.param("SELECT 'a;b'", id="literal"),
        pytest.param("SELECT 'it''s; fine'", id="doubled-quote"),
        pytest.param(r"SELECT E'it\'s; fine'", id="escape-string"),
        pytest.param(r"SELECT 'C:\', ';'", id="backslash-in-plain-literal"),
        pytest.param("SELECT 'a\n;\nb'", id="literal-over-lines"),
        pytest.param("SELECT '--', '/*'", id="comment-marks-in-literals"),
        pytest.param('SELECT "a;b"', id="identifier"),
        pytest.param("SELECT $$a;b$$", id="dollar-quotes"),
        pytest.param("SELECT $a$;$$;$b$;$a$", id="nested-dollar-quotes"),
        pytest.param("DO $do$ BEGIN PERFORM 1; EXECUTE $x$SELECT 2;$x$; END $do$", id="do-block"),
        pytest.param("SELECT 1 /* ; ' $$ \" */ + 1", id="block-comment"),
        pytest.param("SELECT 1 /* a /* nested; */ b; */ + 1", id="nested-comment"),
        pytest.param("SELECT 1 -- don't; $$ /*\n + 1", id="line-comment"),
        pytest.param("CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1; SELECT 2; END", id="atomic"),
        pytest.param("CREATE RULE r AS ON INSERT TO t DO ALSO (DELETE FROM a; DELETE FROM b)", id="rule"),
        pytest.param("SELECT '😀;', 'é;'", id="multibyte"),
        pytest.param("SELECT '{\"a\": 1}'::jsonb ? 'a', 7 % 2, '{{ x }}', '${y}'", id="placeholders-of-others"),
        pytest.param("CREATE SCHEMA s CREATE TABLE t (a int) CREATE VIEW v AS SELECT 1", id="schema-with-elements"),
    ],
)
def test_cuts_only_where_a_statement_ends(sql: str) -> None:
    assert statements(f"{sql};\nSELECT 2;") == [sql, "SELECT 2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("", [], id="empty"),
        pytest.param(" \n\t\n", [], id="blank"),
        pytest.param("-- nothing\n/* here */", [], id="comments-only"),
        pytest.param(";;\n;", [], id="semicolons-only"),
        pytest.param("SELECT 1;; ;SELECT 2;;", ["SELECT 1", "SELECT 2"], id="empty-statements-between"),
        pytest.param("SELECT 1", ["SELECT 1"], id="no-semicolon-at-the-end"),
        pytest.param("SELECT 1;\nSELECT 2\n", ["SELECT 1", "SELECT 2"], id="newline-for-the-last-semicolon"),
        pytest.param("SELECT 1; -- the end", ["SELECT 1"], id="open-comment-at-the-end"),
        pytest.param("/* a */ SELECT 1 /* b */; -- c", ["SELECT 1 /* b */"], id="comments-around"),
    ],
)
def test_leaves_out_what_is_not_a_statement(text: str, expected: list[str]) -> None:
    assert statements(text) == expected


def test_a_comment_behind_the_last_statement_cannot_swallow_what_comes_next() -> None:
    (sql,) = statements("SELECT 1 -- open")
    assert statements(f"{sql}\n; SELECT 2") == ["SELECT 1 -- open", "SELECT 2"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("SELECT 1;", [(1, 1)], id="first-character"),
        pytest.param("\n\n  SELECT 1;", [(3, 3)], id="indented"),
        pytest.param("SELECT 1; SELECT 2;", [(1, 1), (1, 11)], id="same-line"),
        pytest.param("SELECT 1\n;\nSELECT 2", [(1, 1), (3, 1)], id="semicolon-on-its-own-line"),
        pytest.param("/* a\nb */ SELECT 1;", [(2, 6)], id="behind-a-comment"),
        pytest.param("-- a; b\nSELECT 1;", [(2, 1)], id="below-a-comment"),
        pytest.param("SELECT 'é😀'; SELECT 2;", [(1, 1), (1, 14)], id="columns-count-characters"),
        pytest.param("/* é */\tSELECT 1;", [(1, 9)], id="a-tab-is-one-character"),
        pytest.param(";;SELECT 1", [(1, 3)], id="behind-empty-statements"),
        pytest.param("SELECT 'a\r\n';\rSELECT 2", [(1, 1), (2, 4)], id="a-carriage-return-is-no-line"),
    ],
)
def test_tells_where_each_statement_stands(text: str, expected: list[tuple[int, int]]) -> None:
    assert places(text) == expected


def test_names_the_kind_of_each_statement() -> None:
    assert [part.kind for part in split("CREATE TABLE t (); DROP TABLE t; VACUUM")] == [
        "create_stmt",
        "drop_stmt",
        "vacuum_stmt",
    ]


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param("SELECT 1;\nSELECT 'abc", 2, 8, id="literal"),
        pytest.param('SELECT 1;\n SELECT "abc;', 2, 9, id="identifier"),
        pytest.param("SELECT $a$ $b$;", 1, 8, id="dollar-quotes"),
        pytest.param("SELECT 1;\n\n/* /* */", 3, 1, id="comment"),
        pytest.param("SELECT 'é';\nSELECT 'ü', 'x", 2, 13, id="behind-multibyte-text"),
        pytest.param("SELECT 1;\nSELECT 12ab", 2, 8, id="number-that-runs-into-a-word"),
        pytest.param('SELECT 1 AS ""', 1, 13, id="name-without-a-character"),
    ],
)
def test_text_that_cannot_be_scanned_is_certainly_wrong(text: str, line: int, column: int) -> None:
    error = refusal(text)
    assert (error.certain, error.line, error.column) == (True, line, column)


@pytest.mark.parametrize(
    ("text", "line", "column"),
    [
        pytest.param("SELEC 1;", 1, 1, id="at-the-start"),
        pytest.param("SELECT 1;\n  FROB t;", 2, 3, id="second-line"),
        pytest.param(
            "-- größer\nSELECT 'ü', 1 FROM FROM;",
            2,
            20,
            id="behind-multibyte-text",
        ),
    ],
)
def test_a_word_that_the_parser_does_not_know_may_be_known_to_the_server(text: str, line: int, column: int) -> None:
    error = refusal(text)
    assert (error.certain, error.line, error.column) == (False, line, column)
    assert str(error).startswith("syntax error at or near")


def test_the_leading_words_of_statements_that_the_parser_does_not_know() -> None:
    text = "frob t; -- commit;\n/* x */ rollback\nto s;\nSELECT ';commit;' $$;commit;$$\n;; commit and chain"
    assert list(leading_words(text)) == [
        (("FROB", "T"), 1),
        (("ROLLBACK", "TO"), 2),
        (("SELECT", "';COMMIT;'"), 4),
        (("COMMIT", "AND"), 5),
    ]


def test_leading_words_need_a_text_that_can_be_scanned() -> None:
    with pytest.raises(SplitError) as caught:
        list(leading_words("FROB;\nSELECT 'x"))
    assert (caught.value.line, caught.value.column, caught.value.certain) == (2, 8, True)


@dataclass(frozen=True)
class Piece:
    """A statement, and what stands before it."""

    gap: str
    sql: str


GAPS = st.sampled_from(
    ["", " ", "\n", "\t", "\n\n  ", "-- it's; $$\n", "-- größer\n", "/* ; /* ' */ 😀 */", "/*\n\n*/ ", ";", "; \n;"]
)
STATEMENTS = st.sampled_from(
    [
        "SELECT 1",
        "SELECT 'a;''b'",
        "SELECT 'é\n😀;'",
        'SELECT "wei;rd"',
        "SELECT $$;\n;$$",
        "SELECT 1 /* ; */ + 2",
        "DO $x$ BEGIN\n\tRAISE NOTICE ';';\nEND $x$",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1;\nSELECT 2; END",
        "INSERT INTO t (größe) VALUES ('x')",
    ]
)
FILES = st.lists(st.builds(Piece, GAPS, STATEMENTS), max_size=6)


@STEADY
@given(FILES, GAPS)
def test_every_statement_stands_where_the_text_has_it(pieces: list[Piece], tail: str) -> None:
    text, expected = "", []
    for piece in pieces:
        text += piece.gap
        expected.append((piece.sql, *line_and_column(text)))
        text += piece.sql + ";"
    found = [part.statement for part in split(text + tail)]
    assert [(part.sql, part.line, part.column) for part in found] == expected


@STEADY
@given(GAPS, STATEMENTS, st.data())
def test_locates_a_character_of_a_statement_in_its_file(gap: str, sql: str, data: st.DataObject) -> None:
    (part,) = split(gap + sql)
    position = data.draw(st.integers(1, len(sql)), label="position")
    assert locate(part.statement, position) == line_and_column(gap + sql[: position - 1])


def test_locates_the_end_of_a_statement() -> None:
    assert locate(Statement(sql="SELECT\n(", line=3, column=5), 9) == (4, 2)


def line_and_column(before: str) -> tuple[int, int]:
    """Of the character behind this text."""
    return before.count("\n") + 1, len(before) - before.rfind("\n")
