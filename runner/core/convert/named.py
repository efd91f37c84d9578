"""Tools whose files are SQL through and through, and whose names say all: golang-migrate, supabase, prisma and, behind
a few lines of its own, graphile-migrate.

Sources: https://github.com/golang-migrate/migrate/blob/master/MIGRATIONS.md,
https://supabase.com/docs/guides/deployment/database-migrations,
https://www.prisma.io/docs/orm/prisma-migrate/understanding-prisma-migrate/migration-histories,
https://github.com/graphile/migrate/blob/main/FORMATS.md.
"""

import re
from collections.abc import Iterator

from runner.core.convert.theirs import (
    IN_A_COPY,
    Draft,
    Folder,
    Found,
    by_number,
    has_statements,
    located,
    passed_over,
    twice,
    whole,
)
from runner.core.model import SourceFile
from runner.core.split import SplitError
from runner.errors import Finding, Level
from runner.patterns import zero_or_more

PAIRED_FILE = re.compile(r"(?P<version>[0-9]+)_(?P<name>[^/]*)\.(?P<way>up|down)\.sql")
SUPABASE_FILE = re.compile(r"(?P<version>[0-9]+)_(?P<name>[^/]*)\.sql")
PRISMA_FILE = re.compile(r"(?P<folder>(?P<version>[0-9]*)_?(?P<name>[^/]*))/(?P<way>migration|down)\.sql")
PRISMA_LOCK = "migration_lock.toml"
PROVIDER = re.compile(rb'^[ \t]*provider[ \t]*=[ \t]*"(?P<provider>[^"\n]*)"', re.MULTILINE)
POSTGRES = frozenset({b"postgresql", b"postgres", b"cockroachdb"})
COMMITTED_FILE = re.compile(r"(?:committed/)?(?P<version>[0-9]{6,})(?:-(?P<name>[-_a-zA-Z0-9]*))?\.sql")
COMMITTED_HEADER = re.compile(rb"--! (?P<key>[A-Z][A-Za-z]*)(?:: ?(?P<value>[^\n]*))?\n")
COMMITTED_NO_TRANSACTION = re.compile(rb"--!\s*no-transaction\b[^\n]*\n?")
# What never ends reaches to the end of the file, which is refused for it.
QUIET = (
    rb"'" + zero_or_more(rb"[^']++|''") + rb"'|\"[^\"]*+\"|--[^\n]*+|/\*.*?(?:\*/|\Z)"
    rb"|(?<![\w$\x80-\xff])(?P<tag>\$(?:[A-Za-z_\x80-\xff][\w\x80-\xff]*+)?\$).*?(?:(?P=tag)|\Z)"
)
PLACEHOLDER = rb"(?<![:\w]):[A-Z][A-Z0-9_]+\b"
FILLED_IN = re.compile(QUIET + rb"|(?P<placeholder>" + PLACEHOLDER + rb")", re.DOTALL)
IN_A_TEXT = re.compile(PLACEHOLDER)
ALWAYS_FILLED_IN = frozenset({b":DATABASE_NAME", b":DATABASE_OWNER"})


def read_golang_migrate(folder: Folder) -> Found:
    """Pairs `000001_users.up.sql`, `000001_users.down.sql`, in the order of the numbers."""
    yield from by_number(_pairs(folder))


def _pairs(folder: Folder) -> Found:
    files: dict[tuple[int, str], tuple[str, re.Match[str]]] = {}
    for name, source in folder.sources.items():
        match = PAIRED_FILE.fullmatch(name)
        if match:
            first, _ = files.setdefault((int(match["version"]), match["way"]), (name, match))
            if first != name:
                yield twice(source, folder.sources[first])
        elif name.endswith(".sql"):
            yield passed_over(folder, name, "000001_add_users.up.sql")
    for (number, way), (name, match) in files.items():
        source = folder.sources[name]
        if way == "up":
            down, _ = files.get((number, "down"), ("", match))
            yield Draft(
                origin=name,
                name=match["name"],
                version=match["version"],
                up=whole(source),
                down=whole(folder.sources[down]) if down else None,
            )
        elif (number, "up") not in files:
            up = name.replace(".down.sql", ".up.sql")
            yield located(f"there is no {up} that this undoes", source, hint="write it, an empty one if need be")


def read_supabase(folder: Folder) -> Found:
    """`20240101120000_users.sql`, in the order of the numbers."""
    yield from by_number(_supabase(folder))


