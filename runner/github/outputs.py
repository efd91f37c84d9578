"""The command files: outputs and the job summary.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path

from runner.core.model import Report

LARGEST_SUMMARY = 1024 * 1024  # bytes a step; GitHub drops what is larger, whole
CUT = "\n\n_The rest was left out: a summary has at most 1 MiB._\n"


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
        room = LARGEST_SUMMARY - file.tell()
        data = markdown.encode()
        if len(data) > room:
            kept = data[: max(room - len(CUT), 0)]
            data = kept[: kept.rfind(b"\n") + 1] + CUT.encode()
        file.write(data)
