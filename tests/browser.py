"""Chromium without a window: what a page becomes in it, as a document and as a picture.

`python -m tests.browser PAGE PICTURE [dark]` draws a page as PNG.
"""

import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

MERMAID = Path(__file__).parent / "node/node_modules/mermaid/dist/mermaid.min.js"
PROGRAMS = ("chromium", "chromium-browser", "google-chrome")  # names that packages give it; the first one is taken
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
WIDTH = 1080  # pixels, of a picture
# Put at the end of a page: how high it is, once nothing in it changes any more.
MEASURE = """
<script>
  function measure() { document.body.dataset.height = document.documentElement.offsetHeight; }
  new MutationObserver(measure).observe(document.body, { childList: true, subtree: true });
  measure();
</script>
"""
HEIGHT = re.compile(r'<body [^>]*data-height="(\d+)"')


def document(page: Path) -> str:
    """The page's HTML once all its scripts have ended."""
    return _chromium("--dump-dom", page.as_uri())


def picture(page: Path, path: Path, *, dark: bool = False) -> None:
    """Write all of the page, however high it is, as PNG."""
    page = page.absolute()
    colours = ["--blink-settings=preferredColorScheme=0"] if dark else []
    size = f"--window-size={WIDTH},{_height(page)}"
    _chromium(*colours, size, f"--screenshot={path.absolute()}", page.as_uri())


def _height(page: Path) -> int:
    """How high the page is in pixels, with its pictures drawn."""
    with tempfile.NamedTemporaryFile("w", dir=page.parent, suffix=".html") as copy:  # beside the scripts that it loads
        copy.write(page.read_text() + MEASURE)
        copy.flush()
        measured = HEIGHT.search(_chromium("--dump-dom", f"--window-size={WIDTH},800", Path(copy.name).as_uri()))
    assert measured, f"{page} could not be measured"
    return int(measured[1])


def _chromium(*arguments: str) -> str:
    program = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        raise FileNotFoundError(f"none of {', '.join(PROGRAMS)}: install the first (apt-get install chromium)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [program, *QUIET, f"--user-data-dir={profile}", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


if __name__ == "__main__":
    source, target, *rest = sys.argv[1:]
    picture(Path(source), Path(target), dark=rest == ["dark"])
