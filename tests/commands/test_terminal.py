"""What a person at a keyboard sees: colour, and a clock that runs."""

import os
import pty
import signal
import subprocess
import sys
import time

import pytest

from runner.resources import PACKAGE
from tests.commands.conftest import CommandLine

GREEN = "\x1b[32m"


def in_a_terminal(db_migrate: CommandLine, *argv: str, interrupt_at: str = "") -> tuple[int, str]:
    """Run `db-migrate` with a terminal for its output; with `interrupt_at`, press Ctrl-C once that text appears."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "runner", *argv],
        env={
            "DATABASE_URL": db_migrate.database.url.value,
            "GITHUB_WORKSPACE": str(db_migrate.checkout),
            "PYTHONPATH": str(PACKAGE.parent),
            "TERM": "xterm-256color",
        },
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    seen = ""
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline:
            try:
                seen += os.read(ours, 4096).decode(errors="replace")
            except OSError:  # the terminal's other end is closed: the program has ended
                break
            if interrupt_at and interrupt_at in seen:
                process.send_signal(signal.SIGINT)
                interrupt_at = ""
        return process.wait(timeout=10), seen
    finally:
        process.kill()
        os.close(ours)


@pytest.fixture
def version() -> int:
    return 18


def test_shows_progress_in_colour(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one="CREATE TABLE one (); SELECT pg_sleep(0.5);")
    code, seen = in_a_terminal(db_migrate)
    assert code == 0, seen
    assert f"{GREEN}✓ connect" in seen
    assert seen.index("01_one.sql  2 statements") < seen.index("✓ migrations/01_one.sql")


def test_control_c_ends_the_countdown(db_migrate: CommandLine) -> None:
    db_migrate.write(_01_one="CREATE TABLE one ();")
    code, seen = in_a_terminal(db_migrate, "--review-delay", "20s", interrupt_at="left to cancel (Ctrl-C)")
    assert code == 130, seen
    assert "cancelled by SIGINT" in seen
    assert "one" not in db_migrate.database.tables()
