"""Liquibase: changelogs of formatted SQL, each change set one migration.

The form: https://docs.liquibase.com/concepts/changelogs/sql-format.html. Several files run in the order of their names,
as `includeAll` has it; what a root changelog in another form says of them is not read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from runner.core.convert.theirs import (
    IN_A_COPY,
    Draft,
    Folder,
    Found,
    Piece,
    end_of_line,
    filled_in,
    is_code,
    located,
    part,
)
from runner.core.model import SourceFile
from runner.core.split import SplitError, skip_blank
from runner.errors import Finding, Level

OTHER_FORMS = (".xml", ".yaml", ".yml", ".json")
FIRST_LINE = re.compile(rb"\s*--\s*liquibase\s*formatted[^\n]*\n?", re.IGNORECASE)
MARK = re.compile(
    rb"^[ \t]*(?:--[ \t]*(?:(?P<changeset>changeset)\b|(?P<rollback>rollback)\b[ \t]?|(?P<precondition>precondition)"
    rb"|(?P<comment>comment):?[ \t]|(?P<ignore>ignoreLines):|(?P<passed>validCheckSum|property)\b)"
    rb"|(?P<block>/\*[ \t]*liquibase[ \t]*rollback[ \t]*$))(?P<rest>[^\n]*)$",
    re.IGNORECASE | re.MULTILINE,
)
CHANGE_SET = re.compile(rb'\s++(?P<author>"[^"]++"|[^:]++):(?P<id>"[^"]+"|\S+)(?P<attributes>.*)')
ATTRIBUTE = re.compile(rb'(?<!\w)(?P<key>\w++):(?P<value>"[^"]*"|\S*)')
END_OF_BLOCK = re.compile(rb"\*/[ \t]*$", re.MULTILINE)
COUNT = re.compile("[0-9]{1,19}")  # digits: no file has more lines
END_OF_IGNORED = re.compile(rb"^[ \t]*--[ \t]*ignoreLines:end\b", re.IGNORECASE | re.MULTILINE)
OF_ANOTHER = re.compile(rb"\s*changeset(?:id|author|path):", re.IGNORECASE)
NOTHING = re.compile(rb"\s*(?:not required|empty)\b", re.IGNORECASE)
POSTGRES = frozenset({"postgresql", "all"})
DELIMITERS = frozenset({"enddelimiter", "rollbackenddelimiter"})
CONDITIONS = frozenset({"context", "contextfilter", "labels", "runwith", "runwithspoolfile"})
REPEATS = frozenset({"runonchange", "runalways"})


@dataclass(slots=True, kw_only=True)
class _ChangeSet:
    """A change set, while its file is read."""

    start: int
    author: str
    id: str
    attributes: dict[str, str]  # by name, in lower case
    comment: str = ""
    forward: list[Piece] = field(default_factory=list)
    back: list[Piece] = field(default_factory=list)

    @property
    def runs_here(self) -> bool:
        """Whether Liquibase runs it on PostgreSQL: https://docs.liquibase.com/concepts/changelogs/attributes/dbms.html."""
        named = [name.strip().lower() for name in self.attributes.get("dbms", "all").split(",")]
        not_for = any(name == "!postgresql" for name in named)
        meant = any(name in POSTGRES for name in named) or all(name.startswith("!") for name in named)
        return meant and not not_for and self.attributes.get("ignore", "").lower() != "true"


def read_liquibase(folder: Folder) -> Found:
    """The change sets, file by file."""
    formatted = []
    for name in folder.names:
        if name.endswith(OTHER_FORMS):
            yield is_code(
                folder, name, "give the folder, or the file, of the formatted SQL alone (see docs/convert.md)"
            )
        elif name.endswith(".sql") and FIRST_LINE.match(folder.sources[name].data):
            formatted.append(name)
        elif name.endswith(".sql"):
            message = "this changelog does not begin with `--liquibase formatted sql`"
            hint = f"put that line and a `--changeset author:id` above it, {IN_A_COPY}"
            yield located(message, folder.sources[name], hint=hint)
    if len(formatted) > 1:
        message, hint = "several changelogs run in the order of their names", "look whether your root changelog agrees"
        yield Finding(message, path=folder.path, level=Level.WARNING, hint=hint)
    for name in formatted:
        yield from _changelog(name, folder.sources[name])


def _changelog(name: str, source: SourceFile) -> Found:
    reader = _Reader(source)
    reader.read()
    yield from filled_in(source, "Liquibase")
    yield from reader.problems
    for one in reader.sets:
        if one.runs_here:
            yield from _not_carried_over(one, source)
            yield _draft(name, one, source)
        else:
            message = "this change set is left out, as Liquibase does not run it on PostgreSQL either"
            hint = "look at its `dbms` and `ignore` if that is not meant"
            yield located(message, source, one.start, hint=hint, level=Level.WARNING)


