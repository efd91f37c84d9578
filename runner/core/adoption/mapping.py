"""Which of our files those migrations are that another tool has applied: by what a file says of its origin, else by the
version, else by the name. Where files say it, the number of one that does not is our own.
"""

import re
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import takewhile
from typing import TypeVar

from runner.core.adoption.history import Entry, History, Version, may_be_one, parts_of, stem_of, version_of
from runner.core.headers import parse_headers
from runner.core.model import MigrationFile
from runner.core.naming import LEDGER_FILE
from runner.errors import Finding

Key = TypeVar("Key", bound=Hashable)

NO_LETTERS = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """One of our files, and what it says of where it comes from."""

    file: MigrationFile
    origin: str = ""  # the name that the other tool has for it

    @property
    def number(self) -> int:
        """Its version."""
        return int(self.file.version)

    @property
    def version_there(self) -> Version | None:
        """Its version in the other tool, as far as that is a number."""
        return version_of(self.origin) if self.origin else (self.number,)


class By(StrEnum):
    """What leads from one of theirs to one of our files."""

    ORIGIN = "its origin"
    VERSION = "its version"
    NAME = "its name"
    BEFORE = "before"  # another one that counts for all before it


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """One of our files that the database has already, and the entry that says so."""

    ours: Ours
    entry: Entry
    by: By


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapped:
    """What became of each entry, and of each file."""

    files: tuple[Ours, ...]  # all of them, in their order
    matches: tuple[Match, ...]  # one for a file that the database has, in the same order
    missing: tuple[Entry, ...]  # entries without a file
    older: tuple[Entry, ...]  # the same, before the entry of the very first file
    ambiguous: tuple[Finding, ...]

    @property
    def others(self) -> tuple[Ours, ...]:
        """The files that the tool has not applied."""
        there = {match.ours.number for match in self.matches}
        return tuple(ours for ours in self.files if ours.number not in there)


def with_origins(files: Sequence[MigrationFile]) -> list[Ours]:
    """The files that may be the other tool's: not the one that makes our ledger."""
    return [Ours(file=file, origin=parse_headers(file.up)[0].origin) for file in files if file.path.name != LEDGER_FILE]


def map_history(history: History, files: Sequence[Ours]) -> Mapped:
    """Find the file of each entry. Whatever is not clear is told, and matches nothing."""
    index = _Index(files, history.entries)
    own: dict[str, Match] = {}  # by the name of the entry
    taken: dict[int, Match] = {}  # the same, by the number of the file
    ambiguous: dict[str, Finding] = {}
    for entry in history.entries:
        by, found = index.find(entry)
        if len(found) > 1:
            ambiguous[entry.name] = _several(entry, found)
        elif found and (rival := taken.get(found[0].number)):
            ambiguous[entry.name] = _same_file(found[0], rival.entry, entry)
        elif found:
            own[entry.name] = taken[found[0].number] = Match(ours=found[0], entry=entry, by=by)
    matches = dict(taken)
    renumbered = any(match.by is By.NAME for match in own.values())
    for entry in history.entries:
        for ours in index.reached_by(entry, own.get(entry.name), renumbered=renumbered):
            matches.setdefault(ours.number, Match(ours=ours, entry=entry, by=By.BEFORE))
    homeless = [entry for entry in history.entries if entry.needs_file and entry.name not in own.keys() | ambiguous]
    begins_later = bool(own) and files[0].number in matches
    early = takewhile(lambda entry: entry.name not in own, history.entries)
    older = {entry.name for entry in early} if begins_later else set()
    return Mapped(
        files=tuple(files),
        matches=tuple(matches[ours.number] for ours in files if ours.number in matches),
        missing=tuple(entry for entry in homeless if entry.name not in older),
        older=tuple(entry for entry in homeless if entry.name in older),
        ambiguous=tuple(ambiguous.values()),
    )


def slug(text: str) -> str:
    """What of a name counts when two are compared."""
    return NO_LETTERS.sub("_", text).strip("_").lower()


