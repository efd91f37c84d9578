"""`db-migrate convert --from goose db/migrations`: write our files from another tool's."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from errno import EEXIST
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from runner.core.convert.ours import Ours, convert, listing, look_at
from runner.core.convert.theirs import CONTROL_CHARACTERS, IN_A_COPY, Folder
from runner.core.model import SourceFile
from runner.core.naming import FileName, VersionOrder, parse_name
from runner.core.plural import counted
from runner.core.table import Table
from runner.core.tools import Tool
from runner.errors import Finding, InputError, Level
from runner.workspace import read_text

WANTED = frozenset({".sql", ".conf", ".toml"})
UNFINISHED = ".convert-"  # what the folder of files under way is called, until they get their names


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a conversion has to say."""

    table: Table
    findings: tuple[Finding, ...]
    written: str  # how much
    folder: PurePosixPath
    tool: Tool
    dry_run: bool

    @property
    def problems(self) -> int:
        """How much in the new files is to be mended before they can run."""
        return sum(finding.level is Level.ERROR for finding in self.findings)

    @property
    def verdict(self) -> str:
        """What was done, and what comes next."""
        done = f"{self.written} {'to be written' if self.dry_run else 'written'} to {self.folder}"
        if self.problems:
            return f"{done}: {counted(self.problems, 'problem')} to be mended there\n→ then look with: db-migrate check"
        if self.dry_run:
            return f"{done}; dry run, nothing was"
        return (
            f"{done}\n→ look at them with: db-migrate check"
            f"\n→ a database that {self.tool} has migrated joins with: db-migrate adopt --from {self.tool}"
        )


def convert_files(
    checkout: Path, theirs: str, tool: Tool, *, folder: PurePosixPath, order: VersionOrder, dry_run: bool
) -> Told:
    """Write, into `folder`, what the files of `theirs`, a folder or one file, become; with `dry_run` only tell it.

    What `check` would refuse in a new file is told and written all the same, since it is to be mended there. Raises
    InputError, with nothing written, when something cannot be carried over, or a file cannot be read or written.
    """
    found = _their_files(checkout, theirs)
    if os.path.normpath(checkout / folder) == os.path.normpath(checkout / theirs):
        hint = "say with `migrations-path` which folder to write"
        raise InputError(Finding("this folder cannot be read and written at once", path=folder, hint=hint))
    conversion = convert(tool, found, folder, order=order, existing=_existing(checkout, folder))
    if not dry_run:
        _write(checkout, folder, conversion.files)
    return Told(
        table=listing(conversion, found),
        findings=(*conversion.warnings, *look_at(conversion)),
        written=f"{counted(len(conversion.migrations))} of {tool}, {counted(len(conversion.files), 'file')}",
        folder=folder,
        tool=tool,
        dry_run=dry_run,
    )


def _their_files(checkout: Path, theirs: str) -> Folder:
    """A folder and what is below it, hidden files left out; or one file. Raises InputError."""
    place = Path(os.path.normpath(checkout / theirs))
    shown = PurePosixPath(place.relative_to(checkout) if place.is_relative_to(checkout) else place)
    with _listing(shown):
        if place.is_file():
            shown, places = shown.parent, [place]
            place = place.parent
        elif place.is_dir():
            places = sorted(each for each in place.rglob("*") if not each.is_dir())
        else:
            hint = "give the folder of the other tool's files"
            raise InputError(Finding("there is no such folder", path=shown, hint=hint))
    names = [each.relative_to(place).as_posix() for each in places]
    names = [name for name in names if not any(part.startswith(".") for part in name.split("/"))]
    read = {name: _read(checkout, shown, name) for name in names if PurePosixPath(name).suffix in WANTED}
    if problems := [each for each in read.values() if isinstance(each, Finding)]:
        raise InputError(*problems)
    sources = {name: source for name, source in read.items() if isinstance(source, SourceFile)}
    return Folder(path=shown, names=tuple(names), sources=sources)


def _read(checkout: Path, folder: PurePosixPath, name: str) -> SourceFile | Finding:
    """One of their files, by the name that becomes a line of ours; or what is wrong with it."""
    if CONTROL_CHARACTERS.search(name):
        message = "the name of this file has a line break or another control character in it"
        return Finding(message, path=folder / name, hint=f"rename it, {IN_A_COPY}")
    return read_text(checkout, folder / name)


@contextmanager
def _listing(folder: PurePosixPath) -> Iterator[None]:
    """Tells of a folder that cannot be looked into."""
    try:
        yield
    except OSError as error:
        hint = "look at its name and its rights"
        raise InputError(Finding(f"the folder cannot be read: {error.strerror}", path=folder, hint=hint)) from None


def _existing(checkout: Path, folder: PurePosixPath) -> list[FileName]:
    """The migrations that are there already. Raises InputError for names that are none."""
    place = checkout / folder
    with _listing(folder):
        entries = sorted(each.name for each in place.iterdir()) if place.is_dir() else []
    names = [parse_name(folder / entry) for entry in entries if entry.lower().endswith(".sql") and entry[0] != "."]
    if problems := [name for name in names if isinstance(name, Finding)]:
        raise InputError(*problems)
    return [name for name in names if isinstance(name, FileName)]


def _write(checkout: Path, folder: PurePosixPath, files: Sequence[Ours]) -> None:
    """Write new files: all of them, or none. They get their names when the last one is whole."""
    target, named = checkout / folder, list[Path]()
    path = folder
    try:
        target.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=UNFINISHED, dir=target) as unfinished:
            for file in files:
                path = file.path
                (Path(unfinished) / path.name).write_bytes(file.data)
            for file in files:
                path = file.path
                place = target / path.name
                if os.path.lexists(place):
                    raise FileExistsError(EEXIST, os.strerror(EEXIST))
                (Path(unfinished) / path.name).rename(place)
                named.append(place)
    except BaseException as error:
        for place in named:
            place.unlink(missing_ok=True)
        if not isinstance(error, OSError):
            raise
        raise InputError(Finding(f"the file cannot be written: {error.strerror}", path=path)) from None
