"""Other people's sessions in one line each."""

import random
from datetime import timedelta

import pytest

from runner.core.sessions import describe, list_in_the_way, one_line, without_values
from runner.core.steps import Session


@pytest.mark.parametrize(
    ("session", "text"),
    [
        pytest.param(
            Session(
                pid=4711,
                application="reporting",
                role="app",
                state="idle in transaction",
                age=timedelta(seconds=185),
                query="SELECT 1",
            ),
            "pid 4711, reporting, role app, idle in transaction for 3 min 05 s: SELECT 1",
            id="all",
        ),
        pytest.param(Session(pid=4711, role="app"), "pid 4711, role app", id="another-role's"),
        pytest.param(Session(pid=4711, state="active"), "pid 4711, active", id="without-a-transaction"),
        pytest.param(Session(pid=0), "a prepared transaction (see pg_prepared_xacts)", id="prepared"),
    ],
)
def test_describes_a_session_as_far_as_it_is_visible(session: Session, text: str) -> None:
    assert describe(session) == text


def test_a_query_is_put_on_one_line() -> None:
    assert one_line("SELECT a,\n\t  b") == "SELECT a, b"


def test_a_long_query_is_cut() -> None:
    assert one_line("x" * 120) == "x" * 120
    assert one_line("x" * 121) == "x" * 118 + " …"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param("ALTER ROLE a PASSWORD 'hunter2'", "ALTER ROLE a PASSWORD '…'", id="plain"),
        pytest.param("SELECT 'a''b', c", "SELECT '…', c", id="doubled"),
        pytest.param(r"SELECT E'a\\b\n', c", "SELECT E'…', c", id="escapes"),
        pytest.param("SELECT 'c:\\dir', d", "SELECT '…', d", id="backslash"),
        pytest.param("SELECT U&'d!0061t' UESCAPE '!', X'1F', B'01'", "SELECT U&'…' UESCAPE '…', X'…', B'…'", id="more"),
        pytest.param("DO $$ BEGIN 'x' END $$; SELECT a", "DO '…'; SELECT a", id="dollars"),
        pytest.param("SELECT $a$ it's $$ $b$ $a$, d", "SELECT '…', d", id="dollars-with-a-tag"),
        pytest.param("SELECT a$b$c, d$b$ FROM t1", "SELECT a$b$c, d$b$ FROM t1", id="dollars-of-a-name"),
        pytest.param("UPDATE t2 SET a = $1, b = 4111.5e-3", "UPDATE t2 SET a = $1, b = ?-?", id="numbers"),
        pytest.param('SELECT "it\'s 1" FROM "say ""x""', "SELECT \"it's 1\" FROM '…'", id="quoted-names"),
        pytest.param("SELECT \"it's 1\", 'x'", "SELECT \"it's 1\", '…'", id="a-quote-in-a-name"),
        pytest.param("SELECT a -- don't\n, 'x'", "SELECT a  \n, '…'", id="a-quote-in-a-comment"),
        pytest.param("SELECT /* don't /* 'a' */ do */ 'x', b", "SELECT   '…', b", id="comments-in-comments"),
        pytest.param("SELECT a /* 'x", "SELECT a  ", id="a-comment-cut-off"),
        pytest.param("SELECT a, 'hunt", "SELECT a, '…'", id="cut-off"),
        pytest.param("SELECT a, $x$hunt $", "SELECT a, '…'", id="dollars-cut-off"),
        pytest.param(r"SELECT 'a\', b, 'c'", "SELECT '…'", id="who-knows-where-it-ends"),
        pytest.param(r"SELECT E'a\'b', c", "SELECT E'…'", id="who-knows-where-it-ends-with-an-e"),
    ],
)
def test_a_query_is_told_without_values(query: str, text: str) -> None:
    assert without_values(query) == text


INSIDE = ["S", "SS", "''", "$", "$$", '"', "--", "/*", "*/", "\n", " ", ";", "$S$"]
OUTSIDE = ["a", ",", "\n", "e", "/* it's */", "-- it's\n", '"it\'s"', "$1", "1", "a$b$", "+", "-", "/", "("]
LITERALS = [
    ("'", "'", {"''", "$S$", *INSIDE}),
    ("E'", "'", {r"\\", r"\'", r"\n", *INSIDE}),
    ("U&'", "'", {r"\0053", *INSIDE}),
    ("$$", "$$", set(INSIDE) - {"$", "$$", "$S$"} | {"'", r"\\"}),
    ("$tag$", "$tag$", {"'", "\\", *INSIDE}),
]


@pytest.mark.parametrize("seed", range(20))
def test_nothing_of_a_literal_is_told_wherever_the_query_is_cut(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(200):
        query = ""
        for _ in range(chance.randint(1, 4)):
            opening, closing, inside = chance.choice(LITERALS)
            query += " ".join(chance.choices(OUTSIDE, k=3)) + " " + opening
            query += "".join(chance.choices(sorted(inside), k=4)) + closing + " "
        cut = query[: chance.randint(0, len(query))]
        assert "S" not in without_values(query), query
        assert "S" not in without_values(cut), cut


def test_the_others_in_the_way_are_counted() -> None:
    sessions = [Session(pid=pid) for pid in range(1, 8)]
    assert list_in_the_way(sessions[:5]) == [f"in the way: pid {pid}" for pid in range(1, 6)]
    assert list_in_the_way(sessions)[5:] == ["and 2 more"]
    assert list_in_the_way([]) == []
