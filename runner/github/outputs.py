"""The command files: outputs and the job summary.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

import errno
import json
import os
import re
import secrets
from collections.abc import Mapping
from pathlib import Path

from runner.core.model import PlanDocument, Report

REPORT_FOLDER, PLAN_FILE = "db-migrate-report", "plan.json"
LARGEST_SUMMARY = 1024 * 1024  # bytes a step; GitHub drops what is larger, whole
CUT = b"\n\n_The rest was left out: a summary has at most 1 MiB._\n"
ROOM_TO_CLOSE = 64  # bytes for the ends of a fence and a fold
SMALLEST_CUT = 1024  # bytes; with less room than this nothing is worth showing


def outputs_of(report: Report, *, plan: str = "") -> dict[str, str]:
    """The action's outputs. `plan`: where the file of the plan is, for the steps that follow."""
    return {
        "outcome": report.outcome,
        "applied": json.dumps(report.applied),
        "applied-count": str(len(report.applied)),
        "pending": json.dumps(report.pending),
        "pending-count": str(len(report.pending)),
        "current-version": report.current_version,
        "plan-digest": report.plan_document.digest if report.plan_document else "",
        "plan": plan,
        "restore-point": report.restore_point.text if report.restore_point else "",
        "backup": str(report.backup.path) if report.backup else "",
        "release-notes": report.release_notes,
    }


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append to the file of GITHUB_OUTPUT, each value between delimiters that it cannot contain."""
    entries = []
    for name, value in outputs.items():
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        entries.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(entries))


def write_plan(workspace: Path, plan: PlanDocument) -> str:
    """Write the plan, and return its path."""
    return write_file(workspace, PLAN_FILE, plan.text)


def write_file(workspace: Path, name: str, text: str) -> str:
    """Write a file into the workspace, as other folders of the container are not those of the steps that follow, and
    return its path there. It belongs to whom the workspace belongs to: else the runner could not clean up.
    """
    folder = workspace / REPORT_FOLDER
    if folder.is_symlink():  # which the checkout has, and which leads who knows where
        raise NotADirectoryError(errno.ENOTDIR, "it is a link")
    folder.mkdir(exist_ok=True)
    file = folder / name
    file.unlink(missing_ok=True)
    file.write_text(text, encoding="utf-8")
    owner = workspace.stat()
    for made in (folder, file):
        if os.geteuid() == 0:
            os.chown(made, owner.st_uid, owner.st_gid)
    return f"{REPORT_FOLDER}/{name}"


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
