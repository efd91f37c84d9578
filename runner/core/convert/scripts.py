"""Tools whose migrations are programs, by the SQL that they write: alembic's offline mode, Rails' structure.sql.

https://alembic.sqlalchemy.org/en/latest/offline.html,
https://guides.rubyonrails.org/active_record_migrations.html#types-of-schema-dumps.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from enum import Enum, auto
from itertools import groupby

from runner.core.convert.theirs import (
    Draft,
    Folder,
    Found,
    Part,
    Piece,
    end_of_line,
    located,
    part,
    passed_over,
    twice,
)
from runner.core.model import SourceFile
from runner.core.naming import LONGEST_VERSION
from runner.core.split import Cut, CutKind, SplitError, split
from runner.errors import Finding

STEP = re.compile(rb"^-- Running (?P<way>upgrade|downgrade) (?P<of>[^\n]*?) ?-> ?(?P<to>[^\n]*)$", re.MULTILINE)
BEHIND = re.compile(rb"\s*;?[ \t\n]*")
CONTROL = re.compile(rb"BEGIN|COMMIT", re.IGNORECASE)
VERSION_TABLE = re.compile(rb'CREATE TABLE (?P<name>[\w."]{1,255}) \(\s*version_num\b', re.IGNORECASE)
ON_A_TABLE = rb"(?:CREATE\s+TABLE|ALTER\s+TABLE(?:\s+ONLY)?|INSERT\s+INTO|UPDATE|DELETE\s+FROM)\s+"
ALEMBIC_WAY = (
    "let alembic write its SQL, `alembic upgrade head --sql > sql/upgrade.sql` and "
    "`alembic downgrade head:base --sql > sql/downgrade.sql`, and convert the folder `sql`"
)

STRUCTURE = "structure.sql"
OF_RAILS = re.compile(ON_A_TABLE + rb'(?:"?\w+"?\.)?"?(?:schema_migrations|ar_internal_metadata)\b', re.IGNORECASE)
RAILS_VERSION = re.compile(rb"\('(?P<version>[0-9]{1,%d})'\)" % LONGEST_VERSION)
RAILS_FILE = re.compile(r"(?:.*/)?(?P<version>[0-9]+)_\w+\.rb")
RAILS_WAY = (
    "let Rails write the schema as SQL: `config.active_record.schema_format = :sql`, `bin/rails db:migrate`; "
    "then convert the folder of structure.sql, which becomes one file"
)


def read_alembic(folder: Folder) -> Found:
    """What `alembic upgrade head --sql` has written, in the order of the script; `alembic downgrade head:base --sql`
    gives the ways back.
    """
    forward: dict[str, Draft] = {}
    back: dict[str, Part] = {}
    table = next(filter(None, map(_version_table, folder.sources.values())), b"alembic_version")
    on_the_table = re.compile(ON_A_TABLE + re.escape(table) + rb"(?![\w.])", re.IGNORECASE)
    for name, source in folder.sources.items():
        steps = list(STEP.finditer(source.data))
        if not steps:
            yield passed_over(folder, name, "upgrade.sql, with lines like `-- Running upgrade … -> …`")
            continue
        if any(kind is _Kind.STATEMENT for _, kind in _statements(source, 0, steps[0].start(), on_the_table)):
            hint = "let alembic write the script from the base on"
            yield located("statements stand before the first revision", source, hint=hint)
        for step, end in zip(steps, [*(later.start() for later in steps[1:]), len(source.data)], strict=True):
            start = end_of_line(source.data, step.end())
            sql = _without_its_own(source, start, end, on_the_table)
            if step["way"] == b"downgrade":
                back[_revision(step["of"])] = sql
                continue
            revision = _revision(step["to"])
            if revision in forward:
                yield twice(source, forward[revision].up.source)
            forward[revision] = Draft(origin=revision, name=revision, title=f"Revision {revision}", up=sql)
    if not forward:
        yield from _all_code(folder, [name for name in folder.names if name.endswith(".py")], ALEMBIC_WAY)
    for revision, draft in forward.items():
        yield replace(draft, down=back.get(revision))


def read_rails(folder: Folder) -> Found:
    """The schema as `structure.sql` has it, one migration with the version of the last that it holds."""
    structures = [name for name in folder.names if name.rpartition("/")[2] == STRUCTURE]
    programs = {match["version"]: name for name in folder.names if (match := RAILS_FILE.fullmatch(name))}
    if not structures:
        yield from _all_code(folder, list(programs.values()), RAILS_WAY)
        return
    for name in folder.sources:
        if name.endswith(".sql") and name not in structures:
            yield passed_over(folder, name, STRUCTURE)
    if len(structures) > 1:
        hint = "give the folder of one database"
        yield located("there is another structure.sql", folder.sources[structures[1]], hint=hint)
    source = folder.sources[structures[0]]
    cuts = _cuts(source, 0, len(source.data))
    of_rails = [cut for cut in cuts if cut.kind is CutKind.PSQL or OF_RAILS.match(source.data, cut.start, cut.end)]
    versions = {
        found["version"].decode()
        for cut in of_rails
        if source.data.startswith(b"INSERT", cut.start)
        for found in RAILS_VERSION.finditer(source.data, cut.start, cut.end)
    }
    for version in sorted(programs.keys() - versions, key=int):
        hint = "run `bin/rails db:migrate`, which writes structure.sql anew"
        yield Finding("this migration is not in structure.sql", path=folder.path / programs[version], hint=hint)
    if not versions:
        hint = "let Rails write it: `bin/rails db:schema:dump`"
        yield located("no version of a migration stands in this structure.sql", source, hint=hint)
        return
    last = max(versions, key=int)
    schema = part(source, _between(source, 0, len(source.data), of_rails))
    yield Draft(origin=last, name="structure", title=f"The schema of Rails at {last}", version=last, up=schema)


class _Kind(Enum):
    """What a statement of alembic's script is."""

    STATEMENT = auto()
    CONTROL = auto()  # BEGIN or COMMIT
    BOOKKEEPING = auto()


