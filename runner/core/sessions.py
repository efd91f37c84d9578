"""Other people's sessions, in words."""

from runner.core.durations import in_words
from runner.core.model import Session

LONGEST_QUERY = 120  # characters
PREPARED = 0  # the process that pg_blocking_pids names for a prepared transaction, which has none


def one_line(query: str) -> str:
    """The text of a query on one line, cut to what fits there."""
    text = " ".join(query.split())
    return text if len(text) <= LONGEST_QUERY else text[: LONGEST_QUERY - 2] + " …"


def describe(session: Session) -> str:
    """`pid 4711, reporting, role app, idle in transaction for 3 min 05 s: SELECT …`, as far as our role may see it."""
    if session.pid == PREPARED:
        return "a prepared transaction (see pg_prepared_xacts)"
    age = in_words(session.age) if session.age is not None else ""
    doing = f"{session.state or 'in a transaction'} for {age}" if age else session.state
    known = [f"pid {session.pid}", session.application, session.role and f"role {session.role}", doing]
    return ", ".join(filter(None, known)) + (f": {session.query}" if session.query else "")
