"""The command line as a process of its own, to be watched, signalled and killed."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from runner.resources import PACKAGE
from tests.commands.conftest import CommandLine
from tests.conftest import Database

SLEEPING = "SELECT pid FROM pg_stat_activity WHERE query LIKE '%pg_sleep(30)%' AND wait_event = 'PgSleep'"
END_SLEEP = SLEEPING.replace("pid", "pg_terminate_backend(pid)", 1)


@contextmanager
def running(db_migrate: CommandLine, *argv: str) -> Iterator[subprocess.Popen[str]]:
    """`db-migrate` as a process of its own."""
    environ = {**os.environ, "DATABASE_URL": db_migrate.database.url.value, "GITHUB_ACTOR": "ada"}
    process = subprocess.Popen(
        [sys.executable, "-u", "-m", "runner", *argv],
        env={**environ, "PYTHONPATH": str(PACKAGE.parent), "GITHUB_WORKSPACE": str(db_migrate.checkout)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


def wait_until(database: Database, sql: str) -> None:
    """Until the query returns a row; half a minute at most."""
    deadline = time.monotonic() + 30
    while not database.query(sql):
        assert time.monotonic() < deadline, f"never came true: {sql}"
        time.sleep(0.05)
