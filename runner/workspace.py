"""The checkout's files: the migrations of a folder, read and checked, or everything that is wrong with them."""

import errno
import os
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path, PurePosixPath

from runner.core.checksum import checksum, normalise
from runner.core.model import MigrationFile, SourceFile
from runner.core.naming import EXAMPLE, FileName, Kind, VersionOrder, gaps, parse_name, problems_of_order
from runner.errors import Finding, InputError

AT_ONCE = 1024 * 1024  # bytes
UNLISTABLE = {
    FileNotFoundError: "there is no such folder in the checkout",
    NotADirectoryError: "it is not a folder",
}


def discover(
    checkout: Path, folder: PurePosixPath, order: VersionOrder, *, needed: bool = True
) -> tuple[list[MigrationFile], list[Finding]]:
    """The migrations of a folder of the checkout, in order, and warnings about the set. Raises InputError; unless they
    are `needed`, not when there are none, or no such folder.
    """
    names = _names(checkout, folder) if needed or os.path.lexists(checkout / folder) else []
    problems = [name for name in names if isinstance(name, Finding)]
    files = [name for name in names if isinstance(name, FileName)]
    ups = sorted((file for file in files if file.kind is Kind.UP), key=lambda file: order.key(file.version))
    problems += problems_of_order(ups, order)
    problems += _orphans(files, ups)
    sources: dict[tuple[str, Kind], SourceFile] = {}
    leads_inside = cache(_leads_inside)  # of one folder, for many files
    for file in files:
        source = _read(checkout, file.path, leads_inside)
        if isinstance(source, Finding):
            problems.append(source)
        else:
            sources[file.stem, file.kind] = source
    if problems:
        raise InputError(*problems)
    if needed and not ups:
        raise InputError(Finding("migrations-path: there is no migration in this folder", path=folder, hint=EXAMPLE))
    migrations = [
        MigrationFile(
            version=file.version,
            name=file.name,
            up=(up := sources[file.stem, Kind.UP]),
            checksum=checksum(up.data),
            down=sources.get((file.stem, Kind.DOWN)),
            check=sources.get((file.stem, Kind.CHECK)),
        )
        for file in ups
    ]
    return migrations, gaps(migration.version for migration in migrations)


def smoke_files(checkout: Path, pattern: str) -> list[SourceFile]:
    """The files of the checkout that match a pattern such as `smoke-tests/*.sql` or `**/*.smoke.sql`, by their paths.
    Names that begin with a dot only match where the pattern has one too. `**` does not follow links:
    https://docs.python.org/3.11/library/pathlib.html#pathlib.Path.glob. Raises InputError.
    """
    try:
        if ".." in PurePosixPath(pattern).parts:
            raise ValueError("it leads out of the checkout")
        places = {place.relative_to(checkout) for place in checkout.glob(pattern)}
    except (ValueError, NotImplementedError) as error:  # as, before Python 3.13, for `**.sql`
        hint = "such as smoke-tests/*.sql or **/*.smoke.sql, relative to the checkout"
        raise InputError(Finding(f"smoke-tests: `{pattern}` is no pattern of files: {error}", hint=hint)) from None
    hidden = any(part.startswith(".") for part in PurePosixPath(pattern).parts)
    paths = sorted(
        PurePosixPath(place) for place in places if hidden or not any(part.startswith(".") for part in place.parts)
    )
    if not paths:
        hint = "correct the pattern, which is relative to the checkout, or leave `smoke-tests` out"
        raise InputError(Finding(f"smoke-tests: no file of the checkout matches `{pattern}`", hint=hint))
    found = [read_text(checkout, path) for path in paths]
    if problems := [file for file in found if isinstance(file, Finding)]:
        raise InputError(*problems)
    return [file for file in found if isinstance(file, SourceFile)]


def _names(checkout: Path, folder: PurePosixPath) -> list[FileName | Finding]:
    place = Path(os.path.normpath(checkout / folder))
    try:
        entries = sorted(os.listdir(place))  # noqa: PTH208 - in a set of thousands a Path of each is most of the time
    except OSError as error:
        what = UNLISTABLE.get(type(error), f"it cannot be read: {error.strerror}")
        hint = "check out the repository first (actions/checkout), or correct `migrations-path`"
        raise InputError(Finding(f"migrations-path: {what}", path=folder, hint=hint)) from None
    shown = PurePosixPath(place.relative_to(checkout) if place.is_relative_to(checkout) else place)
    return [_name(shown, entry) for entry in entries if entry.lower().endswith(".sql") and not entry.startswith(".")]