def _draft(name: str, one: _ChangeSet, source: SourceFile) -> Draft:
    path = one.attributes.get("logicalfilepath", name)
    stem = name.rpartition("/")[2].removesuffix(".sql")
    return Draft(
        origin=f"{path}::{one.id}::{one.author}",
        name=f"{stem}_{one.id}" if one.id.isdecimal() else one.id,
        title=one.comment,
        version=one.id if re.fullmatch("[0-9]+", one.id) else "",
        up=part(source, one.forward, no_transaction=one.attributes.get("runintransaction", "").lower() == "false"),
        down=part(source, one.back) if one.back else None,
    )


def _not_carried_over(one: _ChangeSet, source: SourceFile) -> Iterator[Finding]:
    """What Liquibase would do with it, and nobody here."""
    for key, value in one.attributes.items():
        if key in REPEATS and value.lower() == "true":
            message, hint = "this ran again, and runs once from now on", "put each later change into a new migration"
            yield located(message, source, one.start, hint=hint, level=Level.WARNING)
        elif key in DELIMITERS and value != ";":
            hint = f"end them with a semicolon and take `{key}` out, {IN_A_COPY}"
            yield located(
                f"its statements do not end with a semicolon, but with `{value}`", source, one.start, hint=hint
            )
        elif key in CONDITIONS or (key == "failonerror" and value.lower() == "false"):
            hint = f"take `{key}` out if it should always run, else the whole change set, {IN_A_COPY}"
            yield located(f"there is nothing like Liquibase's `{key}` here", source, one.start, hint=hint)


class _Reader:
    """Takes a changelog apart, mark by mark. Marks count wherever they stand, as Liquibase reads line by line."""

    def __init__(self, source: SourceFile) -> None:
        self.source, self.sets, self.problems = source, list[_ChangeSet](), list[Finding]()
        first = FIRST_LINE.match(source.data)
        self._position = first.end() if first else 0

    def read(self) -> None:
        """Find the change sets, and what is wrong with them."""
        while mark := MARK.search(self.source.data, self._position):
            self._forward(mark.start())
            self._position = end_of_line(self.source.data, mark.end())
            if mark["changeset"]:
                self._change_set(mark)
            elif mark["ignore"]:
                self._position = self._behind_ignored(mark)
            elif self.sets:
                self._inside(self.sets[-1], mark)
        self._forward(len(self.source.data))
        if not self.sets:
            self._tell("there is no change set in this changelog", 0, "write `--changeset author:id` above the SQL")

    def _forward(self, end: int) -> None:
        """What stands before the next mark."""
        if self.sets:
            self.sets[-1].forward.append(Piece(self._position, end))
        elif self._is_sql(self._position, end):
            message, hint = (
                "Liquibase does not run what stands before the first change set",
                "move it into one, or take it out",
            )
            self._tell(message, self._position, hint)

    def _is_sql(self, start: int, end: int) -> bool:
        try:
            return skip_blank(self.source.data[start:end], 0) < end - start
        except SplitError:
            return True

    def _change_set(self, mark: re.Match[bytes]) -> None:
        found = CHANGE_SET.match(mark["rest"])
        if not found:
            message, hint = "this is not the beginning of a change set", "write it like `--changeset author:id`"
            self._tell(message, mark.start(), hint)
            return
        attributes = {
            each["key"].decode().lower(): _text(each["value"]) for each in ATTRIBUTE.finditer(found["attributes"])
        }
        self.sets.append(
            _ChangeSet(start=mark.start(), author=_text(found["author"]), id=_text(found["id"]), attributes=attributes)
        )

    def _inside(self, one: _ChangeSet, mark: re.Match[bytes]) -> None:
        """A mark of a change set."""
        if mark["precondition"]:
            message = "there is nothing like Liquibase's preconditions here"
            self._tell(message, mark.start(), "take it out, or say it in SQL, in a DO block")
        elif mark["comment"]:
            one.comment = _text(mark["rest"])
        elif mark["rollback"] and OF_ANOTHER.match(mark["rest"]):
            message = "this is undone by running another change set"
            self._tell(message, mark.start(), "write the SQL of that one in its place")
        elif mark["rollback"] and not NOTHING.match(mark["rest"]):
            one.back.append(Piece(mark.start("rest"), self._position))
        elif mark["block"]:
            end = END_OF_BLOCK.search(self.source.data, self._position)
            if end is None:
                self._tell("the comment that begins here never ends", mark.start(), "close it with */")
                self._position = len(self.source.data)
            else:
                one.back.append(Piece(self._position, end.start()))
                self._position = end_of_line(self.source.data, end.end())

    def _behind_ignored(self, mark: re.Match[bytes]) -> int:
        """Behind lines that Liquibase passes over: so many, or up to the mark that ends them."""
        data, position = self.source.data, self._position
        count = _text(mark["rest"])
        if COUNT.fullmatch(count):
            lines = int(count)
            while lines and position < len(data):
                position, lines = end_of_line(data, position), lines - 1
            return position
        end = END_OF_IGNORED.search(data, position)
        return end_of_line(data, end.end()) if end else len(data)

    def _tell(self, message: str, offset: int, hint: str) -> None:
        self.problems.append(located(message, self.source, offset, hint=f"{hint}, {IN_A_COPY}"))


def _text(value: bytes) -> str:
    return value.decode().strip().strip('"').strip()
