"""A file that is not what was applied: dangerous, or only another look."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.difference import LONGEST, WIDEST
from runner.core.drift import judge_change
from runner.core.sql_digest import sql_digest
from runner.errors import Finding, Level
from tests.builders import STEADY, a_migration_file, applied

BEFORE = "-- Purpose: users\nCREATE TABLE users (\n  id int,\n  name text\n);\n"


def judged(now: str, before: str | None = BEFORE, *, digest: str | None = None) -> Finding:
    """`before`: the body that the ledger kept. `digest`: that of the SQL as the ledger has it."""
    return judge_change(a_migration_file(1, sql=now), applied(1, checksum="another", sql_digest=digest), before)


@pytest.mark.parametrize(
    ("now", "line"),
    [
        pytest.param(BEFORE.replace("users\n", "people\n"), 1, id="comment"),
        pytest.param(BEFORE.replace("-- Purpose: users\n", ""), 1, id="no-comment"),
        pytest.param(BEFORE + "\n-- done\n", 7, id="comment-at-the-end"),
        pytest.param(BEFORE.replace("  name", "\tname"), 4, id="layout"),
        pytest.param(BEFORE.rstrip("\n"), 5, id="no-newline-at-the-end"),
        pytest.param("-- licence\n" + BEFORE, 1, id="line-above"),
    ],
)
@pytest.mark.parametrize("known", ["body", "digest", "both"])
def test_another_look_is_a_warning_at_the_first_line_that_differs(now: str, line: int, known: str) -> None:
    digest = sql_digest(BEFORE.encode())
    body = None if known == "digest" else BEFORE
    finding = judged(now, body, digest=None if known == "body" else digest)
    assert finding.level is Level.WARNING
    assert finding.place == f"migrations/01_example.sql:{line if body else 1}"
    assert finding.message == "migration 01 was edited after being applied, in comments or layout only"
    assert finding.hint == (
        "what it does is what was applied: restore the file, or let the ledger have this text with `db-migrate repair`"
    )
    assert finding.diff == ""


@pytest.mark.parametrize(
    ("now", "line"),
    [
        pytest.param(BEFORE.replace("id int", "id bigint"), 3, id="word"),
        pytest.param(BEFORE + "DROP TABLE old;\n", 6, id="statement-more"),
        pytest.param(BEFORE.replace("CREATE", "DROP"), 2, id="another-statement"),
        pytest.param("-- Purpose: users\n", 2, id="nothing-left"),
        pytest.param("", 1, id="empty"),
        pytest.param(BEFORE.replace("name text", "name text, -- x\n mail text"), 4, id="comment-and-column"),
    ],
)
def test_another_meaning_is_an_error_at_the_first_line_that_differs(now: str, line: int) -> None:
    finding = judged(now)
    assert finding.level is Level.ERROR
    assert finding.place == f"migrations/01_example.sql:{line}"
    assert finding.message == (
        "Migration 01 checksum mismatch! File has been modified after being applied. This is unsafe."
    )
    assert finding.hint == "restore the file as it was applied, and put the change into a new migration"
    assert finding.diff


@pytest.mark.parametrize(
    ("before", "now"),
    [
        ("ALTER ROLE app PASSWORD 'geheim';\n", "SELECT 1;\n"),
        ("SELECT 1;\n", "SELECT 2;\nALTER ROLE app PASSWORD 'geheim';\n"),
        ("\\connect\nALTER ROLE app PASSWORD 'geheim", "SELECT 1;\n"),  # nobody can read it
        ("ALTER ROLE app WITH NOVELTY PASSWORD 'geheim';\n", "SELECT 1;\n"),  # a grammar that we do not know
        ("ALTER ROLE app PASSWORD U&'!0067eheim' UESCAPE '!';\n", "SELECT 1;\n"),
    ],
)
def test_where_a_password_stands_the_difference_is_not_shown(before: str, now: str) -> None:
    finding = judged(now, before)
    assert (finding.level, finding.diff) == (Level.ERROR, "")


def test_a_column_of_that_name_is_no_password() -> None:
    assert "+ALTER TABLE users ADD password text;" in judged("ALTER TABLE users ADD password text;\n").diff


def test_without_the_body_it_is_refused_without_a_difference() -> None:
    finding = judged(BEFORE.replace("int", "bigint"), None, digest=sql_digest(BEFORE.encode()))
    assert (finding.level, finding.line, finding.diff) == (Level.ERROR, 1, "")


def test_where_nobody_knows_what_was_applied_it_is_refused() -> None:
    assert judged(f"{BEFORE}-- x", None).level is Level.ERROR


def test_what_cannot_be_scanned_is_never_the_same() -> None:
    finding = judged("SELECT 'x -- y", "SELECT 'x")
    assert (finding.level, finding.line) == (Level.ERROR, 1)


def test_the_recorded_digest_counts_more_than_the_body() -> None:
    assert judged(BEFORE + "-- x", BEFORE, digest="of something else").level is Level.ERROR


# The difference

LINES = [f"INSERT INTO t VALUES ({number});" for number in range(1, 5001)]


def difference(now: list[str], before: list[str]) -> list[str]:
    return judged("\n".join(now), "\n".join(before)).diff.split("\n")


def test_shows_what_was_applied_against_what_is_there_now() -> None:
    assert judged(BEFORE.replace("int", "bigint")).diff == (
        "--- migrations/01_example.sql (as applied)\n"
        "+++ migrations/01_example.sql (now)\n"
        "@@ -1,5 +1,5 @@\n"
        " -- Purpose: users\n"
        " CREATE TABLE users (\n"
        "-  id int,\n"
        "+  id bigint,\n"
        "   name text\n"
        " );"
    )


@pytest.mark.parametrize(
    ("now", "marks"),
    [
        pytest.param([*LINES[:3999], "SELECT 1;", *LINES[4000:]], ["@@ -3998,5 +3998,5 @@"], id="changed"),
        pytest.param([*LINES[:3999], *LINES[4000:]], ["@@ -3998,5 +3998,4 @@"], id="taken-out"),
        pytest.param([*LINES[:3999], "SELECT 1;", *LINES[3999:]], ["@@ -3998,4 +3998,5 @@"], id="put-in"),
        pytest.param(["SELECT 1;", *LINES], ["@@ -1,2 +1,3 @@"], id="at-the-beginning"),
        pytest.param([*LINES, "SELECT 1;"], ["@@ -4999,2 +4999,3 @@"], id="at-the-end"),
        pytest.param(
            [*LINES[:99], "SELECT 1;", *LINES[100:199], "SELECT 2;", *LINES[200:]],
            ["@@ -98,5 +98,5 @@", "@@ -198,5 +198,5 @@"],
            id="at-two-places",
        ),
    ],
)
def test_counts_the_lines_of_a_long_file_right(now: list[str], marks: list[str]) -> None:
    assert [line for line in difference(now, LINES) if line.startswith("@@")] == marks


def test_shows_so_many_lines_and_counts_the_rest() -> None:
    found = difference([f"-- {line}" for line in LINES[:200]], LINES[:200])
    assert len(found) == LONGEST + 1
    assert found[-1] == "… and 343 more lines"


def test_does_not_compare_what_is_too_large() -> None:
    found = difference([f"SELECT {number};" for number in range(3000)], LINES[:2500])
    assert found == ["2500 lines before, 3000 lines now, from line 1 on: too much to compare"]


def test_cuts_lines_that_are_too_long() -> None:
    found = difference(["SELECT '" + "x" * 100_000 + "';"], ["SELECT '" + "y" * 100_000 + "';"])
    assert [len(line) for line in found[3:]] == [WIDEST, WIDEST]


FILES = st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=12)


@STEADY
@given(FILES, FILES)
def test_the_line_is_one_of_the_file_and_the_first_that_differs(now: list[str], before: list[str]) -> None:
    line = judged("\n".join(now), "\n".join(before)).line or 0
    assert 1 <= line <= len(now)
    assert now[: line - 1] == before[: line - 1]
    assert now[line - 1 : line] != before[line - 1 : line] or line in {len(now), len(before)}


@STEADY
@given(FILES, FILES)
def test_the_difference_applied_to_the_one_gives_the_other(now: list[str], before: list[str]) -> None:
    finding = judged("\n".join(now), "\n".join(before))
    if finding.level is Level.ERROR:
        assert patched(before, finding.diff.split("\n")) == now


def patched(before: list[str], diff: list[str]) -> list[str]:
    """What `patch` would make of it."""
    after: list[str] = []
    position = 0
    for line in diff[2:]:
        if line.startswith("@@"):
            start = int(line.split()[1].removeprefix("-").partition(",")[0]) - 1
            after += before[position:start]
            position = start
        elif line.startswith("+"):
            after.append(line[1:])
        else:
            assert before[position] == line[1:]
            position += 1
            after += [line[1:]] if line.startswith(" ") else []
    return after + before[position:]
