"""What a newcomer sees first, and what a start costs."""

import subprocess
import sys
from pathlib import Path

from runner.resources import PACKAGE


def test_the_demonstration_ends_well_and_leaves_a_page(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "runner", "demo"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(PACKAGE.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=90,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.endswith("Every command of this demonstration ended as it should.\n")
    page = (tmp_path / "build" / "demo" / "summary.html").read_text()
    assert "7 migrations applied to staging" in done.stdout
    assert "ACCESS EXCLUSIVE" in page
    assert "<table>" in page
