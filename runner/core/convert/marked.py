"""Tools that keep both ways in one file, with a comment in front of each: dbmate, goose, node-pg-migrate.

A mark is where the tool looks for it, at the beginning of a line, also inside of a literal: what a tool cuts in two, it
has never run. Sources: https://github.com/amacneil/dbmate#creating-migrations,
https://pressly.github.io/goose/documentation/annotations/, https://salsita.github.io/node-pg-migrate/cli.
"""

import re
from collections.abc import Collection, Sequence
from datetime import UTC, datetime

from runner.core.convert.theirs import (
    IN_A_COPY,
    Draft,
    Folder,
    Found,
    Part,
    Piece,
    by_number,
    end_of_line,
    is_code,
    is_open,
    located,
    part,
    passed_over,
    twice,
    whole,
)
from runner.core.model import SourceFile
from runner.core.split import SplitError, skip_blank
from runner.errors import Finding

Mark = re.Match[bytes]

DBMATE_FILE = re.compile(r"(?P<version>[0-9]+)[_-]?(?P<name>[^/]*)\.sql")
DBMATE_MARK = re.compile(rb"^--[ \t]*migrate:(?P<way>up|down)(?P<options>[ \t][^\n]*)?$", re.MULTILINE)
WITHOUT_TRANSACTION = b"transaction:false"

GOOSE_FILE = re.compile(r"(?P<version>[0-9]+)_(?P<name>[^/]*)\.(?P<kind>sql|go)")
GOOSE_MARK = re.compile(rb"^(?P<margin>[ \t]*)--[ \t]*\+goose\b[ \t]*(?P<words>[^\n]*)$", re.MULTILINE | re.IGNORECASE)
GOOSE_WAYS = ("up", "down")
GOOSE_OTHERS = ("statementbegin", "statementend", "no transaction", "envsub off")

NODE_FILE = re.compile(r"(?P<stem>(?P<prefix>[^_]*)_?(?P<name>.*?))(?P<way>\.up|\.down)?\.sql")
NODE_CODE = (".js", ".ts", ".mjs", ".mts", ".cjs", ".cts")
NODE_MARK = re.compile(rb"^[ \t]*--[ \t-]*(?P<way>up|down)[ \t]+migration[^\n]*$", re.MULTILINE | re.IGNORECASE)
NODE_DRY_RUN = (
    "write the SQL that `node-pg-migrate up --dry-run` shows for it into a file of its name that ends in .sql, "
    "in a copy of the folder"
)
UTC_STAMP = 17  # digits of a time in UTC to the millisecond; other numbers are such a time already

ONE_EACH = "a file has one part that leads forward and one that leads back: make two files of it"
AHEAD = "statements stand before the first mark, where the tool does not run them"
AHEAD_HINT = f"move them below the mark, or take them out, {IN_A_COPY}"


def read_dbmate(folder: Folder) -> Found:
    """`20240101120000_users.sql` with `-- migrate:up` and `-- migrate:down`, in the order of the names."""
    known: dict[str, SourceFile] = {}  # by version, which dbmate takes as text
    for name, source in folder.sources.items():
        match = DBMATE_FILE.fullmatch(name)
        if match:
            first = known.setdefault(match["version"], source)
            yield _dbmate_draft(name, source, match) if first is source else twice(source, first)
        elif name.endswith(".sql"):
            yield passed_over(folder, name, "20240101120000_add_users.sql")


def _dbmate_draft(name: str, source: SourceFile, match: re.Match[str]) -> Draft | Finding:
    marks = list(DBMATE_MARK.finditer(source.data))
    if [mark["way"] for mark in marks] not in ([b"up"], [b"up", b"down"]):
        return _wrong_marks(source, marks)
    if _is_ahead(source, marks[0]):
        return located(AHEAD, source, hint=AHEAD_HINT)
    up, *down = (_below(source, marks, number) for number in range(len(marks)))
    return Draft(
        origin=name,
        name=match["name"],
        version=match["version"],
        up=_with_head(up, marks[0]),
        down=down[0] if down else None,
    )


