"""What another tool says it has applied, in one form for all of them."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import PurePosixPath
from typing import Any, TypeAlias

from runner.errors import Finding

Row: TypeAlias = Mapping[str, Any]  # of the tool's table, by column; None for a column that it lacks
Version: TypeAlias = tuple[int, ...]  # (20240101120000,), or (1, 2) for 1.2; without zeros at its end

LONGEST = 100  # digits of a number
ENDINGS = re.compile(r"(?:\.(?:up|sql|py|go|rb|java|conf|[cm]?[jt]s))+", re.IGNORECASE)
OF_FLYWAY = re.compile(rf"[VB](\d{{1,{LONGEST}}}(?:[._]\d{{1,{LONGEST}}})*)__")
LEADING = re.compile(rf"(\d{{1,{LONGEST}}})(?=[_.-]|$)")
DOTTED = re.compile(rf"\d{{1,{LONGEST}}}(?:\.\d{{1,{LONGEST}}})*")
CHANGE_SET = "::"  # what Liquibase writes between file, id and author
CLASSPATH = "classpath:"  # with or without, it is one file for Liquibase


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A migration that another tool has applied."""

    name: str  # as people know it there: "V1.2__add_users.sql", "20240101120000"
    aliases: tuple[str, ...] = ()  # what else it may be called
    version: Version | None = None
    title: str = ""  # what is left of its name without the version: "add_users"
    applied_at: datetime | None = None
    applied_by: str | None = None
    reaches_back: bool = False  # everything before it counts as applied as well
    needs_file: bool = True  # False: it is no migration itself, but says up to where others count as applied
    digest: str = ""  # SHA-256, hex, of its file when it was applied
    note: str = ""  # what a reader should know of it


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """What stands in the tool's table and cannot be a migration here."""

    name: str
    why: str
    applied_at: datetime | None = None
    applied_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """All that the tool's table says."""

    entries: tuple[Entry, ...] = ()  # in the order in which that tool runs them
    left_out: tuple[LeftOut, ...] = ()
    problems: tuple[Finding, ...] = ()  # what must be settled with that tool first


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Where a tool keeps what it has applied, and how to read it. Columns are given with the type to read them as."""

    tables: tuple[str, ...]  # by name, with or without a schema; the first that is there counts
    columns: Mapping[str, str]  # that make it this tool's
    optional: Mapping[str, str] = field(default_factory=dict)
    filled: Mapping[str, str] = field(default_factory=dict)  # what a column says by not being null, whatever it holds
    strange: frozenset[str] = frozenset()  # columns that make it somebody else's
    read: Callable[[Sequence[Row]], History]


def parts_of(name: str) -> tuple[str, ...]:
    """The folders of a name, and what it is called in there, without endings: (db, V1__a) of `db/V1__a.sql`,
    (20240101_a,) of `20240101_a/migration.sql`. Of a change set only the file has folders: (db, log.sql::1::ada).
    """
    file, mark, rest = name.strip().partition(CHANGE_SET)
    path = PurePosixPath(file.replace("\\", "/").removeprefix(CLASSPATH).lstrip("/"))
    if mark:
        return (*path.parent.parts, f"{path.name}{mark}{rest}")
    if path.name == "migration.sql" and path.parent.name:
        path = path.parent
    ending = ENDINGS.search(path.name)
    bare = path.name[: ending.start()] if ending and ending.end() == len(path.name) else path.name
    return (*path.parent.parts, bare)


def stem_of(name: str) -> str:
    """A name without folders and endings."""
    return parts_of(name)[-1]


def may_be_one(parts: Sequence[str], others: Sequence[str]) -> bool:
    """Whether two names may be one thing, seen from different folders: `v1/a.sql` and `db/v1/a.sql`, not `v2/a.sql`."""
    shared = min(len(parts), len(others))
    return parts[-shared:] == others[-shared:]


def version_of(name: str) -> Version | None:
    """The version at the beginning of a file's name: (1, 2) of V1_2__add_users.sql, (20240101,) of 20240101_init. Many
    change sets share one of Liquibase's files, and its number is none of theirs.
    """
    if CHANGE_SET in name:
        return None
    stem = stem_of(name)
    if match := OF_FLYWAY.match(stem):
        return dotted(match[1].replace("_", "."))
    return (int(match[1]),) if (match := LEADING.match(stem)) else None


def dotted(text: str) -> Version | None:
    """`1.2.0` as (1, 2), as Flyway takes 1 and 1.0 for one; None for what is no version of numbers."""
    if not DOTTED.fullmatch(text):
        return None
    numbers = [int(part) for part in text.split(".")]
    while len(numbers) > 1 and numbers[-1] == 0:
        numbers.pop()
    return tuple(numbers)


def title_of(name: str) -> str:
    """What is left of a file's name without its version: `init` of 20240101_init."""
    stem = stem_of(name)
    match = OF_FLYWAY.match(stem) or LEADING.match(stem)
    return stem[match.end() :].lstrip("_-. ") if match else stem


def by_version(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """As numbers; what has none comes first, by its name."""
    return tuple(sorted(entries, key=lambda entry: (entry.version or (), entry.name)))
