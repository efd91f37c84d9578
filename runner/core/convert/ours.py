"""The files that another tool's migrations become: their versions, names and headers."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from runner.core.convert.flyway import read_flyway
from runner.core.convert.liquibase import read_liquibase
from runner.core.convert.marked import read_dbmate, read_goose, read_node_pg_migrate
from runner.core.convert.named import read_golang_migrate, read_graphile_migrate, read_prisma, read_supabase
from runner.core.convert.scripts import read_alembic, read_rails
from runner.core.convert.theirs import CONTROL_CHARACTERS, IN_A_COPY, Draft, Folder, Part, Reader, has_statements
from runner.core.headers import parse_headers
from runner.core.model import MigrationFile, SourceFile
from runner.core.naming import LONGEST_VERSION, FileName, Kind, VersionOrder, parse_name, problems_of_order
from runner.core.parse import parse, parse_down
from runner.core.split import SplitError
from runner.core.table import Table
from runner.core.tools import Tool
from runner.errors import Finding, InputError, Level

READERS: Mapping[Tool, Reader] = {
    Tool.ALEMBIC: read_alembic,
    Tool.DBMATE: read_dbmate,
    Tool.FLYWAY: read_flyway,
    Tool.GOLANG_MIGRATE: read_golang_migrate,
    Tool.GOOSE: read_goose,
    Tool.GRAPHILE_MIGRATE: read_graphile_migrate,
    Tool.LIQUIBASE: read_liquibase,
    Tool.NODE_PG_MIGRATE: read_node_pg_migrate,
    Tool.PRISMA: read_prisma,
    Tool.RAILS: read_rails,
    Tool.SUPABASE: read_supabase,
}
WIDTH = 4  # digits of versions that are numbered anew, or more where there are more migrations
SHORTEST = 2  # digits of a version
LONGEST_NAME = 255  # bytes of a file's
NOT_IN_A_NAME = re.compile(rf"(?:{CONTROL_CHARACTERS.pattern}|/)+")
ENDING = re.compile(r"\.(?=(?:up|down|check)$)", re.IGNORECASE)  # which would make another file of it
NAMELESS = "migration"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ours:
    """One file to be written."""

    path: PurePosixPath
    origin: Part
    header: bytes = field(repr=False)

    @property
    def data(self) -> bytes:
        return b"".join((self.header, *self.origin.texts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """One migration: its file, and the one that undoes it."""

    version: str
    name: str
    up: Ours
    down: Ours | None

    @property
    def files(self) -> tuple[Ours, ...]:
        return (self.up, self.down) if self.down else (self.up,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """All of them, in order, and what is to be known about them."""

    migrations: tuple[Converted, ...]
    warnings: tuple[Finding, ...]

    @property
    def files(self) -> tuple[Ours, ...]:
        return tuple(file for migration in self.migrations for file in migration.files)


def convert(
    tool: Tool, theirs: Folder, folder: PurePosixPath, *, order: VersionOrder, existing: Sequence[FileName]
) -> Conversion:
    """The files that a tool's become in `folder`, which has the `existing` ones. Raises InputError with all that cannot
    be carried over.
    """
    found = list(READERS[tool](theirs))
    findings = [each for each in found if isinstance(each, Finding)]
    drafts = [draft for each in found if isinstance(each, Draft) for draft in _complete(each, findings)]
    if not drafts and not findings:
        hint = f"give the folder in which {tool} has them; docs/convert.md says what is read"
        findings.append(Finding(f"there is no migration of {tool} here", path=theirs.path, hint=hint))
    migrations = [
        _converted(draft, version, folder) for draft, version in zip(drafts, _versions(drafts, order), strict=True)
    ]
    findings += _unwritable(drafts, migrations)
    findings += _in_the_way(migrations, existing, order)
    if any(finding.level is Level.ERROR for finding in findings):
        raise InputError(*findings)
    return Conversion(migrations=tuple(migrations), warnings=tuple(findings))


def look_at(conversion: Conversion) -> Iterator[Finding]:
    """What is wrong, or odd, about the new files by our own rules, as `check` has it."""
    for migration in conversion.migrations:
        file = MigrationFile(
            version=migration.version,
            name=migration.name,
            up=_as_read(migration.up),
            checksum="",
            down=_as_read(migration.down) if migration.down else None,
        )
        for parser in (parse, parse_down) if file.down else (parse,):
            try:
                yield from parser(file).findings
            except InputError as error:
                yield from error.findings


def listing(conversion: Conversion, theirs: Folder) -> Table:
    """Which of their files goes where."""
    rows = []
    for file in conversion.files:
        source = file.origin.source.path
        name = source.relative_to(theirs.path) if source.is_relative_to(theirs.path) else source
        rows.append((f"{name}:{file.origin.line}" if file.origin.line > 1 else str(name), str(file.path)))
    return Table(headings=("theirs", "ours"), rows=tuple(rows))


def _as_read(file: Ours) -> SourceFile:
    return SourceFile(path=file.path, data=file.data)


def _complete(draft: Draft, findings: list[Finding]) -> Iterator[Draft]:
    """The migration, without a way back that has nothing in it; or what never ends in one of its parts."""
    down = draft.down
    for each in filter(None, (draft.up, down)):
        try:
            empty = not has_statements(each)
        except SplitError as error:
            hint = "is there a mark of the tool inside of it? Correct the file"
            findings.append(Finding(str(error), path=each.source.path, line=each.line_at(error.start), hint=hint))
            return
        if each is down and empty:
            down = None
    yield replace(draft, down=down)


def _versions(drafts: Sequence[Draft], order: VersionOrder) -> list[str]:
    """A version for each. Their own where these are numbers that sort as the tool runs them, with as many leading zeros
    as sort them as text, too; one without a number takes the next behind. Else all are numbered anew.
    """
    own = _own_versions(drafts, order)
    if own and _is_in_order(own, order):
        return own
    width = max(WIDTH, len(str(len(drafts))))
    return [f"{number:0{width}d}" for number in range(1, len(drafts) + 1)]


def _own_versions(drafts: Sequence[Draft], order: VersionOrder) -> list[str]:
    """Their numbers; none when the first has none, or too many digits."""
    numbers = [draft.version if len(draft.version) <= LONGEST_VERSION else "" for draft in drafts]
    width = max([SHORTEST, *map(len, numbers)]) if order is VersionOrder.AUTO else 0
    versions: list[str] = []
    for number in numbers:
        if number:
            versions.append(number.zfill(width))
        elif versions:
            versions.append(str(int(versions[-1]) + 1).zfill(len(versions[-1])))
        else:
            return []
    return versions


def _is_in_order(versions: Sequence[str], order: VersionOrder) -> bool:
    """Whether they run one behind the other, each with a number of its own."""
    return versions == sorted(versions, key=order.key) and len(set(map(int, versions))) == len(versions)


def _converted(draft: Draft, version: str, folder: PurePosixPath) -> Converted:
    name = file_name(draft.name) or NAMELESS
    title = _sentence(draft.title or draft.name or f"{NAMELESS} {version}")
    up, down = (folder / f"{version}_{name}{kind}.sql" for kind in (Kind.UP, Kind.DOWN))
    return Converted(
        version=version,
        name=name,
        up=Ours(path=up, origin=draft.up, header=_header(draft.up, title, draft.origin)),
        down=Ours(path=down, origin=draft.down, header=_header(draft.down, f'Undo "{title}"', draft.origin))
        if draft.down
        else None,
    )


def file_name(text: str) -> str:
    """Their name as one of ours can have it: nothing else is changed."""
    cleaned = ENDING.sub("_", NOT_IN_A_NAME.sub("_", text).strip(" _-"))
    return f"_{cleaned[1:]}" if cleaned.startswith(".") else cleaned


def _sentence(text: str) -> str:
    """On one line, with a capital: `Add users`."""
    words = " ".join(CONTROL_CHARACTERS.sub(" ", text if " " in text else re.sub("[_-]", " ", text)).split())
    return words[:1].upper() + words[1:]


def _header(part: Part, title: str, origin: str) -> bytes:
    """The lines above the SQL; what its own header says already is not said twice."""
    said, _ = parse_headers(SourceFile(path=part.source.path, data=part.data))
    lines = [
        *([] if said.title else [f"-- Migration: {title}"]),
        f"-- Origin: {origin}",
        *(["-- migrate: no-transaction"] if part.no_transaction and not said.no_transaction else []),
    ]
    return "".join(f"{line}\n" for line in [*lines, ""]).encode()


def _unwritable(drafts: Sequence[Draft], migrations: Sequence[Converted]) -> Iterator[Finding]:
    """What no line of ours can say, and no file can be called: both may come out of the text of theirs."""
    for draft in drafts:
        if CONTROL_CHARACTERS.search(draft.origin):
            message = "what the tool calls this has a line break or another control character in it"
            yield Finding(message, path=draft.up.source.path, line=draft.up.line, hint=f"take it out, {IN_A_COPY}")
    for file in (file for migration in migrations for file in migration.files):
        if (length := len(file.path.name.encode())) > LONGEST_NAME:
            message = f"the name of its file would have {length} bytes, and there can be {LONGEST_NAME}"
            path, line = file.origin.source.path, file.origin.line
            yield Finding(message, path=path, line=line, hint=f"give it a shorter name, {IN_A_COPY}")


def _in_the_way(
    migrations: Sequence[Converted], existing: Sequence[FileName], order: VersionOrder
) -> Iterator[Finding]:
    """Files of the folder that have a version of these, or with which they would have no clear order."""
    taken = {int(file.version): file for file in existing}
    clashes = [(each, taken[int(each.version)]) for each in migrations if int(each.version) in taken]
    for migration, file in clashes:
        yield Finding(
            f"this has the version that {migration.up.path.name} would have",
            path=file.path,
            hint="nothing is ever overwritten: say with `migrations-path` which new folder to write",
        )
    if taken and not clashes:
        ours = [name for each in migrations if isinstance(name := parse_name(each.up.path), FileName)]
        yield from problems_of_order([*(file for file in existing if file.kind is Kind.UP), *ours], order)
