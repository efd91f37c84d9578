"""Files written for another tool, whose comments say what this one would get wrong: where the way back begins."""

import re
from collections.abc import Iterator, Sequence

from runner.core.migration import Statement
from runner.core.model import SourceFile
from runner.core.naming import Kind
from runner.core.split import split
from runner.errors import Finding

# Each begins with two dashes, which are found many times as fast as the beginnings of lines.
WAY_BACK = re.compile(
    rb"--(?:(?P<goose>[ \t]*\+goose[ \t]+Down)|(?P<sql_migrate>[ \t]*\+migrate[ \t]+Down)"
    rb"|(?P<dbmate>[ \t]*migrate:down)|(?P<tern>--[ \t]*create above / drop below[ \t]*-{4})"
    rb"|(?P<node_pg_migrate>[ \t]*Down Migration(?=[ \t]*$))|(?P<mybatis>[ \t]*//[ \t]*@UNDO)).*$",
    re.IGNORECASE | re.MULTILINE,
)
COMMON_WORDS = frozenset({"node_pg_migrate"})
NO_TRANSACTION = re.compile(
    rb"--[ \t]*(?:\+goose[ \t]+NO[ \t]+TRANSACTION|\+migrate[ \t]+Up[ \t]+notransaction"
    rb"|migrate:up[ \t]+transaction:false|(?:sqlx:)?no-transaction(?=[ \t]*$)"
    rb"|postgres-migrations[ \t]+disable-transaction)\b.*$",
    re.IGNORECASE | re.MULTILINE,
)


def marks_of_other_tools(source: SourceFile, statements: Sequence[Statement]) -> Iterator[Finding]:
    """Marks that would change how the file runs in the tool it was written for."""
    for mark in _alone(WAY_BACK, source.data):
        if _goes_back(mark, source, statements) and not _inside(mark.start(), statements):
            tool = (mark.lastgroup or "").replace("_", "-")
            yield _at(
                source,
                mark.start(),
                f"what follows this mark of {tool} undoes the migration, and would run here right after it",
                "move it into the down file, which ends in .down.sql",
            )
    for mark in _alone(NO_TRANSACTION, source.data):
        if not _inside(mark.start(), statements):
            comment = mark[0].decode().strip()
            yield _at(
                source,
                mark.start(),
                f"`{comment}` is another tool's way to say that the file runs without a transaction",
                "write `-- migrate: no-transaction` instead",
            )


def _alone(marks: "re.Pattern[bytes]", data: bytes) -> Iterator["re.Match[bytes]"]:
    """The marks with nothing before them on their line."""
    for mark in marks.finditer(data):
        if not data[data.rfind(b"\n", 0, mark.start()) + 1 : mark.start()].strip(b" \t"):
            yield mark


def _goes_back(mark: "re.Match[bytes]", source: SourceFile, statements: Sequence[Statement]) -> bool:
    """Whether statements stand behind the mark that the others, before it, do not want to be followed by. A down file
    may say what it is, and the words of some marks are those of any comment: there both sides must be there.
    """
    if not statements or mark.start() > statements[-1].end:
        return False
    ambiguous = mark.lastgroup in COMMON_WORDS or source.path.name.endswith(f"{Kind.DOWN}.sql")
    return not ambiguous or statements[0].start < mark.start()


def _inside(position: int, statements: Sequence[Statement]) -> bool:
    holder = next((statement for statement in statements if statement.start <= position < statement.end), None)
    if holder is None or holder.count == 1:
        return holder is not None
    return any(cut.start <= position - holder.start < cut.end for cut in split(holder.sql))


def _at(source: SourceFile, position: int, message: str, hint: str) -> Finding:
    line = source.data.count(b"\n", 0, position) + 1
    return Finding(message, path=source.path, line=line, hint=hint)