def _below(source: SourceFile, marks: Sequence[Mark], number: int) -> Part:
    """What stands between a mark and the next one."""
    mark = marks[number]
    end = marks[number + 1].start() if number + 1 < len(marks) else len(source.data)
    options = (mark.groupdict().get("options") or b"").split()
    return part(
        source,
        [Piece(end_of_line(source.data, mark.end()), end)],
        no_transaction=WITHOUT_TRANSACTION in options,
    )


def _with_head(up: Part, first: Mark) -> Part:
    """With the comments that stand above the first mark."""
    head = part(up.source, [Piece(0, first.start())])
    return Part(source=up.source, pieces=(*head.pieces, *up.pieces), no_transaction=up.no_transaction)


def _is_ahead(source: SourceFile, first: Mark) -> bool:
    try:
        return skip_blank(source.data[: first.start()], 0) < first.start()
    except SplitError:  # a comment that begins above the mark
        return True


def _wrong_marks(source: SourceFile, marks: Sequence[Mark]) -> Finding:
    """Why these are not one way forward, and perhaps one back behind it."""
    for number, mark in enumerate(marks):
        way = mark["way"].decode()
        if number == 0 and way == "down":
            message = "`-- migrate:down` stands here without `-- migrate:up` before it"
            return located(message, source, mark.start(), hint=ONE_EACH)
        if mark["way"] in [earlier["way"] for earlier in marks[:number]]:
            return located(f"`{way}` is marked a second time here", source, mark.start(), hint=ONE_EACH)
    return located("there is no `-- migrate:up` in this file", source, hint=f"put it above the SQL, {IN_A_COPY}")


def read_goose(folder: Folder) -> Found:
    """`00001_users.sql` with `-- +goose Up` and `-- +goose Down`, in the order of the numbers."""
    yield from by_number(_goose(folder))


def _goose(folder: Folder) -> Found:
    for name in folder.names:
        match = GOOSE_FILE.fullmatch(name)
        if not match or name.endswith("_test.go"):
            if name.endswith(".sql"):
                yield passed_over(folder, name, "00001_add_users.sql")
        elif match["kind"] == "go":
            yield is_code(folder, name, "write what it does as SQL, in a file of its number, in a copy of the folder")
        else:
            source = folder.sources[name]
            parts = _goose_parts(source)
            if isinstance(parts, Finding):
                yield parts
            else:
                up, down = parts
                yield Draft(origin=name, name=match["name"], version=match["version"], up=up, down=down)


def _goose_parts(source: SourceFile) -> tuple[Part, Part | None] | Finding:
    """The two ways of a file. The annotations are read line by line, in any case, as goose does."""
    pieces: dict[str, list[Piece]] = {"": []}
    way, position, no_transaction = "", 0, False
    for mark in GOOSE_MARK.finditer(source.data):
        words = " ".join(mark["words"].decode().lower().split())
        if problem := _goose_problem(source, mark, words, before=pieces.keys()):
            return problem
        alone = words == "statementend" and is_open(source, position, mark.start())
        pieces[way].append(Piece(position, mark.start(), b";\n" if alone else b""))
        position = end_of_line(source.data, mark.end())
        if words in GOOSE_WAYS:
            way, pieces[words] = words, []
        no_transaction |= words == "no transaction"
    pieces[way].append(Piece(position, len(source.data)))
    if "up" not in pieces:
        return located("there is no `-- +goose Up` in this file", source, hint=f"put it above the SQL, {IN_A_COPY}")
    up = part(source, [*pieces[""], *pieces["up"]], no_transaction=no_transaction)
    return up, part(source, pieces["down"], no_transaction=no_transaction) if "down" in pieces else None


