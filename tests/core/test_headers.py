"""Leading comments: what a file says about itself, and how it asks to be run."""

from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.core.headers import parse_headers
from runner.core.migration import Headers
from runner.core.model import SourceFile
from runner.errors import Finding

PATH = PurePosixPath("migrations/01_example.sql")


def headers(text: str) -> Headers:
    parsed, findings = parse_headers(SourceFile(path=PATH, data=text.encode()))
    assert findings == []
    return parsed


def finding(text: str) -> Finding:
    _, (found,) = parse_headers(SourceFile(path=PATH, data=text.encode()))
    return found


def test_reads_the_notes() -> None:
    parsed = headers(
        "-- Migration: Add the status\n-- Purpose: Orders can wait\n-- Breaking: yes, `state` goes\nSELECT 1;"
    )
    assert parsed == Headers(title="Add the status", purpose="Orders can wait", breaking="yes, `state` goes")


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("-- Purpose: why", id="usual"),
        pytest.param("--Purpose:why", id="no-blanks"),
        pytest.param("  --   PURPOSE :   why   ", id="many-blanks-and-capitals"),
        pytest.param("\n\n-- a licence\n--\n-- purpose: why", id="behind-other-comments"),
    ],
)
def test_reads_a_note_however_it_is_spaced(line: str) -> None:
    assert headers(f"{line}\nSELECT 1;").purpose == "why"


def test_reads_where_a_file_comes_from() -> None:
    assert headers("-- Migration: Users\n-- Origin: V1_2__add users.sql\n").origin == "V1_2__add users.sql"


def test_a_note_may_contain_a_colon() -> None:
    assert headers("-- Purpose: two things: this and that").purpose == "two things: this and that"


def test_the_first_of_two_equal_notes_counts() -> None:
    assert headers("-- Purpose: first\n-- Purpose: second").purpose == "first"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("SELECT 1;\n-- Purpose: late", id="behind-a-statement"),
        pytest.param("SELECT 1; -- Purpose: late", id="beside-a-statement"),
        pytest.param("-- The Purpose: of this", id="inside-a-sentence"),
        pytest.param("-- Purposes: many", id="another-word"),
        pytest.param("", id="empty-file"),
    ],
)
def test_takes_nothing_else_for_a_note(text: str) -> None:
    assert headers(text) == Headers()


def test_reads_the_directives() -> None:
    parsed = headers("-- migrate: lock-timeout=2s\n-- migrate: statement-timeout = 30min\nSELECT 1;")
    assert parsed == Headers(lock_timeout=timedelta(seconds=2), statement_timeout=timedelta(minutes=30))


@pytest.mark.parametrize(
    "line", ["-- migrate: no-transaction", "--migrate:no-transaction ", "  -- MIGRATE : no-transaction"]
)
def test_reads_the_directive_to_run_without_a_transaction(line: str) -> None:
    assert headers(f"-- Purpose: x\n{line}\nVACUUM;") == Headers(purpose="x", no_transaction=True)


@pytest.mark.parametrize(
    "comment", ["-- migrate:up", "--migrate:down", "-- migrate:up transaction:false", "-- migrate:"]
)
def test_the_marks_of_dbmate_are_no_directives(comment: str) -> None:
    _, found = parse_headers(SourceFile(path=PATH, data=f"{comment}\nSELECT 1;".encode()))
    assert [problem.message for problem in found] == ([] if comment != "-- migrate:" else ["unknown directive ``"])


def test_zero_is_a_timeout_of_its_own() -> None:
    assert headers("-- migrate: lock-timeout=0").lock_timeout == timedelta()


@pytest.mark.parametrize(
    "directive",
    [
        pytest.param("no-transactions", id="misspelt"),
        pytest.param("no-transaction, lock-timeout=2s", id="two-on-a-line"),
        pytest.param("no-transaction=maybe", id="value-too-many"),
        pytest.param("users to accounts", id="prose"),
        pytest.param("", id="none"),
    ],
)
def test_refuses_an_unknown_directive_on_its_line(directive: str) -> None:
    found = finding(f"-- Purpose: x\n\n-- migrate: {directive}\nSELECT 1;")
    assert str(found) == f"{PATH}:3: unknown directive `{directive}`"
    assert found.hint == "known: no-transaction, lock-timeout=2s, statement-timeout=30min"


@pytest.mark.parametrize("value", ["", "soon", "-1s", "1.5s", "5 minutes", "99999h"])
def test_refuses_a_timeout_that_is_no_duration_on_its_line(value: str) -> None:
    found = finding(f"--\n-- migrate: lock-timeout={value}\nSELECT 1;")
    assert str(found) == f"{PATH}:2: `{value}` is not a duration for lock-timeout"
    assert "30s" in found.hint


def test_tells_everything_that_is_wrong() -> None:
    text = b"-- migrate: a\n-- migrate: lock-timeout=b\n-- migrate: c"
    _, found = parse_headers(SourceFile(path=PATH, data=text))
    assert [problem.line for problem in found] == [1, 2, 3]


@pytest.mark.parametrize(
    "comment",
    [
        pytest.param("/* Copyright */", id="one-line"),
        pytest.param("/* Copyright\n   Acme */", id="two-lines"),
        pytest.param("/* a */ /* b */", id="two-comments"),
        pytest.param("/* a /* nested\n */\n-- migrate: not=read\n */", id="nested"),
        pytest.param("/**\n * SELECT 1;\n **/", id="stars"),
        pytest.param("/* it's; $$ */", id="quotes"),
        pytest.param("/* a */\n\n/* b */\n", id="blank-line-between"),
    ],
)
def test_reads_what_follows_a_block_comment(comment: str) -> None:
    assert headers(f"{comment}\n-- migrate: lock-timeout=2s\nSELECT 1;").lock_timeout == timedelta(seconds=2)


def test_counts_the_lines_of_a_block_comment() -> None:
    assert finding("/* a\nb */\n\n-- migrate: what\nSELECT 1;").line == 4


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("SELECT 1;\n-- migrate: what", id="below-a-statement"),
        pytest.param("/* a */ SELECT 1;\n-- migrate: what", id="below-a-statement-behind-a-comment"),
        pytest.param("/* a\n */ SELECT 1;\n-- migrate: what", id="below-the-end-of-a-comment"),
        pytest.param("/*\n-- migrate: what\n*/ SELECT 1;", id="inside-a-comment"),
        pytest.param("/* never ends\n-- migrate: what", id="inside-a-comment-that-never-ends"),
    ],
)
def test_elsewhere_a_directive_is_a_comment_like_any_other(text: str) -> None:
    assert headers(text) == Headers()


@pytest.mark.parametrize(
    ("first", "second", "name"),
    [
        ("lock-timeout=1s", "lock-timeout=2s", "lock-timeout"),
        ("no-transaction", "no-transaction", "no-transaction"),
    ],
)
def test_refuses_a_directive_that_is_said_twice(first: str, second: str, name: str) -> None:
    repeated = finding(f"-- migrate: {first}\n-- migrate: {second}\nSELECT 1;")
    assert (repeated.line, repeated.message) == (2, f"`{name}` is said twice")
    assert repeated.hint == "keep one of the two"


def test_the_header_of_a_large_file_is_read_without_the_rest() -> None:
    text = "-- Purpose: rows\n" + "INSERT INTO t VALUES ('ü');\n" * 40_000 + "-- migrate: what"
    assert headers(text) == Headers(purpose="rows")


def test_a_file_that_is_one_comment_of_any_length_has_a_header() -> None:
    assert headers("-- Purpose: why\n" + "-- ü\n" * 100_000).purpose == "why"
