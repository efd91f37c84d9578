"""The digests: one sees every change of the text, the other only what changes what PostgreSQL would run."""

import hashlib
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.checksum import checksum, normalise
from runner.core.sql_digest import sql_digest
from tests.builders import STEADY


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        pytest.param("SELECT 1;\n", "SELECT 1;\n", id="plain"),
        pytest.param("\ufeffSELECT 1;\n", "SELECT 1;\n", id="byte-order-mark"),
        pytest.param("SELECT 1;\r\nSELECT 2;\r\n", "SELECT 1;\nSELECT 2;\n", id="crlf"),
        pytest.param("\ufeffSELECT 1;\r\n", "SELECT 1;\n", id="both"),
        pytest.param("SELECT 'a\rb';", "SELECT 'a\rb';", id="cr-alone-is-content"),
        pytest.param("SELECT 'a\r\r\nb';", "SELECT 'a\r\nb';", id="cr-before-crlf-stays"),
        pytest.param("SELECT '\ufeff';", "SELECT '\ufeff';", id="mark-inside-is-content"),
        pytest.param("SELECT 1;", "SELECT 1;", id="no-newline-is-added"),
        pytest.param("", "", id="empty"),
    ],
)
def test_normalises(raw: str, text: str) -> None:
    assert normalise(raw.encode()) == text.encode()


@pytest.mark.parametrize(
    ("text", "digest"),
    [  # as `sha256sum` says
        pytest.param("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", id="empty"),
        pytest.param("SELECT 1;\n", "b4e0497804e46e0a0b0b8c31975b062152d551bac49c3c2e80932567b4085dcd", id="ascii"),
        pytest.param("SELECT 'é';\n", "57a22cd522f92e521b055c5967f3c1e97d08b200c4fead698b4bc64c0773efa5", id="utf-8"),
    ],
)
def test_is_the_sha_256_of_the_utf_8_text(text: str, digest: str) -> None:
    assert checksum(text.encode()) == digest


def test_a_blank_more_is_another_text() -> None:
    assert checksum(b"SELECT 1;") != checksum(b"SELECT 1; ")


def digest(text: str) -> str:
    """That of a text which can be scanned."""
    found = sql_digest(text.encode())
    assert found is not None
    return found


def test_the_digest_of_the_sql_is_that_of_its_tokens() -> None:
    tokens = b"SELECT\0'\xc3\xa9'\0,\0$$;$$\0;\0"
    assert digest("SELECT 'é', $$;$$;") == hashlib.sha256(tokens).hexdigest()
    assert digest("") == hashlib.sha256().hexdigest()


SQL = "SELECT a, 'it''s' FROM t WHERE b <> -1;\nCREATE FUNCTION f() AS $$ BEGIN; END $$;"


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(f"-- why\n{SQL}\n/* done */", id="comments-around"),
        pytest.param(SQL.replace(" ", "\n\t").replace("$$\n\tBEGIN;\n\tEND\n\t$$", "$$ BEGIN; END $$"), id="layout"),
        pytest.param(SQL.replace("a,", "a /* x /* ; */ */ , -- y;\n"), id="comments-inside"),
        pytest.param(SQL.replace("(", " ( ").replace(",", " ,"), id="blanks"),
        pytest.param(f"\n\n{SQL}\n\n", id="blank-lines"),
    ],
)
def test_comments_and_layout_do_not_change_the_digest_of_the_sql(other: str) -> None:
    assert digest(other) == digest(SQL)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(SQL.replace("SELECT", "select"), id="case-of-a-word"),
        pytest.param(SQL.replace("it''s", "it''s "), id="blank-in-a-literal"),
        pytest.param(SQL.replace("BEGIN; END", "BEGIN;  END"), id="blank-in-a-body"),
        pytest.param(SQL.replace("BEGIN; END", "BEGIN; -- x\nEND"), id="comment-in-a-body"),
        pytest.param(SQL.replace("<> -1", "<>- 1").replace("- 1", "-- 1\n2"), id="another-number"),
        pytest.param(SQL.removesuffix(";"), id="semicolon"),
        pytest.param(SQL.replace("a,", "a a,"), id="one-word-more"),
        pytest.param(SQL.replace("b <>", '"b" <>'), id="quotes"),
        pytest.param(SQL.replace("<> -1", "< > -1"), id="an-operator-apart"),
    ],
)
def test_any_other_change_does(other: str) -> None:
    assert digest(other) != digest(SQL)


def test_tokens_that_run_together_are_others() -> None:
    assert digest("a b") != digest("ab") != digest("a\tbc") != digest("ab c")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("SELECT 'x", id="literal-that-never-ends"),
        pytest.param("SELECT 1; /* x", id="comment-that-never-ends"),
        pytest.param("SELECT 12ab", id="what-the-scanner-refuses"),
        pytest.param("SELECT 1;\n\\connect x", id="command-of-psql"),
        pytest.param("SET standard_conforming_strings = off; SELECT '\\'';'", id="backslashes-that-it-would-misread"),
    ],
)
def test_what_cannot_be_scanned_has_no_digest(text: str) -> None:
    assert sql_digest(text.encode()) is None


def test_what_cannot_be_parsed_has_one_nevertheless() -> None:
    assert digest("FROB t /* x */;") == digest("FROB t;")


ROWS = [f"INSERT INTO t VALUES ({number}, 'ü;');" for number in range(20_000)]


def test_the_digest_of_a_large_file_is_that_of_its_tokens_too() -> None:
    tokens = (["INSERT", "INTO", "t", "VALUES", "(", str(number), ",", "'ü;'", ")", ";"] for number in range(len(ROWS)))
    expected = hashlib.sha256(b"".join(token.encode() + b"\0" for row in tokens for token in row)).hexdigest()
    assert digest("\n".join(ROWS)) == expected
    assert digest("-- é\n" + "\n\n/* ; */ ".join(ROWS)) == expected


def test_and_so_is_that_of_one_large_statement() -> None:
    values = [f"({number}, 'ü;')" for number in range(60_000)]
    tokens = [["(", str(number), ",", "'ü;'", ")", ","] for number in range(len(values))]
    flat = ["INSERT", "INTO", "t", "VALUES", *(token for row in tokens for token in row)][:-1]
    expected = hashlib.sha256(b"".join(token.encode() + b"\0" for token in flat)).hexdigest()
    for gap in (", ", ", -- x\n"):
        assert digest("INSERT INTO t VALUES " + gap.join(values)) == expected


LITERALS = ["'it''s;'", "E'\\''"]
TOKENS = st.lists(
    st.sampled_from(["SELECT", "a", '"a b"', *LITERALS, "$$;$$", "1", "1.5", "+", "(", ")", ",", ";", "é", "::"]),
    max_size=12,
).filter(lambda tokens: not any({*pair} <= {*LITERALS} for pair in pairwise(tokens)))  # on two lines they are one
GAPS = st.sampled_from([" ", "\n", "\t\n", " -- it's; $$\n", " /* ; /* ' */ */ "])


@STEADY
@given(TOKENS, st.lists(GAPS, min_size=12, max_size=12))
def test_whatever_the_tokens_their_layout_does_not_count(tokens: list[str], gaps: list[str]) -> None:
    assert digest("".join(token + gap for token, gap in zip(tokens, gaps, strict=False))) == digest(" ".join(tokens))


@STEADY
@given(TOKENS, TOKENS)
def test_other_tokens_are_another_digest(one: list[str], other: list[str]) -> None:
    assert (digest(" ".join(one)) == digest(" ".join(other))) is (one == other)