def _goose_problem(source: SourceFile, mark: Mark, words: str, *, before: Collection[str]) -> Finding | None:
    """What is wrong with a mark behind those `before`."""
    if mark["margin"]:
        message, hint = "goose wants this mark at the beginning of its line", f"take the blanks away, {IN_A_COPY}"
    elif words == "envsub on":
        message = "goose fills in environment variables from here on"
        hint = f"write the values in and take the mark out, {IN_A_COPY}"
    elif words not in (*GOOSE_WAYS, *GOOSE_OTHERS):
        message, hint = f"`{mark[0].decode().strip()}` is no mark of goose", f"correct it, {IN_A_COPY}"
    elif words in before:
        message, hint = f"`{words}` is marked a second time here", ONE_EACH
    elif words == "down" and "up" not in before:
        message, hint = "`-- +goose Down` stands here without `-- +goose Up` before it", ONE_EACH
    elif words == "up" and _is_ahead(source, mark):
        return located(AHEAD, source, hint=AHEAD_HINT)
    else:
        return None
    return located(message, source, mark.start(), hint=hint)


def read_node_pg_migrate(folder: Folder) -> Found:
    """`1700000000000_users.sql` with `-- Up Migration` and `-- Down Migration`, or a pair `….up.sql`, `….down.sql`, in
    the order of the times in their names.
    """
    drafts: list[Draft] = []
    for name in folder.names:
        if "/" in name:
            if name.endswith((".sql", *NODE_CODE)):
                yield passed_over(folder, name, "1700000000000_add-users.sql, directly in the folder")
        elif name.endswith(NODE_CODE):
            yield is_code(folder, name, NODE_DRY_RUN)
        elif match := NODE_FILE.fullmatch(name):
            found = _node_draft(folder, name, match)
            if isinstance(found, Draft):
                drafts.append(found)
            elif found:
                yield found
    yield from sorted(drafts, key=lambda draft: (_milliseconds(draft.version), draft.origin))


def _node_draft(folder: Folder, name: str, match: re.Match[str]) -> Draft | Finding | None:
    """The migration of a file; None for a down file, which is taken with the other of the pair."""
    source, stem = folder.sources[name], match["stem"]
    if match["way"] == ".down":
        if f"{stem}.up.sql" in folder.sources:
            return None
        return located(f"there is no {stem}.up.sql that this undoes", source, hint="write it, or leave this file out")
    if match["way"]:
        if f"{stem}.sql" in folder.sources:
            return twice(source, folder.sources[f"{stem}.sql"])
        other = folder.sources.get(f"{stem}.down.sql")
        parts: tuple[Part, Part | None] | Finding = whole(source), whole(other) if other else None
    else:
        parts = _node_parts(source)
    if isinstance(parts, Finding):
        return parts
    digits = match["prefix"] if re.fullmatch("[0-9]+", match["prefix"]) else ""
    return Draft(origin=stem, name=match["name"] or stem, version=digits, up=parts[0], down=parts[1])


def _node_parts(source: SourceFile) -> tuple[Part, Part | None] | Finding:
    """The two ways of a file, in any order: the first mark of each counts. Without a mark all of it leads forward."""
    first: dict[bytes, Mark] = {}
    for mark in NODE_MARK.finditer(source.data):
        first.setdefault(mark["way"].lower(), mark)
    if not first:
        return whole(source), None
    if b"up" not in first:
        message = "`-- Down Migration` stands here without `-- Up Migration`, so that both ways lead forward"
        return located(
            message, source, first[b"down"].start(), hint=f"put `-- Up Migration` above the SQL, {IN_A_COPY}"
        )
    marks = list(first.values())
    if _is_ahead(source, marks[0]):
        return located(AHEAD, source, hint=AHEAD_HINT)
    parts = {way: _below(source, marks, number) for number, way in enumerate(first)}
    return _with_head(parts[b"up"], marks[0]), parts.get(b"down")


def _milliseconds(digits: str) -> int:
    """The time that a prefix stands for, since 1970; 0 for what is none."""
    if len(digits) == UTC_STAMP:
        try:
            moment = datetime.strptime(digits, "%Y%m%d%H%M%S%f").replace(tzinfo=UTC)
        except ValueError:
            return 0
        return round(moment.timestamp() * 1000)
    return int(digits or 0)