def _revision(text: bytes) -> str:
    """The revision of an end of a step; of several, which a merge has, the first."""
    return text.decode().partition(",")[0].strip()


def _version_table(source: SourceFile) -> bytes:
    """The name of the table that holds the revision, which a project may choose; empty where it is not made."""
    found = VERSION_TABLE.search(source.data)
    return found["name"] if found else b""


def _statements(source: SourceFile, start: int, end: int, on_the_table: re.Pattern[bytes]) -> list[tuple[Cut, _Kind]]:
    def kind(cut: Cut) -> _Kind:
        if CONTROL.fullmatch(source.data, cut.start, cut.end):
            return _Kind.CONTROL
        return _Kind.BOOKKEEPING if on_the_table.match(source.data, cut.start, cut.end) else _Kind.STATEMENT

    return [(cut, kind(cut)) for cut in _cuts(source, start, end)]


def _without_its_own(source: SourceFile, start: int, end: int, on_the_table: re.Pattern[bytes]) -> Part:
    """The statements of a revision, without alembic's own. Where it commits between them, as in its
    `autocommit_block`, they are no one transaction.
    """
    statements = _statements(source, start, end, on_the_table)
    turns = [kind for kind, _ in groupby(kind for _, kind in statements if kind is not _Kind.BOOKKEEPING)]
    its_own = [cut for cut, kind in statements if kind is not _Kind.STATEMENT]
    return part(source, _between(source, start, end, its_own), no_transaction=_Kind.CONTROL in turns[1:-1])


def _cuts(source: SourceFile, start: int, end: int) -> list[Cut]:
    """The statements of a stretch. What never ends is told when all parts are looked at."""
    try:
        found = list(split(source.data[start:end]))
    except SplitError:
        return []
    return [Cut(start + cut.start, start + cut.end, cut.kind) for cut in found]


def _between(source: SourceFile, start: int, end: int, taken_out: Sequence[Cut]) -> Iterator[Piece]:
    """A stretch without some of its statements, each with its semicolon and the blank lines behind it."""
    for cut in taken_out:
        yield Piece(start, cut.start)
        start = min(BEHIND.match(source.data, cut.end).end(), end)  # type: ignore[union-attr] # it matches always
    yield Piece(start, end)


def _all_code(folder: Folder, names: Sequence[str], way: str) -> Iterator[Finding]:
    """One finding for all of them, at the first."""
    if names:
        more = f", and so are {len(names) - 1} more" if len(names) > 1 else ""
        yield Finding(f"this migration is code, not SQL{more}", path=folder.path / names[0], hint=way)
