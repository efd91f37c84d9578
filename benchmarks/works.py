"""What every tool has to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

DISTANCES = (0, 20, 80)  # ms of a round trip
ROWS = 300_000  # of the data file, about 20 MB


@dataclass(frozen=True)
class Work:
    """Scripts to apply from nothing; then, with `again`, to find nothing pending, and to show the status."""

    name: str
    scripts: Callable[[], Sequence[str]]
    distances: Sequence[int]  # at which they are applied, other than for the beginning
    times: int  # at no distance
    minutes: int  # about, with all tools
    again: str = ""  # how the database is called by then
    only_each: bool = False  # only with tools that commit each migration
    but_for: frozenset[str] = frozenset()  # tools that cannot do it, or take minutes

    @property
    def nothing(self) -> str:
        return f"Nothing pending, {self.again}"

    @property
    def status(self) -> str:
        return f"Status, {self.again}"


def small(number: int) -> list[str]:
    """A table and a comment each."""
    return [f"CREATE TABLE t{n} (id int);\nCOMMENT ON TABLE t{n} IS 'small';" for n in range(1, number + 1)]


def data(rows: int = ROWS) -> list[str]:
    """One file, a row a statement."""
    row = "INSERT INTO items VALUES (%d, 'it''s row %d; café', 'x');"
    inserts = "\n".join(row % (n, n) for n in range(1, rows + 1))
    return [f"CREATE TABLE items (id bigint PRIMARY KEY, title text, body text);\n{inserts}"]


WORKS = {
    "100": Work("100 migrations", lambda: small(100), DISTANCES, times=5, minutes=10),
    "1000": Work("1,000 migrations", lambda: small(1_000), DISTANCES, times=3, minutes=10, again="1,000 applied"),
    # So many tables are more locks than one transaction may have in a server as it is.
    "10000": Work(
        "10,000 migrations",
        lambda: small(10_000),
        (),
        times=0,
        minutes=8,
        again="10,000 applied",
        only_each=True,
        but_for=frozenset({"yoyo", "graphile-migrate", "alembic, each"}),
    ),
    # yoyo makes a savepoint for each statement: more locks than the server has. psql waits 300,000 times for an answer.
    "data": Work(
        "A data file of 20 MB",
        data,
        DISTANCES,
        times=3,
        minutes=8,
        but_for=frozenset({"yoyo", "psql, by statement"}),
    ),
}
