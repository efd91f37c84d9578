"""What another tool has: a folder of files, and the migrations that a reader of that tool finds in them."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import accumulate, dropwhile, pairwise
from pathlib import PurePosixPath

from runner.core.model import SourceFile
from runner.core.split import SplitError, split
from runner.errors import Finding, Level
from runner.patterns import zero_or_more

BLANKS = re.compile(rb"[ \t\r\n\f\v]*+")
BLANK_LINES = re.compile(zero_or_more(rb"[ \t\r\f\v]*+\n"))
CONTROL_CHARACTERS = re.compile(r"[\x00-\x1f\x7f]+")
PLACEHOLDER = re.compile(rb"\$\{" + zero_or_more(rb"[^}\n$]++|\$(?!\{)") + rb"\}")  # of Flyway and Liquibase: `${name}`
BLOCK = 4096  # bytes of a text whose line ends are counted once
IN_A_COPY = "in a copy of the folder, as the tool keeps a checksum of its own files, and convert that"


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files of a folder and below it, hidden ones left out, in the order of their names."""

    path: PurePosixPath
    names: tuple[str, ...]  # relative to the folder: "V1__users.sql", "20240101_init/migration.sql"
    sources: Mapping[str, SourceFile] = field(repr=False)  # the texts among them that somebody may want, by name


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a file, in bytes."""

    start: int
    end: int
    closed_by: bytes = (
        b""  # what is added behind it: a semicolon, where the tool knew the end by other means; a line end
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The SQL of one direction: stretches of a file of theirs, without the tool's marks. Holds no copy of the text."""

    source: SourceFile
    pieces: tuple[Piece, ...]
    no_transaction: bool = False

    @property
    def texts(self) -> Iterator[bytes | memoryview]:
        """What follows on each other in the new file."""
        whole = memoryview(self.source.data)
        for piece in self.pieces:
            yield whole[piece.start : piece.end]
            yield piece.closed_by

    @property
    def data(self) -> bytes:
        return b"".join(self.texts)

    @property
    def line(self) -> int:
        """Where it begins in their file, from 1."""
        return line_of(self.source, self.pieces[0].start) if self.pieces else 1

    def line_at(self, offset: int) -> int:
        """The line of their file in which a byte of `data` stands."""
        for piece in self.pieces:
            length = piece.end - piece.start + len(piece.closed_by)
            if offset < length:
                return line_of(self.source, min(piece.start + offset, piece.end))
            offset -= length
        return line_of(self.source, len(self.source.data))


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """One migration of theirs."""

    origin: str  # what the tool's own table, or else its folder, calls it: `V1.2__users.sql`, `20240101_init`
    name: str  # what people call it: "add_users"
    up: Part
    down: Part | None = None
    version: str = ""  # its digits, when it is a number
    title: str = ""  # a sentence that says more than the name


Found = Iterator[Draft | Finding]
"""What a reader finds: migrations in the order in which the tool runs them; errors for what cannot be carried over;
warnings for what is left out, as the tool does not run it either, or is no longer what it was.
"""
Reader = Callable[[Folder], Found]


def whole(source: SourceFile, *, start: int = 0, no_transaction: bool = False) -> Part:
    """A file that is all SQL, at least from a byte on."""
    return part(source, [Piece(start, len(source.data))], no_transaction=no_transaction)


def part(source: SourceFile, pieces: Iterable[Piece], *, no_transaction: bool = False) -> Part:
    """The pieces, without the blank lines around them all. Between them nothing is lost, as that may be a literal."""
    kept = list(dropwhile(lambda piece: _is_blank(source.data, piece), pieces))
    while kept and _is_blank(source.data, kept[-1]):
        kept.pop()
    if kept:
        kept[0] = replace(kept[0], start=_behind_blank_lines(source.data, kept[0]))
        kept[-1] = replace(kept[-1], end=_end_of_text(source.data, kept[-1]))
    ended = tuple(replace(piece, closed_by=_line_end(source.data, piece) + piece.closed_by) for piece in kept)
    return Part(source=source, pieces=ended, no_transaction=no_transaction)


