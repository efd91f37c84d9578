"""A file into its statements, with their places and what is odd about them."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.migration import Control, Statement
from runner.core.model import SourceFile
from runner.core.statements import AT_ONCE, LARGE, PLAIN_TRAITS, SENT_TOGETHER, joined, read_statements, remaining
from runner.errors import Finding, Level
from tests.builders import STEADY

PATH = PurePosixPath("migrations/01_example.sql")


def read(text: str) -> tuple[list[Statement], list[Finding], list[Finding]]:
    """The statements, what is wrong and what is odd."""
    problems: list[Finding] = []
    warnings: list[Finding] = []
    found = read_statements(SourceFile(path=PATH, data=text.encode()), problems, warnings)
    return found, problems, warnings


def statements(text: str) -> list[Statement]:
    found, problems, warnings = read(text)
    assert (problems, warnings) == ([], [])
    return found


def places(text: str) -> list[tuple[str, int, int]]:
    return [(statement.sql.decode().rstrip(), statement.line, statement.column) for statement in statements(text)]


def problem(text: str) -> Finding:
    _, (found,), warnings = read(text)
    assert warnings == []
    return found


def warning(text: str) -> Finding:
    _, problems, (found,) = read(text)
    assert problems == []
    assert found.level is Level.WARNING
    return found


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("SELECT 1;", [("SELECT 1", 1, 1)], id="first-character"),
        pytest.param("\n\n  SELECT 1;", [("SELECT 1", 3, 3)], id="indented"),
        pytest.param("SELECT 1; SELECT 2;", [("SELECT 1", 1, 1), ("SELECT 2", 1, 11)], id="same-line"),
        pytest.param("SELECT 1\n;\nSELECT 2", [("SELECT 1", 1, 1), ("SELECT 2", 3, 1)], id="semicolon-on-its-own-line"),
        pytest.param("/* a\nb */ SELECT 1;", [("SELECT 1", 2, 6)], id="behind-a-comment"),
        pytest.param("-- a; b\nSELECT 1;", [("SELECT 1", 2, 1)], id="below-a-comment"),
        pytest.param("SELECT 'é😀'; SELECT 2;", [("SELECT 'é😀'", 1, 1), ("SELECT 2", 1, 14)], id="characters"),
        pytest.param("/* é */\tSELECT 1;", [("SELECT 1", 1, 9)], id="a-tab-is-one-character"),
        pytest.param(";;SELECT 1", [("SELECT 1", 1, 3)], id="behind-empty-statements"),
        pytest.param("SELECT 'a\r';\rSELECT 2", [("SELECT 'a\r'", 1, 1), ("SELECT 2", 1, 14)], id="carriage-return"),
        pytest.param(
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2); SELECT 3",
            [("CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)", 1, 1), ("SELECT 3", 1, 58)],
            id="rule",
        ),
        pytest.param(
            "CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 end; END; SELECT 3",
            [("CREATE FUNCTION f() BEGIN ATOMIC SELECT 1 end; END", 1, 1), ("SELECT 3", 1, 53)],
            id="a-label-that-only-the-parser-tells-from-the-end",
        ),
    ],
)
def test_tells_where_each_statement_stands(text: str, expected: list[tuple[str, int, int]]) -> None:
    assert places(text) == expected


def test_names_the_kind_of_each_statement() -> None:
    assert [part.traits.kind for part in statements("CREATE TABLE t (); DROP TABLE t; VACUUM")] == [
        "create_stmt",
        "drop_stmt",
        "vacuum_stmt",
    ]


def test_every_statement_counts_for_one_and_holds_no_text_of_its_own() -> None:
    first, second = statements("SELECT 1; SELECT 2")
    assert first.count == second.count == 1
    assert first.source is second.source


GAPS = st.sampled_from(["", " ", "\n", "\n\n\t", "-- größer;\n", "/* ;\n😀 */", ";"])
SQL = st.sampled_from(["SELECT 1", "SELECT 'é\n;'", "DO $x$ BEGIN\n\tNULL;\nEND $x$", "FROB t", "SELECT 'ü' FRM t"])


@STEADY
@given(st.lists(st.tuples(GAPS, SQL), max_size=8), GAPS)
def test_statements_that_the_parser_does_not_know_change_nothing_about_the_others(
    parts: list[tuple[str, str]], tail: str
) -> None:
    text, expected = "", []
    for gap, sql in parts:
        text += gap
        expected.append(
            (sql, text.count("\n") + 1, len(text) - text.rfind("\n"), bool({"FROB", "FRM"} & {*sql.split()}))
        )
        text += sql + ";"
    found, problems, warnings = read(text + tail)
    assert problems == []
    assert [(part.sql.decode(), part.line, part.column, not part.traits.kind) for part in found] == expected
    assert [warning.line for warning in warnings] == [
        line + sql.count("\n") for sql, line, _, unknown in expected if unknown
    ]


# What the parser does not know


@pytest.mark.parametrize(
    ("text", "place", "word"),
    [
        pytest.param("SELECT 1;\nFROB t;\n", "2:1", "FROB", id="first-word"),
        pytest.param("SELECT 1;\n\n  ALTER TABLE t FROB;", "3:17", "FROB", id="inside"),
        pytest.param("SELECT 'ü';\nSELECT 'ö😀',\n  'ä' a t;", "3:9", "t", id="behind-multibyte-text"),
        pytest.param("SELECT 1;SELECT\n1 1;SELECT 2", "2:3", "1", id="between-others"),
    ],
)
def test_what_only_the_server_may_understand_is_a_warning_at_its_place(text: str, place: str, word: str) -> None:
    found = warning(text)
    assert found.place == f"{PATH}:{place}"
    assert found.message == (
        f'syntax error at or near "{word}", says PostgreSQL\'s parser; sent to the server as it is'
    )
    assert found.hint == "a server that is asked has the last word, before anything runs"


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        pytest.param(
            "SELECT\u00a01 FROM t",
            "there is a no-break space in this statement, which looks like a blank and is none",
            id="no-break-space",
        ),
        pytest.param(
            "CREATE \u200bTABLE t ()",
            "there is a zero-width space in this statement, which looks like a blank and is none",
            id="zero-width-space",
        ),
        pytest.param(
            "CREATE TABLE \ufeff t ()",
            "there is a byte order mark in this statement, which looks like a blank and is none",
            id="byte-order-mark",
        ),
        pytest.param(
            "CREATE \u2028TABLE t ()",
            "there is a line separator in this statement, which looks like a blank and is none",
            id="line-separator",
        ),
        pytest.param(
            "GRANT ALL ON t TO {{ role }}",
            "nothing is filled in here: `{{ role }}` goes to the server as it is written",
            id="jinja",
        ),
        pytest.param(
            "GRANT ALL ON t TO ${role}",
            "nothing is filled in here: `${role}` goes to the server as it is written",
            id="flyway",
        ),
        pytest.param(
            "GRANT ALL ON t TO <%= role %>",
            "nothing is filled in here: `<%= role %>` goes to the server as it is written",
            id="erb",
        ),
    ],
)
def test_says_what_people_overlook(text: str, hint: str) -> None:
    assert warning(f"SELECT 1;\n{text};").hint == hint


@pytest.mark.parametrize(
    ("sql", "control"),
    [("FROB; COMMIT", Control.COMMIT), ("FROB; begin", Control.BEGIN), ("FROB; ABORT", Control.ROLLBACK)],
)
def test_control_of_the_transaction_is_found_beside_such_text(sql: str, control: Control) -> None:
    found, _, _ = read(sql)
    assert [part.traits.control for part in found] == [None, control]


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        pytest.param("SELECT 1;\nSELECT 'x", "2:8", "the literal that begins here never ends", id="literal"),
        pytest.param("SELECT 1;\nSELECT 'it''s", "2:8", "the literal that begins here never ends", id="doubled-quote"),
        pytest.param('SELECT "x', "1:8", "the quoted name that begins here never ends", id="name"),
        pytest.param("/* x", "1:1", "the comment that begins here never ends", id="comment"),
        pytest.param("DO $$ BEGIN", "1:4", "the text that begins here with $$ never ends", id="dollars"),
        pytest.param("SELECT 'ü';\n/* ö */ SELECT 'ä', 'x", "2:21", "the literal that begins here never ends", id="ü"),
    ],
)
def test_refuses_what_never_ends(text: str, place: str, message: str) -> None:
    found = problem(text)
    assert (found.place, found.message) == (f"{PATH}:{place}", message)
    assert found.hint == "close it, or take out what opens it"


@pytest.mark.parametrize(
    ("sql", "column"),
    [('CREATE TABLE t ("" int)', 17), ("SELECT 123abc", 8), ("SELECT 1_000_", 8), ("SELECT 'ü', 0x", 13)],
)
def test_refuses_what_cannot_be_scanned_as_no_server_can(sql: str, column: int) -> None:
    found = problem(f"SELECT 1;\n{sql};\nSELECT 2")
    assert (found.level, found.line, found.column) == (Level.ERROR, 2, column)
    assert found.hint == "correct it: no PostgreSQL reads this"


# psql


@pytest.mark.parametrize(
    "command",
    ["\\connect app", "\\restrict abc", "\\i other.sql", "\\echo 'it''s'", "  \\set x 1", "\\!ls", "\\.", "\\"],
)
def test_refuses_what_only_psql_understands_at_its_place(command: str) -> None:
    found = problem(f"SELECT 1;\n{command}\nSELECT 2;")
    assert found.place == f"{PATH}:2:{len(command) - len(command.lstrip()) + 1}"
    assert found.message == f"`{command.split(maxsplit=1)[0]}` is a command of psql, not SQL"
    assert found.hint == "take it out; what it did must be said in SQL"


def test_tells_every_command_of_psql() -> None:
    _, problems, _ = read("\\connect a\nSELECT 1; \\q\n\\restrict b\n")
    assert [(found.line, found.column) for found in problems] == [(1, 1), (2, 11), (3, 1)]


# Backslashes in plain literals


def test_warns_once_of_literals_that_only_the_server_can_read() -> None:
    found, problems, (told,) = read("SET standard_conforming_strings = off;\nSELECT 1, 'it\\'s;';\n SELECT '\\';'")
    assert problems == []
    assert [part.sql for part in found[1:]] == [b"SELECT 1, 'it\\'s;'", b"SELECT '\\';'"]
    assert (told.place, told.level) == (f"{PATH}:2:1", Level.WARNING)
    assert told.message == (
        "standard_conforming_strings is off here, which only the server can read; sent to it as it is"
    )
    assert told.hint == "E'…' says the same on every server; PostgreSQL 19 knows no other"


# Deep trees

SUM = "||".join(["'a'"] * 300)


def test_a_deep_statement_of_data_needs_no_look() -> None:
    before, deep, behind = statements(f"SELECT 1;\nINSERT INTO t VALUES ({SUM});\nVACUUM")
    assert (before.traits.kind, deep.traits.kind, behind.traits.kind) == ("select_stmt", "plain", "vacuum_stmt")
    assert (deep.line, deep.traits.takes_time) == (2, True)


def test_a_deep_statement_of_another_kind_is_a_warning() -> None:
    found = warning(f"SELECT 1;\nCREATE VIEW v AS SELECT {SUM};")
    assert found.place == f"{PATH}:2:1"
    assert found.message == "this statement is nested too deeply to be looked at; sent to the server as it is"


# Large files

ROW = "INSERT INTO t VALUES ('ü;', $$;$$);\n"
ROWS = LARGE // len(ROW.encode()) + 1
EASY_ROW = "INSERT INTO t VALUES ('ü;', 'it''s');\n"


@pytest.mark.parametrize("row", [ROW, EASY_ROW, ROW + EASY_ROW + EASY_ROW], ids=["odd", "easy", "both"])
def test_plain_statements_of_a_large_file_are_sent_together(row: str) -> None:
    text = row * ROWS
    found = statements(text)
    assert 1 < len(found) < ROWS
    assert sum(part.count for part in found) == text.count("\n")
    assert max(len(part.sql) for part in found) <= AT_ONCE
    assert {part.traits.kind for part in found} == {"plain"}
    assert b";\n".join(part.sql for part in found) + b";\n" == text.encode()


def test_each_piece_of_a_large_file_knows_its_line() -> None:
    line = 1
    for part in statements(ROW * ROWS):
        assert (part.line, part.column) == (line, 1)
        line += part.count
    assert line == ROWS + 1


def test_what_must_be_known_is_parsed_in_a_large_file_too() -> None:
    half = ROW * (ROWS // 2)
    text = f"{half}  CREATE TABLE u ();\nCREATE INDEX CONCURRENTLY i ON u (a);{half}COMMIT;\n{ROW}"
    found = statements(text)
    parsed = [part for part in found if part.traits.kind != "plain"]
    assert [(part.traits.kind, part.line, part.column, part.count) for part in parsed] == [
        ("create_stmt", ROWS // 2 + 1, 3, 1),
        ("index_stmt", ROWS // 2 + 2, 1, 1),
        ("transaction_stmt", 2 * (ROWS // 2) + 2, 1, 1),
    ]
    assert parsed[1].traits.no_transaction == "CREATE INDEX CONCURRENTLY"
    assert sum(part.count for part in found) == 2 * (ROWS // 2) + 4


@pytest.mark.parametrize(
    "sql",
    [
        "DELETE FROM schema_migrations",
        'update "public"."Migration_History" set x = 1',
        "INSERT INTO migration_runs VALUES (1)",
    ],
)
@pytest.mark.parametrize("row", [ROW, EASY_ROW], ids=["odd", "easy"])
def test_a_plain_statement_that_names_the_ledger_is_parsed_in_a_large_file(sql: str, row: str) -> None:
    found = statements(f"{row * ROWS}{sql};\n{row}")
    (parsed,) = [part for part in found if part.traits.kind != "plain"]
    assert (parsed.sql.decode(), parsed.line) == (sql, ROWS + 1)
    assert sum(part.count for part in found) == ROWS + 2


def test_a_single_large_statement_is_one_piece() -> None:
    text = "INSERT INTO t VALUES\n" + ",\n".join(["('ü;')"] * (LARGE // 8 + 1))
    (part,) = statements(f"-- rows\n{text};")
    assert (part.sql.decode(), part.line, part.count) == (text, 2, 1)


def test_a_small_file_of_plain_statements_is_parsed() -> None:
    assert {part.traits.kind for part in statements(ROW * 100)} == {"insert_stmt"}


def test_a_problem_in_a_large_file_has_its_place() -> None:
    found, problems, warnings = read(f"{ROW * ROWS}FROB;\n\\q\n{ROW} SELECT 'x")
    assert sum(part.count for part in found) == ROWS + 2
    assert [(told.line, told.column) for told in problems] == [(ROWS + 2, 1), (ROWS + 4, 9)]
    assert [(told.line, told.column) for told in warnings] == [(ROWS + 1, 1)]


@pytest.mark.parametrize("done", [0, 1, 700, 701, ROWS - 1, ROWS])
def test_what_remains_behind_any_number_of_statements_is_those_and_no_other(done: int) -> None:
    """How many are sent together is ours to change, between a run that stopped and the one that goes on."""
    text = ROW * ROWS
    left = list(remaining(statements(text), done))
    assert b"".join(step.source[step.start :] for step, _ in left[:1]) == text.encode()[done * len(ROW.encode()) :]
    assert sum(step.count for step, _ in left) == ROWS - done
    assert [(step.line, step.column) for step, _ in left[:1]] == [(done + 1, 1)] * bool(left)
    assert [position for _, position in left][-1:] == [ROWS] * bool(left)


def test_plain_steps_of_a_large_file_are_sent_in_few_messages() -> None:
    """And what stands between them apart: each statement in its place, none twice."""
    rows, number = ROW * (5 * ROWS // 2), 5 * ROWS // 2
    text = f"{rows}CREATE TABLE u ();\n{rows}"
    found = list(joined(statements(text)))
    assert [message.traits.kind for message in found] == ["plain"] * 3 + ["create_stmt"] + ["plain"] * 3
    assert sum(message.count for message in found) == 2 * number + 1
    assert max(len(message.sql) for message in found) <= SENT_TOGETHER
    assert b";\n".join(message.sql for message in found) + b";\n" == text.encode()
    line = 1
    for message in found:
        assert (message.line, message.column) == (line, 1)
        line += message.count


def test_what_is_nested_too_deeply_to_be_looked_at_is_sent_alone() -> None:
    """It is as plain, but its file is not large, and each has its own answer."""
    found = statements(f"SELECT {SUM};\nSELECT {SUM};")
    assert [step.traits for step in found] == [PLAIN_TRAITS] * 2
    assert list(joined(found)) == found
