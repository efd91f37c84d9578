"""File names: what they mean, and in which order they run."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import PurePosixPath

from runner.errors import Finding, Level

LEDGER_FILE = "00_migration_state_tracking.sql"
# Digits of a version. The name of a file on a disk has no more than 255, but one in a tree of git may have more than
# int() takes: https://docs.python.org/3/library/stdtypes.html#integer-string-conversion-length-limitation
LONGEST_VERSION = 100
SHAPE = re.compile(
    rf"(?P<version>[0-9]{{1,{LONGEST_VERSION}}})[_-]"
    r"(?P<name>[^.\x00-\x1f\x7f][^\x00-\x1f\x7f]*?)(?P<kind>\.down|\.check)?\.sql"
)
EXAMPLE = "name it like 02_add_status.sql, 02_add_status.down.sql or 02_add_status.check.sql"
SHORT_NUMBER = 4  # digits; longer versions are time stamps, in which a gap means nothing
DAY_STAMP, SECOND_STAMP = 8, 14  # digits of 20260131 and of 20260131120000
GAPS_SHOWN = 5


class VersionOrder(StrEnum):
    """How versions are ordered; `auto` refuses a set for which the two others disagree."""

    AUTO = "auto"
    NUMERIC = "numeric"
    TEXT = "text"

    def key(self, version: str) -> tuple[int, str]:
        """Sorts versions in this order."""
        return (0, version) if self is VersionOrder.TEXT else (int(version), version)


class Kind(StrEnum):
    """What a file of a migration is for."""

    UP = ""
    DOWN = ".down"
    CHECK = ".check"


KINDS = {None: Kind.UP, Kind.DOWN.value: Kind.DOWN, Kind.CHECK.value: Kind.CHECK}  # as SHAPE finds them


@dataclass(frozen=True, slots=True, kw_only=True)
class FileName:
    """A file name, taken apart."""

    path: PurePosixPath
    version: str
    name: str
    kind: Kind
    stem: str  # what the files of one migration share: `02_add_status`


def parse_name(path: PurePosixPath) -> FileName | Finding:
    """Take a file name apart, or say what is wrong with it."""
    whole = path.name
    match = SHAPE.fullmatch(whole)
    if not match:
        return Finding("this name is not that of a migration", path=path, hint=EXAMPLE)
    if match["name"].endswith(".up"):
        mended = whole.replace(".up.sql", ".sql")
        return Finding("a migration has no .up in its name", path=path, hint=f"rename it to {mended}")
    version, name, kind = match.group("version", "name", "kind")
    stem = whole.removesuffix(f"{kind or ''}.sql")
    return FileName(path=path, version=version, name=name, kind=KINDS[kind], stem=stem)


def problems_of_order(names: Sequence[FileName], order: VersionOrder) -> list[Finding]:
    """What keeps the up files of a folder from having one clear order; empty when nothing does."""
    return [*_duplicates(names), *(_ambiguities(names) if order is VersionOrder.AUTO else ())]


def _duplicates(names: Sequence[FileName]) -> Iterable[Finding]:
    by_number: dict[int, FileName] = {}
    for file in names:
        first = by_number.setdefault(int(file.version), file)
        if first is not file:
            yield Finding(
                f"version {file.version} is also that of {first.path.name}",
                path=file.path,
                hint="give the later one the next free number",
            )


def _ambiguities(names: Sequence[FileName]) -> Iterable[Finding]:
    """Names that sort differently as numbers and as text, or will once the tenth file comes."""
    way_out = "or say which order is meant with `version-order: numeric` or `text`"
    by_number = sorted(names, key=lambda file: int(file.version))
    by_text = sorted(names, key=lambda file: file.version)
    width = max((len(file.version) for file in names), default=0)
    ambiguous = [file.version for file in by_number] != [file.version for file in by_text]
    for file in by_number:
        if ambiguous and len(file.version) < width and file.path.name != LEDGER_FILE:
            renamed = file.path.name.replace(file.version, _widened(file.version, width), 1)
            yield Finding(
                f"as a number, version {file.version} sorts differently than as text among the others",
                path=file.path,
                hint=f"rename it to {renamed}, {way_out}",
            )
        elif len(file.version) == 1:
            yield Finding(
                "a version has two digits or more", path=file.path, hint=f"rename it to 0{file.path.name}, {way_out}"
            )


def _widened(version: str, width: int) -> str:
    """The same version with as many digits as the others: a date gets a time, a number leading zeros."""
    if len(version) == DAY_STAMP and width == SECOND_STAMP:
        return version.ljust(width, "0")
    return version.zfill(width)


def gaps(versions: Iterable[str]) -> list[Finding]:
    """A warning for numbers left out of short numbering, which hint at a file that was forgotten."""
    numbers = sorted(int(version) for version in versions if len(version) <= SHORT_NUMBER)
    missing = [f"{low + 1}" if high - low == 2 else f"{low + 1} to {high - 1}"
               for low, high in pairwise(numbers) if high - low > 1]  # fmt: skip
    if not missing:
        return []
    shown = ", ".join(missing[:GAPS_SHOWN]) + (" and more" if len(missing) > GAPS_SHOWN else "")
    return [Finding(f"the numbering has gaps: {shown}", level=Level.WARNING, hint="was a file forgotten?")]
