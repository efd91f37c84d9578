"""Where the files that travel with the program are: beside the package in a checkout, inside it in a wheel."""

from pathlib import Path

PACKAGE = Path(__file__).parent
TEMPLATES = PACKAGE / "templates"


def bundled(name: str) -> Path:
    """The path of a bundled file or folder, such as `migrations`. Raises FileNotFoundError."""
    for place in (PACKAGE / "bundled" / name, PACKAGE.parent / name):
        if place.exists():
            return place
    raise FileNotFoundError(f"{name} was not installed with the program")
