"""`db-migrate new "add user roles"`: write the files of the next migration."""

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path, PurePosixPath

from runner.core.naming import Kind, VersionOrder
from runner.core.next_version import name_of, next_version
from runner.errors import Finding, InputError
from runner.workspace import discover

SEPARATOR = "_"
UP = """\
-- Migration: {title}
-- Purpose:\x20

-- The statements of the change. They run in one transaction with the row that records them: no BEGIN, no COMMIT.
"""
DOWN = """\
-- Migration: Undo "{title}"
-- Purpose:\x20

-- The statements that undo {file}, the last one first.
"""
CHECK = """\
-- Migration: Check "{title}"

-- What must be true once {file} has run. Each statement returns at least one row that begins with true, such as:
-- SELECT count(*) = 0 AS every_user_has_a_role FROM users WHERE role IS NULL;
"""
TEMPLATES: Mapping[Kind, str] = {Kind.UP: UP, Kind.DOWN: DOWN, Kind.CHECK: CHECK}


def new_migration(
    checkout: Path, folder: PurePosixPath, title: str, *, order: VersionOrder, down: bool, check: bool, now: datetime
) -> list[PurePosixPath]:
    """Write the next migration of a folder and, as asked, its down and check files. Returns their paths, relative to
    the checkout where they are in it.

    Raises InputError when the title names nothing or is no text, the folder is broken, or a file cannot be written.
    """
    try:
        title.encode()
    except UnicodeEncodeError:
        raise InputError(Finding("the title is not UTF-8", hint="write it anew")) from None
    name = name_of(title)
    versions, separator = _existing(checkout, folder, order)
    stem = f"{next_version(versions, order, now)}{separator}{name}"
    kinds = [Kind.UP, *([Kind.DOWN] if down else []), *([Kind.CHECK] if check else [])]
    texts = {
        folder / f"{stem}{kind}.sql": TEMPLATES[kind].format(title=_heading(title), file=f"{stem}.sql")
        for kind in kinds
    }
    _write(checkout, texts)
    return list(texts)


def _existing(checkout: Path, folder: PurePosixPath, order: VersionOrder) -> tuple[list[str], str]:
    """The versions of a folder, and what its last file has between version and name. None in a new folder."""
    with suppress(OSError):  # told by what comes next, but for a folder that is not there
        if not (checkout / folder).exists() or not any(map(_is_sql, (checkout / folder).iterdir())):
            return [], SEPARATOR
    files, _ = discover(checkout, folder, order)
    last = files[-1]
    return [file.version for file in files], last.path.name[len(last.version)]


def _is_sql(entry: Path) -> bool:
    return entry.name.lower().endswith(".sql") and not entry.name.startswith(".")


def _heading(title: str) -> str:
    """The title on one line, beginning with a capital."""
    words = re.sub(r"[\s\x00-\x1f\x7f-\x9f]+", " ", title).strip()
    return words[0].upper() + words[1:]


def _write(checkout: Path, texts: Mapping[PurePosixPath, str]) -> None:
    """Write new files: all of them, or none. What is there already is left alone."""
    written: list[Path] = []
    path = PurePosixPath()
    try:
        for path, text in texts.items():
            place = checkout / path
            place.parent.mkdir(parents=True, exist_ok=True)
            with place.open("x", encoding="utf-8", newline="\n") as file:
                written.append(place)
                file.write(text)
    except BaseException as error:
        for place in written:
            place.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(Finding(f"the file cannot be written: {error.strerror}", path=path)) from None
