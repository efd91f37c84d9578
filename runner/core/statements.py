"""A file → its statements, each with its place and its traits; what is wrong or odd about the text becomes findings."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from enum import Enum, auto
from itertools import islice

from runner.core.classify import traits, traits_of_words
from runner.core.migration import Statement, Traits
from runner.core.model import SourceFile
from runner.core.places import Places, locate
from runner.core.split import OF_ROWS, Cut, CutKind, SplitError, mentions, skip_blank, split
from runner.core.syntax import TooDeep, Unreadable, trees
from runner.errors import Finding, Level
from runner.patterns import zero_or_more

LARGE = 1024 * 1024  # bytes; from here on plain statements are not parsed, and sent many together
AT_ONCE = 64 * 1024  # bytes that are parsed together, or are one step
SENT_TOGETHER = 1024 * 1024  # bytes of steps that are one message: each waits for its answer
PLAIN = re.compile(OF_ROWS)
LEDGER_NAMES = (
    b"schema_migrations", b"migration_history", b"migration_runs", b"migration_environment", b"migration_status_view",
)  # fmt: skip
WITH_ESCAPES = "with escapes"  # the kind of a statement that is not parsed, though nothing is wrong with it
PLAIN_TRAITS = Traits(kind="plain", takes_time=True)
WORDS = re.compile(r"[a-z_]+", re.IGNORECASE)
INVISIBLE = {
    "\u00a0": "no-break space",
    "\u200b": "zero-width space",
    "\ufeff": "byte order mark",
    "\u2028": "line separator",
}
CORRECT = "correct it: no PostgreSQL reads this"
PLACEHOLDER = re.compile(
    r"\{\{(?:(?!\{\{).)*?\}\}|\$\{" + zero_or_more(r"[^$}]++|\$(?!\{)") + r"\}|<%(?:(?!<%).)*?%>", re.DOTALL
)


def read_statements(
    source: SourceFile, problems: list[Finding], warnings: list[Finding], *, together: bool = True
) -> list[Statement]:
    """The statements of a file, in order. `problems` gets what keeps it from being run, with its place. Without
    `together` each is one of its own, however large the file.
    """
    reader = _Reader(source, problems, warnings, together=together)
    return [statement for manner, cuts in _batches(reader) for statement in reader.read(cuts, manner)]


class Manner(Enum):
    """How statements are read."""

    PARSED = auto()
    PLAIN = auto()  # in a large file, and nothing about it must be known
    ESCAPES = auto()  # in a way that libpg_query does not have


def _batches(reader: "_Reader") -> Iterator[tuple[Manner, list[Cut]]]:
    """Statements that follow on each other and are read alike."""
    batch: list[Cut] = []
    manner = Manner.PARSED
    for cut in reader.cuts():
        of_this = reader.manner(cut)
        if batch and (of_this is not manner or cut.end - batch[0].start > AT_ONCE):
            yield manner, batch
            batch = []
        manner = of_this
        batch.append(cut)
    if batch:
        yield manner, batch


class _Reader:
    """Reads one file; keeps the place, which only moves forward."""

    def __init__(self, source: SourceFile, problems: list[Finding], warnings: list[Finding], *, together: bool) -> None:
        self._source, self._problems, self._warnings = source, problems, warnings
        self._data = source.data
        self._places = Places(source.data)
        self._ahead = Places(source.data)  # of what is found while the text is cut, before the statements are read
        self._large = together and len(source.data) > LARGE
        self._told_of_escapes = False

    def cuts(self) -> Iterator[Cut]:
        """The statements; what only psql understands becomes a problem."""
        try:
            for cut in split(self._data, together=AT_ONCE if self._large else 0):
                if cut.kind is CutKind.PSQL:
                    self._problems.append(self._psql(cut))
                elif cut.count > 1 and mentions(self._data, LEDGER_NAMES, cut.start, cut.end):
                    yield from _one_by_one(self._data, cut)
                else:
                    yield cut
        except SplitError as error:
            self._problems.append(self._finding_ahead(str(error), error.start, "close it, or take out what opens it"))

    def manner(self, cut: Cut) -> Manner:
        """How a statement is read."""
        if cut.kind is CutKind.ESCAPES:
            return Manner.ESCAPES
        if cut.count > 1:
            return Manner.PLAIN
        return Manner.PLAIN if self._large and self._is_plain(cut) else Manner.PARSED

    def _is_plain(self, cut: Cut) -> bool:
        """Whether nothing about a statement must be known."""
        if not PLAIN.match(self._data, cut.start):
            return False
        return not mentions(self._data, LEDGER_NAMES, cut.start, cut.end)

    def read(self, cuts: Sequence[Cut], manner: Manner) -> Iterable[Statement]:
        """The statements of a batch: one of each cut, but of plain ones one for all."""
        match manner:
            case Manner.PLAIN:
                count = sum(cut.count for cut in cuts)
                return [self._statement(cuts[0].start, cuts[-1].end, PLAIN_TRAITS, count=count)]
            case Manner.ESCAPES:
                return [self._with_escapes(cut) for cut in cuts]
            case Manner.PARSED:
                return self._parsed(cuts)

    def _parsed(self, cuts: Sequence[Cut]) -> Iterator[Statement]:
        """Parsed together, as that is faster; in halves where the parser refuses, to find the one it does not know."""
        begin, end = cuts[0].start, cuts[-1].end
        try:
            found = trees(self._data[begin:end].decode())
        except Unreadable as error:
            if len(cuts) == 1:
                yield self._unparsed(cuts[0], error)
                return
            half = len(cuts) // 2
            yield from self._parsed(cuts[:half])
            yield from self._parsed(cuts[half:])
            return
        for raw in found:
            start = skip_blank(self._data, begin + raw.stmt_location)
            stop = begin + raw.stmt_location + raw.stmt_len if raw.stmt_len else end
            yield self._statement(start, stop, traits(raw.stmt))

    def _statement(self, start: int, end: int, found: Traits, *, count: int = 1) -> Statement:
        line, column = self._places.of(start)
        return Statement(source=self._data, start=start, end=end, line=line, column=column, count=count, traits=found)

    def _unparsed(self, cut: Cut, error: Unreadable) -> Statement:
        """What libpg_query does not understand goes to the server as it is: a newer one might."""
        if isinstance(error, TooDeep) and self._is_plain(cut):
            return self._statement(cut.start, cut.end, PLAIN_TRAITS)
        text = self._data[cut.start : cut.end].decode()
        statement = self._statement(cut.start, cut.end, traits_of_words(_words(text)))
        place = cut.start + len(text[: error.position].encode())
        hint = _oddity(text) or (
            CORRECT if error.certain else "a server that is asked has the last word, before anything runs"
        )
        if error.certain:
            self._problems.append(self._finding(str(error), place, hint))
        else:
            said = str(error) if isinstance(error, TooDeep) else f"{error}, says PostgreSQL's parser"
            message = f"{said}; sent to the server as it is"
            self._warnings.append(self._finding(message, place, hint, level=Level.WARNING))
        return statement

    def _with_escapes(self, cut: Cut) -> Statement:
        """A literal with a backslash while standard_conforming_strings is off: not what libpg_query takes it for."""
        words = _words(self._data[cut.start : cut.start + 200].decode(errors="replace"))
        message = "standard_conforming_strings is off here, which only the server can read; sent to it as it is"
        hint = "E'…' says the same on every server; PostgreSQL 19 knows no other"
        if not self._told_of_escapes:
            self._warnings.append(self._finding(message, cut.start, hint, level=Level.WARNING))
            self._told_of_escapes = True
        return self._statement(cut.start, cut.end, replace(traits_of_words(words), kind=WITH_ESCAPES))

    def _psql(self, cut: Cut) -> Finding:
        command = self._data[cut.start : cut.end].decode().split()[0]
        hint = "take it out; what it did must be said in SQL"
        return self._finding_ahead(f"`{command}` is a command of psql, not SQL", cut.start, hint)

    def _finding(self, message: str, offset: int, hint: str, *, level: Level = Level.ERROR) -> Finding:
        """Something about the statement that was read last, at its begin or behind it."""
        line, column = self._places.of(offset)
        return Finding(message, path=self._source.path, line=line, column=column, hint=hint, level=level)

    def _finding_ahead(self, message: str, offset: int, hint: str) -> Finding:
        line, column = self._ahead.of(offset)
        return Finding(message, path=self._source.path, line=line, column=column, hint=hint)


def _one_by_one(data: bytes, rows: Cut) -> Iterator[Cut]:
    """The statements of a cut that has several."""
    for cut in split(data[rows.start : rows.end]):
        yield replace(cut, start=rows.start + cut.start, end=rows.start + cut.end)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word[0].upper() for word in islice(WORDS.finditer(text), 2))


def _oddity(text: str) -> str:
    """What people overlook in a text that the parser refuses."""
    seen = next((name for character, name in INVISIBLE.items() if character in text), None)
    if seen:
        return f"there is a {seen} in this statement, which looks like a blank and is none"
    if found := PLACEHOLDER.search(text):
        return f"nothing is filled in here: `{found[0]}` goes to the server as it is written"
    return ""


def remaining(steps: Sequence[Statement], done: int) -> Iterator[tuple[Statement, int]]:
    """The steps behind the first `done` statements, each with how many are done after it. How many plain ones are sent
    together another version of the program may have decided otherwise: then what is left of a step is one of its own.
    """
    position = 0
    for step in steps:
        before, position = position, position + step.count
        if position <= done:
            continue
        yield (_rest(step, done - before) if before < done and step.traits == PLAIN_TRAITS else step), position


def joined(steps: Sequence[Statement]) -> Iterator[Statement]:
    """The steps of one transaction as they are sent: plain ones of a large file that follow on each other together."""
    message: Statement | None = None
    for step in steps:
        plain = len(step.source) > LARGE and step.traits == PLAIN_TRAITS
        if plain and message and message.traits == PLAIN_TRAITS and step.end - message.start <= SENT_TOGETHER:
            message = replace(message, end=step.end, count=message.count + step.count)
            continue
        if message:
            yield message
        message = step
    if message:
        yield message


def _rest(together: Statement, done: int) -> Statement:
    """Of statements that are sent together, those behind the first ones."""
    cut = next(islice(split(together.sql), done, None))
    line, column = locate(together, len(together.sql[: cut.start].decode()) + 1)
    start = together.start + cut.start
    return replace(together, start=start, line=line, column=column, count=together.count - done)