def _is_blank(data: bytes, piece: Piece) -> bool:
    return BLANKS.fullmatch(data, piece.start, piece.end) is not None


def _behind_blank_lines(data: bytes, piece: Piece) -> int:
    lines = BLANK_LINES.match(data, piece.start, piece.end)
    return lines.end() if lines else piece.start


def _end_of_text(data: bytes, piece: Piece) -> int:
    return piece.start + len(data[piece.start : piece.end].rstrip())


def _line_end(data: bytes, piece: Piece) -> bytes:
    """What a piece lacks to end with its line."""
    return b"" if piece.end == piece.start or data[piece.end - 1 : piece.end] == b"\n" else b"\n"


def has_statements(of: Part) -> bool:
    """Whether there is anything but comments in it. Raises SplitError for a quote or comment that never ends."""
    return sum(1 for _ in split(of.data)) > 0


def is_open(source: SourceFile, start: int, end: int) -> bool:
    """Whether the last statement of a stretch has no semicolon behind it."""
    text = source.data[start:end]
    try:
        cuts = list(split(text))
    except SplitError:  # which is told when the whole part is looked at
        return False
    return bool(cuts) and not text[cuts[-1].end :].lstrip().startswith(b";")


def end_of_line(data: bytes, position: int) -> int:
    """Behind the line end that follows."""
    end = data.find(b"\n", position)
    return len(data) if end < 0 else end + 1


def line_of(source: SourceFile, offset: int) -> int:
    """The line of a byte, from 1."""
    block = offset // BLOCK
    return _lines_before_blocks(source.data)[block] + source.data.count(b"\n", block * BLOCK, offset) + 1


@lru_cache(maxsize=1)
def _lines_before_blocks(data: bytes) -> list[int]:
    """How many lines end before each block: a large file may have as many places to tell as lines."""
    return [0, *accumulate(data.count(b"\n", start, start + BLOCK) for start in range(0, len(data), BLOCK))]


def located(message: str, source: SourceFile, offset: int = 0, *, hint: str, level: Level = Level.ERROR) -> Finding:
    """A finding about a place in one of their files."""
    return Finding(message, path=source.path, line=line_of(source, offset), hint=hint, level=level)


def passed_over(folder: Folder, name: str, example: str) -> Finding:
    """A file with SQL in it that the tool does not take for a migration."""
    return Finding(
        "this file is left out, as the tool does not take it for a migration either",
        path=folder.path / name,
        level=Level.WARNING,
        hint=f"its migrations are in files like {example}",
    )


def is_code(folder: Folder, name: str, way: str) -> Finding:
    """A migration that is a program."""
    return Finding("this migration is code, not SQL", path=folder.path / name, hint=way)


def filled_in(source: SourceFile, tool: str) -> Iterator[Finding]:
    """Each name for which the tool puts a value in before it runs the file, where it stands first."""
    seen: dict[bytes, int] = {}
    for found in PLACEHOLDER.finditer(source.data):
        seen.setdefault(found[0], found.start())
    for name, start in seen.items():
        yield located(f"{tool} fills in {name.decode()} here", source, start, hint=f"write the value in, {IN_A_COPY}")


def by_number(found: Iterable[Draft | Finding]) -> Found:
    """In the order of their numbers, as most tools run them; of two with one number the second is told."""
    drafts: list[Draft] = []
    for each in found:
        if isinstance(each, Draft):
            drafts.append(each)
        else:
            yield each
    drafts.sort(key=lambda draft: int(draft.version))
    yield from _same_number(drafts)
    yield from drafts


def _same_number(drafts: Sequence[Draft]) -> Iterator[Finding]:
    for before, draft in pairwise(drafts):
        if int(before.version) == int(draft.version):
            yield twice(draft.up.source, before.up.source)


def twice(later: SourceFile, first: SourceFile) -> Finding:
    """Two files for one thing."""
    hint = "leave one of the two out: the tool itself refuses such a folder"
    return Finding(f"this has the same version as {first.path.name}", path=later.path, hint=hint)
