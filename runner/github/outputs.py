"""The command files: outputs and the job summary.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#environment-files
"""

import errno
import json
import os
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path

from runner.core.model import Report
from runner.core.sizes import LARGEST_SUMMARY

REPORT_FOLDER, REPORT_FILE, PLAN_FILE = "db-migrate-report", "report.json", "plan.json"


def outputs_of(report: Report, *, plan: str = "", told: str = "") -> dict[str, str]:
    """The action's outputs. `plan`, `told`: where the files of plan and report are, for the steps that follow."""
    return {
        "outcome": report.outcome,
        "applied": json.dumps(report.applied),
        "applied-count": str(len(report.applied)),
        "undone": json.dumps(report.undone),
        "pending": json.dumps(report.pending),
        "pending-count": str(len(report.pending)),
        "current-version": report.current_version,
        "plan-digest": report.plan_document.digest if report.plan_document else "",
        "plan": plan,
        "report": told,
        "restore-point": report.restore_point.text if report.restore_point else "",
        "backup": str(report.backup.path) if report.backup else "",
        "release-notes": report.release_notes,
        "release-url": report.release_url,
    }


def write_outputs(path: Path, outputs: Mapping[str, str]) -> None:
    """Append to the file of GITHUB_OUTPUT, each value between delimiters that it cannot contain."""
    entries = []
    for name, value in outputs.items():
        delimiter = f"ghadelimiter_{secrets.token_hex(16)}"
        entries.append(f"{name}<<{delimiter}\n{value}\n{delimiter}\n")
    with path.open("a", encoding="utf-8") as file:
        file.write("".join(entries))


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


def write_summary(path: Path, render: Callable[[int], str]) -> None:
    """Append to the file of GITHUB_STEP_SUMMARY what `render` makes of the bytes that there is room for."""
    with path.open("ab") as file:
        file.write(render(LARGEST_SUMMARY - file.tell()).encode())
