"""What is said of a mapping: the table of all of it, what keeps it from being recorded, and what one should know."""

import hashlib
import re
from collections.abc import Collection, Iterator, Sequence
from itertools import compress

from runner.core.adoption.history import Entry, History, LeftOut
from runner.core.adoption.mapping import By, Mapped, Match, slug
from runner.core.model import MigrationFile
from runner.core.plural import counted
from runner.core.table import Table
from runner.core.tools import Tool
from runner.errors import Finding, Level

SHOWN = 5
COMMENTS = re.compile(rb"(?:[ \t]*--[^\n]*\n|[ \t]*\n)*")
ENDS = (b"\n", b"", b"\n\n")


def problems(mapped: Mapped, history: History, tool: Tool) -> list[Finding]:
    """What must be settled before anything is recorded."""
    return [*history.problems, *mapped.ambiguous, *_missing(mapped, tool)]


def warnings(mapped: Mapped, tool: Tool, done: Collection[int]) -> list[Finding]:
    """What is recorded all the same. `done`: the versions, as numbers, that the ledger has as completed."""
    return [*_older(mapped, tool), *_doubts(mapped, tool), *_gaps(mapped, done)]


def table(mapped: Mapped, history: History, tool: Tool, done: Collection[int]) -> Table:
    """Theirs, and what each is here; then what is only here."""
    matches: dict[str, list[Match]] = {}
    for match in mapped.matches:
        matches.setdefault(match.entry.name, []).append(match)
    rows = [row for entry in history.entries for row in _rows(entry, matches.get(entry.name, ()), done)]
    rows += [_row(each, "", each.why) for each in history.left_out]
    rows += [("", "", "", each.file.path.name, "recorded" if each.number in done else "pending")
             for each in mapped.others]  # fmt: skip
    headings = (f"applied by {tool}", "at", "by", "our file", "found by")
    kept = [any(column) for column in zip(*rows, strict=True)]  # most tools do not tell all of it
    return Table(headings=tuple(compress(headings, kept)), rows=tuple(tuple(compress(row, kept)) for row in rows))


def origin(match: Match, tool: Tool) -> str:
    """What the history keeps of why a migration counts as applied."""
    before = f"{By.BEFORE} " if match.by is By.BEFORE else ""
    return f"adopted from {tool}: {before}{match.entry.name}"


def _rows(entry: Entry, matches: Sequence[Match], done: Collection[int]) -> Iterator[tuple[str, ...]]:
    own = next((match for match in matches if match.by is not By.BEFORE), None)
    for match in matches:
        if match is not own:
            how = f"{By.BEFORE} {entry.name}"
            yield ("", "", "", match.ours.file.path.name, how + _recorded(match, done))
    if own:
        yield _row(entry, own.ours.file.path.name, own.by + _recorded(own, done) + (entry.note and f"; {entry.note}"))
    else:
        yield _row(entry, "", "no file" if entry.needs_file else "counts for all up to there")


def _row(entry: Entry | LeftOut, file: str, how: str) -> tuple[str, ...]:
    at = entry.applied_at.strftime("%Y-%m-%d %H:%M:%S %Z") if entry.applied_at else ""
    return (entry.name, at, entry.applied_by or "", file, how)


def _recorded(match: Match, done: Collection[int]) -> str:
    return ", recorded before" if match.ours.number in done else ""


def _missing(mapped: Mapped, tool: Tool) -> Iterator[Finding]:
    if not mapped.missing:
        return
    if not mapped.matches:
        yield Finding(
            f"no file here is one of the migrations that {tool} has applied, such as {mapped.missing[0].name}",
            hint=f"write our files with `db-migrate convert --from {tool}`; where only newer files belong into this "
            "folder, there is nothing to adopt: run `db-migrate`",
        )
        return
    mixed = len({bool(ours.origin) for ours in mapped.files}) > 1
    yield Finding(
        f"{tool} has applied what has no file here: {_some(mapped.missing)}",
        hint=f"convert it with `db-migrate convert --from {tool}`; or write a file that begins with `-- Origin: "
        f"{mapped.missing[0].name}`, of comments alone where there is no SQL"
        + ("; a file without such a line is not found by its number, as others have one" if mixed else ""),
    )


def _older(mapped: Mapped, tool: Tool) -> Iterator[Finding]:
    if mapped.older:
        yield Finding(
            f"before the first of these files, {tool} has applied what has none: {_some(mapped.older)}",
            level=Level.WARNING,
            hint="an empty database only comes to that state when the first file makes all of it; `convert` writes "
            "those files too",
        )


def _doubts(mapped: Mapped, tool: Tool) -> Iterator[Finding]:
    for match in mapped.matches:
        entry, file = match.entry, match.ours.file
        if match.by is By.VERSION and entry.title and slug(entry.title) != slug(file.name):
            yield Finding(
                f"this file has the version of {entry.name}, and another name",
                level=Level.WARNING,
                path=file.path,
                line=1,
                hint="when it is another migration, write `-- Origin: …` into the file that it is",
            )
        if match.by is not By.BEFORE and entry.digest and entry.digest not in _digests(file):
            yield Finding(
                f"this file is not what {tool} has applied as {entry.name}: its checksum is another one",
                level=Level.WARNING,
                path=file.path,
                line=1,
                hint="compare the two; `verify: true` compares what they make with the database",
            )


def _digests(file: MigrationFile) -> Iterator[str]:
    """Those of the text as it is, and as it may have been before `convert` put comments at its beginning."""
    data = file.up.data
    comments = COMMENTS.match(data)
    starts = {0, *(place.end() for place in re.finditer(rb"\n", data[: comments.end() if comments else 0]))}
    for start in sorted(starts):
        body = data[start:].rstrip(b"\n")
        for end in ENDS:
            for text in (body + end, (body + end).replace(b"\n", b"\r\n")):
                yield hashlib.sha256(text).hexdigest()


def _gaps(mapped: Mapped, done: Collection[int]) -> Iterator[Finding]:
    """Files that would run behind a later one."""
    there = {match.ours.number for match in mapped.matches} | set(done)
    last = max((place for place, ours in enumerate(mapped.files) if ours.number in there), default=0)
    for ours in mapped.files[:last]:
        if ours.number not in there:
            yield Finding(
                f"migration {ours.file.version} is not applied, and one behind it is",
                level=Level.WARNING,
                path=ours.file.path,
                line=1,
                hint="a run refuses it as late; `out-of-order: allow` runs it",
            )


def _some(entries: Sequence[Entry]) -> str:
    shown = ", ".join(entry.name for entry in entries[:SHOWN])
    return f"{shown} and {counted(len(entries) - SHOWN, 'other')}" if len(entries) > SHOWN else shown