def _supabase(folder: Folder) -> Found:
    for name, source in folder.sources.items():
        match = SUPABASE_FILE.fullmatch(name)
        if match:
            yield Draft(origin=name, name=match["name"], version=match["version"], up=whole(source))
        elif name.endswith(".sql"):
            yield passed_over(folder, name, "20240101120000_add_users.sql")


def read_prisma(folder: Folder) -> Found:
    """Folders `20240101120000_users/migration.sql`, in the order of their names; `down.sql` beside it undoes it."""
    if PRISMA_LOCK in folder.sources:
        lock = folder.sources[PRISMA_LOCK]
        provider = PROVIDER.search(lock.data)
        if provider and provider["provider"] not in POSTGRES:
            message = f"these migrations are for {provider['provider'].decode()}, not for PostgreSQL"
            yield located(message, lock, provider.start("provider"), hint="give the folder of the PostgreSQL schema")
    for name, source in folder.sources.items():
        match = PRISMA_FILE.fullmatch(name)
        if not match:
            if name.endswith(".sql"):
                yield passed_over(folder, name, "20240101120000_add_users/migration.sql")
        elif match["way"] == "migration":
            down = folder.sources.get(f"{match['folder']}/down.sql")
            yield Draft(
                origin=match["folder"],
                name=match["name"],
                version=match["version"],
                up=whole(source),
                down=whole(down) if down else None,
            )
        elif f"{match['folder']}/migration.sql" not in folder.sources:
            yield located("there is no migration.sql that this undoes", source, hint="write it, or leave this file out")


def read_graphile_migrate(folder: Folder) -> Found:
    """`committed/000001-users.sql`, in the order of the numbers. What is in `current` is not a migration yet."""
    yield from by_number(_graphile(folder))


def _graphile(folder: Folder) -> Found:
    for name, source in folder.sources.items():
        match = COMMITTED_FILE.fullmatch(name)
        if name == "current.sql" or name.startswith("current/"):
            yield from _current(source)
        elif match:
            yield from _placeholders(source)
            yield _committed(source, match)
        elif name.endswith(".sql"):
            yield passed_over(folder, name, "committed/000001-add-users.sql")


def _committed(source: SourceFile, match: re.Match[str]) -> Draft:
    """What stands below the header: https://github.com/graphile/migrate/blob/main/FORMATS.md. The tool's table has the
    name without the words.
    """
    start, said = 0, {}
    while header := COMMITTED_HEADER.match(source.data, start):
        said[header["key"]] = (header["value"] or b"").decode().strip()
        start = header.end()
    while source.data[start : start + 1] == b"\n":
        start += 1
    no_transaction = COMMITTED_NO_TRANSACTION.match(source.data, start)
    title = said.get(b"Message", "")
    return Draft(
        origin=f"{match['version']}.sql",
        name=match["name"] or "",
        title=title,
        version=match["version"],
        up=whole(source, start=no_transaction.end() if no_transaction else start, no_transaction=bool(no_transaction)),
    )


def _current(source: SourceFile) -> Iterator[Finding]:
    try:
        waiting = has_statements(whole(source))
    except SplitError:
        waiting = True
    if waiting:
        yield located(
            "this is not committed, and left out",
            source,
            hint="commit it before, or make a migration of it afterwards (db-migrate new)",
            level=Level.WARNING,
        )


def _placeholders(source: SourceFile) -> Iterator[Finding]:
    """Names that graphile-migrate fills in. Inside of a literal or a comment others than its own two may be text."""
    for found in FILLED_IN.finditer(source.data):
        for name in IN_A_TEXT.finditer(source.data, found.start(), found.end()):
            yield _placeholder(source, name, sure=bool(found["placeholder"]) or name[0] in ALWAYS_FILLED_IN)


def _placeholder(source: SourceFile, name: re.Match[bytes], *, sure: bool) -> Finding:
    placeholder = name[0].decode()
    if sure:
        message, hint = f"graphile-migrate fills in {placeholder} here", f"write the value in, {IN_A_COPY}"
        return located(message, source, name.start(), hint=hint)
    message, hint = (
        f"graphile-migrate may fill in {placeholder} here",
        "look whether .gmrc has it among its placeholders",
    )
    return located(message, source, name.start(), hint=hint, level=Level.WARNING)
