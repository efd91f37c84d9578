"""Leading comments: what a file says about itself, and how it asks to be run."""

from datetime import timedelta
from pathlib import PurePosixPath

import pytest

from runner.core.headers import parse_headers
from runner.core.model import Headers
from runner.errors import Finding

PATH = PurePosixPath("migrations/01_example.sql")


def headers(text: str) -> Headers:
    parsed, findings = parse_headers(text, PATH)
    assert findings == []
    return parsed


def finding(text: str) -> Finding:
    _, (found,) = parse_headers(text, PATH)
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


def test_refuses_the_directive_that_is_not_there_yet_at_its_line() -> None:
    found = finding("-- Purpose: x\n-- migrate: no-transaction\nSELECT 1;")
    assert str(found) == f"{PATH}:2: `no-transaction` is not supported yet: every migration runs in one transaction"


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
    assert found.hint == "known: lock-timeout=2s, statement-timeout=30min"


@pytest.mark.parametrize("value", ["", "soon", "-1s", "1.5s", "5 minutes", "99999h"])
def test_refuses_a_timeout_that_is_no_duration_on_its_line(value: str) -> None:
    found = finding(f"--\n-- migrate: lock-timeout={value}\nSELECT 1;")
    assert str(found) == f"{PATH}:2: `{value}` is not a duration for lock-timeout"
    assert "30s" in found.hint


def test_tells_everything_that_is_wrong() -> None:
    _, found = parse_headers("-- migrate: a\n-- migrate: lock-timeout=b\n-- migrate: c", PATH)
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


def test_refuses_a_directive_that_is_said_twice() -> None:
    repeated = finding("-- migrate: lock-timeout=1s\n-- migrate: lock-timeout=2s\nSELECT 1;")
    assert (repeated.line, repeated.message) == (2, "`lock-timeout` is said twice")