class _Index:
    """Our files by everything that an entry may know of them. One that names its origin is found by that alone: its own
    number may be that of another one there. One that does not, where others do, was most likely written for us, and is
    found by its name alone.
    """

    def __init__(self, files: Sequence[Ours], entries: Sequence[Entry]) -> None:
        told = [file for file in files if file.origin]
        untold = [file for file in files if not file.origin]
        self._theirs = told or list(files)
        self._places = {file.number: place for place, file in enumerate(files)}
        self._by_stem = _grouped((stem_of(file.origin), file) for file in told)
        self._by_origins_version = _grouped((file.version_there, file) for file in told)
        self._by_version = _grouped((file.version_there, file) for file in untold if not told)
        names = ((name, file) for file in untold for name in (file.file.name, file.file.path.stem))
        self._by_name = _grouped((slug(name), file) for name, file in names if _says_more_than_a_version(name))
        self._uses = Counter(entry.version for entry in entries)

    def find(self, entry: Entry) -> tuple[By, Sequence[Ours]]:
        """The files that the entry may be: one, when it is clear."""
        names = (entry.name, *entry.aliases)
        for name in names:
            if told := self._of_origin(name):
                return By.ORIGIN, told
        version = entry.version if self._uses[entry.version] == 1 else None
        if version is not None and version in self._by_origins_version:
            return By.ORIGIN, self._by_origins_version[version]
        forms = (entry.title, *(form for name in names for form in (name, stem_of(name))))
        named = next((found for form in forms if (found := self._by_name.get(slug(form)))), [])
        numbered = self._by_version.get(version, []) if version is not None else []
        if numbered:
            return By.VERSION, _both(numbered, named)
        return By.NAME, named

    def _of_origin(self, name: str) -> Sequence[Ours]:
        """The files that say so; only where there is none, those of which it may be said from another folder."""
        parts = parts_of(name)
        near = [(file, parts_of(file.origin)) for file in self._by_stem.get(parts[-1], ())]
        same = [file for file, theirs in near if theirs == parts]
        return same or [file for file, theirs in near if may_be_one(theirs, parts)]

    def reached_by(self, entry: Entry, match: Match | None, *, renumbered: bool) -> list[Ours]:
        """The files that count as applied because they come before an entry: before its own file, or, of one that has
        none, by the versions that they have there. `renumbered`: the numbers of ours are known to be others.
        """
        if not entry.reaches_back:
            return []
        if match:
            own = self._places[match.ours.number]
            return [file for file in self._theirs if self._places[file.number] < own]
        if entry.needs_file or entry.version is None:
            return []
        numbered = [file for file in self._theirs if file.origin or not renumbered]
        return [file for file in numbered if file.version_there is not None and file.version_there <= entry.version]


def _says_more_than_a_version(name: str) -> bool:
    return not slug(name).replace("_", "0").isdigit()


def _grouped(pairs: Iterable[tuple[Key, Ours]]) -> dict[Key, list[Ours]]:
    groups: dict[Key, list[Ours]] = {}
    for key, file in pairs:
        if file not in (group := groups.setdefault(key, [])):
            group.append(file)
    return groups


def _both(numbered: Sequence[Ours], named: Sequence[Ours]) -> Sequence[Ours]:
    """Those of the version, and those of the name where it says otherwise."""
    return numbered if not named or any(file in named for file in numbered) else [*numbered, *named]


def _several(entry: Entry, found: Sequence[Ours]) -> Finding:
    names = " and ".join(ours.file.path.name for ours in found)
    return Finding(
        f"{entry.name} may be either of these: {names}",
        path=found[0].file.path,
        line=1,
        hint=f"write `-- Origin: {entry.name}` at the beginning of the one that it is",
    )


def _same_file(ours: Ours, first: Entry, second: Entry) -> Finding:
    return Finding(
        f"this file may be either of {first.name} and {second.name}",
        path=ours.file.path,
        line=1,
        hint="write `-- Origin: …` at its beginning, with the name of the one that it is; a file of comments alone may "
        "stand for the other",
    )
