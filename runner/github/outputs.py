"""The command files: outputs and the job summary.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

import json
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from runner.core.model import Report

LARGEST_SUMMARY = 1024 * 1024  # bytes a step; GitHub drops what is larger, whole
CUT = b"\n\n_The rest was left out: a summary has at most 1 MiB._\n"
ROOM_TO_CLOSE = 64  # bytes for the ends of a fence and a fold
SMALLEST_CUT = 1024  # bytes; with less room than this nothing is worth showing


def outputs_of(report: Report) -> dict[str, str]:
    """The action's outputs."""
    return {
        "outcome": report.outcome,
        "applied": json.dumps(report.applied),
        "applied-count": str(len(report.applied)),
        "pending": json.dumps(report.pending),
        "pending-count": str(len(report.pending)),
        "current-version": report.current_version,
    }


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append to the file of GITHUB_OUTPUT, each value between delimiters that it cannot contain."""
    entries = []
    for name, value in outputs.items():
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        entries.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(entries))


def write_summary(path: Path, markdown: str) -> None:
    """Append to the file of GITHUB_STEP_SUMMARY, cut at a line's end where it would be too large."""
    with path.open("ab") as file:
        file.write(_cut(markdown.encode(), LARGEST_SUMMARY - file.tell()))


def _cut(data: bytes, room: int) -> bytes:
    """As many whole lines as there is room for, with every fence and fold closed, and a note on the rest."""
    if len(data) <= room:
        return data
    if room < SMALLEST_CUT:
        return b""
    kept = data[: room - len(CUT) - ROOM_TO_CLOSE]
    kept = kept[: kept.rfind(b"\n") + 1]
    fence = b""
    for line in kept.split(b"\n"):
        if match := re.match(rb"`{3,}", line):
            fence = b"" if fence and match[0] == fence else fence or match[0]
    closing = (fence[: ROOM_TO_CLOSE // 2] + b"\n" if fence else b"") + (
        b"\n</details>\n" if kept.count(b"<details>") > kept.count(b"</details>") else b""
    )
    return kept + closing + CUT
