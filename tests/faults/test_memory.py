"""Memory does not grow with what a run does, only with what it plans."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runner.postgres.embedded import NEWEST, EmbeddedServer
from runner.resources import PACKAGE
from tests.conftest import Database, _database
from tests.faults.runs import Checkout

MB = 1_000_000
MANY = 5_000
OF_A_RESULT = 1_500  # bytes a migration: what the report keeps of it, and the pages and files made of that
OF_A_WINDOW = 4 * MB  # what is under way at once, however many follow


def peak(checkout: Checkout, database: Database, *argv: str) -> int:
    """The highest resident size of a run, in bytes. It is no fork: that would have what its parent has in memory."""
    size = checkout.folder / "size"
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.measured", size, "migrate", "--lint=off", *argv],
        env={**os.environ, **checkout.environ(database.url, checkout.folder), "PYTHONPATH": str(PACKAGE.parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    return int(size.read_text())


@pytest.fixture
def database(servers: Callable[[int], EmbeddedServer]) -> Iterator[Database]:
    """Of the newest version alone: what is measured is the client's."""
    yield from _database(servers(NEWEST), "template1")


def filled(folder: Path, number: int) -> Checkout:
    (folder / "migrations").mkdir(parents=True)
    checkout = Checkout(folder)
    checkout.write({f"{n:04}_t": f"CREATE TABLE t{n} (id int);" for n in range(1, number + 1)})
    return checkout


def test_applying_thousands_takes_little_more_than_planning_them(database: Database, tmp_path: Path) -> None:
    """A dry run has the same plan in memory, and reports it, but executes nothing."""
    many = filled(tmp_path / "many", MANY)
    planned = peak(many, database, "--dry-run")
    applied = peak(many, database)
    assert database.value("SELECT count(*) FROM schema_migrations WHERE status = 'completed'") == MANY
    assert applied - planned < MANY * OF_A_RESULT + OF_A_WINDOW


def test_rows_that_a_migration_returns_are_not_kept(database: Database, tmp_path: Path) -> None:
    checkout = filled(tmp_path / "checkout", 1)
    small = peak(checkout, database)
    checkout.write({"0002_rows": "SELECT repeat('x', 1000) FROM generate_series(1, 200000);"})
    assert peak(checkout, database) - small < 50 * MB
