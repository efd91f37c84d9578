"""What PostgreSQL's scanner and parser make of a text, and how they refuse one."""

import pytest

from runner.core.syntax import TooDeep, Unreadable, tokens_between, trees


def refusal(text: str) -> Unreadable:
    with pytest.raises(Unreadable) as caught:
        trees(text)
    return caught.value


def test_tells_where_each_statement_stands_in_bytes() -> None:
    found = trees("SELECT 'é'; SELECT 2")
    assert [(raw.stmt_location, raw.stmt_len) for raw in found] == [(0, 11), (13, 0)]


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("SELECT 1;\nSELECT 12ab", 17, id="number-that-runs-into-a-word"),
        pytest.param('SELECT 1 AS ""', 12, id="name-without-a-character"),
        pytest.param("SELECT 'ü', 1_", 12, id="behind-multibyte-text"),
    ],
)
def test_what_cannot_be_scanned_is_certainly_wrong(text: str, position: int) -> None:
    error = refusal(text)
    assert (error.certain, error.position) == (True, position)


@pytest.mark.parametrize(
    ("text", "position"),
    [
        pytest.param("SELEC 1;", 0, id="at-the-start"),
        pytest.param("SELECT 1;\n  FROB t;", 12, id="second-line"),
        pytest.param("-- größer\nSELECT 'ü😀', 1 FROM FROM;", 30, id="behind-multibyte-text"),
    ],
)
def test_words_that_the_parser_does_not_know_may_be_known_to_the_server(text: str, position: int) -> None:
    error = refusal(text)
    assert (error.certain, error.position) == (False, position)
    assert str(error).startswith("syntax error at or near")


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("SELECT " + "||".join(["'a'"] * 300), id="a-long-sum"),
        pytest.param(" UNION ALL ".join(["SELECT 1"] * 300), id="a-long-union"),
        pytest.param("SELECT (" * 100 + "1" + ")" * 100, id="queries-in-queries"),
    ],
)
def test_a_deep_tree_is_not_looked_at(text: str) -> None:
    error = refusal(text)
    assert isinstance(error, TooDeep)
    assert not error.certain


def tokens(text: str, at_once: int = 1000) -> list[bytes]:
    data = text.encode()
    return [token for group in tokens_between(data, 0, len(data), at_once=at_once) for token in group]


def test_gives_the_tokens_without_comments() -> None:
    found = tokens("SELECT 'é' /* x /* y */ */ , \"a b\"; -- end\n$$;$$ E'\\''")
    assert list(found) == [b"SELECT", "'é'".encode(), b",", b'"a b"', b";", b"$$;$$", b"E'\\''"]


@pytest.mark.parametrize("at_once", range(1, 40))
def test_no_token_is_cut_where_a_piece_of_the_text_ends(at_once: int) -> None:
    text = "SELECT U&'d\\0061t', E'it\\'s', $a$ x $a$, x'1F', n'é', 1.5e3, a.b <= -2 -- end"
    assert tokens(text, at_once) == tokens(text)


def test_tokens_need_a_text_that_can_be_scanned() -> None:
    with pytest.raises(Unreadable) as caught:
        tokens("FROB;\nSELECT 'x")
    assert (caught.value.certain, caught.value.position) == (True, 13)
