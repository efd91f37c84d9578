"""Other people's sessions in one line each."""

from datetime import timedelta

import pytest

from runner.core.model import Session
from runner.core.sessions import describe, one_line


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
