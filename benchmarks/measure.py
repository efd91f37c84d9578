"""One call of a tool, as a process of its own: seconds, processor time, memory."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

LAUNCH = Path(__file__).with_name("launch.py")
PATIENCE = 900  # seconds for one call
TOLD = 2  # lines that a call that fails has printed last: an error and its hint, without where in a program it was


@dataclass(frozen=True)
class Command:
    """A program to run."""

    argv: Sequence[str | Path]
    variables: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """One call."""

    seconds: float
    processor: float  # seconds, of the program and those that it started
    peak: int  # bytes; at least the 9 MB of the process that starts it
    output: str


class CallFailed(Exception):
    """A program that ended with an error, or not at all; with the last that it printed."""


def measure(command: Command, folder: Path) -> Measured:
    """Run it in a folder, with little else in its environment than what it asks for, so that nobody's settings are
    measured. Raises CallFailed.
    """
    words = [str(word) for word in command.argv]
    with tempfile.TemporaryFile() as printed:
        process = subprocess.Popen(  # noqa: S603 - a list of arguments, no shell
            [sys.executable, "-I", "-S", LAUNCH, *words],
            cwd=folder,
            env={"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8", **command.variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=printed,
            start_new_session=True,
        )
        try:
            told, _ = process.communicate(timeout=PATIENCE)
        except BaseException as error:  # the program must not outlive us
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            if isinstance(error, subprocess.TimeoutExpired):
                raise CallFailed(f"did not end within {PATIENCE} s") from None
            raise
        printed.seek(0)
        output = printed.read().decode(errors="replace")
    exit_code, seconds, processor, peak = told.split() or (b"1", b"0", b"0", b"0")
    if exit_code != b"0":
        raise CallFailed(" ".join(output.strip().splitlines()[-TOLD:]) or f"exit code {int(exit_code)}")
    return Measured(float(seconds), float(processor), int(peak) * 1024, output)