def _name(folder: PurePosixPath, name: str) -> FileName | Finding:
    return _undecodable(folder, name, hint=EXAMPLE) or parse_name(folder / name)


def read_text(checkout: Path, path: PurePosixPath) -> SourceFile | Finding:
    """One file of the checkout, or what is wrong with its name or its text."""
    return _undecodable(path.parent, path.name) or _read(checkout, path)


def _undecodable(folder: PurePosixPath, name: str, *, hint: str = "rename it") -> Finding | None:
    try:
        f"{folder}/{name}".encode()
    except UnicodeEncodeError:
        readable = os.fsencode(folder / name).decode(errors="replace")
        return Finding("the name of this file is not UTF-8", path=PurePosixPath(readable), hint=hint)
    return None


def _orphans(files: Iterable[FileName], ups: Iterable[FileName]) -> Iterable[Finding]:
    stems = {file.stem for file in ups}
    return [
        Finding(f"there is no {file.stem}.sql that this file belongs to", path=file.path, hint=EXAMPLE)
        for file in files
        if file.kind is not Kind.UP and file.stem not in stems
    ]


def _leads_inside(root: str, folder: str) -> bool:
    return Path(os.path.realpath(folder)).is_relative_to(os.path.realpath(root))


def _read(
    checkout: Path, path: PurePosixPath, leads_inside: Callable[[str, str], bool] = _leads_inside
) -> SourceFile | Finding:
    """The file's text, or what keeps it from being one."""
    # No Path of each: in a set of thousands that would be most of the time.
    place = str(path) if path.is_absolute() else f"{checkout}/{path}"
    folder = place.rpartition("/")[0] or "/"
    root = folder if path.is_absolute() else str(checkout)
    try:
        raw = _bytes_of(place) if leads_inside(root, folder) else None
        if raw is None:
            there = Path(place).resolve(strict=True)
            if not there.is_relative_to(os.path.realpath(root)):
                return Finding("this link leads out of the checkout", path=path, hint="put the file itself here")
            raw = there.read_bytes()
    except OSError as error:
        hint = "look at its rights, or, of a link, at where it leads"
        return Finding(f"the file cannot be read: {error.strerror}", path=path, hint=hint)
    except RuntimeError:  # what Python before 3.13 makes of a loop
        return Finding("this link leads to itself", path=path, hint="put the file itself here")
    if (wrong := _not_utf8(raw)) is not None:
        return Finding(
            f"the file is not UTF-8 (byte {wrong + 1} is 0x{raw[wrong]:02x})",
            path=path,
            line=raw.count(b"\n", 0, wrong) + 1,
            hint="save it as UTF-8",
        )
    if (null := raw.find(b"\0")) >= 0:
        line = raw.count(b"\n", 0, null) + 1
        message = "the file contains a NUL byte, which PostgreSQL does not take"
        return Finding(message, path=path, line=line, hint="take it out; is this a text file at all?")
    return SourceFile(path=path, data=normalise(raw))


def _bytes_of(place: str) -> bytes | None:
    """A file's content; None of a link. Raises OSError."""
    try:
        descriptor = os.open(place, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if error.errno == errno.ELOOP:
            return None
        raise
    with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 - of a descriptor
        return file.readall()


def _not_utf8(raw: bytes) -> int | None:
    """The first byte that is not UTF-8. Looks at a large file in pieces, to need no memory for a decoded copy."""
    if len(raw) <= AT_ONCE:
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            return error.start
        return None
    decoder, start = getincrementaldecoder("utf-8")(), 0
    while start < len(raw):
        kept = len(decoder.getstate()[0])
        try:
            decoder.decode(raw[start : start + AT_ONCE], final=start + AT_ONCE >= len(raw))
        except UnicodeDecodeError as error:
            return start - kept + error.start
        start += AT_ONCE
    return None
