"""Chromium without a window: what a page becomes in it, as a document and as a picture."""

import shutil
import subprocess
import tempfile
from pathlib import Path

MERMAID = Path(__file__).parent / "node/node_modules/mermaid/dist/mermaid.min.js"
QUIET = (
    "--headless",
    "--no-sandbox",  # root has none, and the pages are our own
    "--disable-gpu",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",  # no page may ask anybody
    "--virtual-time-budget=60000",  # ms of the page's clock, which runs ahead while nothing is left to do
)
LONGEST = 120  # seconds


def document(page: Path) -> str:
    """The page's HTML once all its scripts have ended."""
    return _chromium("--dump-dom", page.as_uri())


def picture(page: Path, path: Path, *, width: int, height: int, dark: bool = False) -> None:
    """Write what a window of this size shows of the page, as PNG."""
    colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
    _chromium(*colours, f"--window-size={width},{height}", f"--screenshot={path.absolute()}", page.as_uri())


def _chromium(*arguments: str) -> str:
    program = shutil.which("chromium")
    if program is None:
        raise FileNotFoundError("no chromium: install Debian's package of that name (apt-get install chromium)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *QUIET, f"--user-data-dir={profile}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout
