"""A migration file → what runs: its statements, its headers, and what about it is refused before anything runs."""

import re
from collections.abc import Iterator

from runner.core.classify import (
    Control,
    copies_through_client,
    looks_like_control,
    refuses_transaction,
    transaction_control,
)
from runner.core.headers import parse_headers
from runner.core.model import Migration, MigrationFile, SourceFile, Statement
from runner.core.split import ParsedStatement, SplitError, leading_words, split
from runner.errors import Finding, InputError, Level

META_COMMAND = re.compile(r"\s*\\[a-z!?]", re.IGNORECASE)
COPY_DATA = re.compile(r"\s*COPY\b.*\bFROM\s+STDIN\b", re.IGNORECASE)
END_OF_DATA = "\\."
ONE_TRANSACTION = "a migration and its ledger row are one transaction, begun and committed by the runner"


def parse(file: MigrationFile) -> Migration:
    """Take a migration apart. Raises InputError with everything in it that cannot run."""
    headers, problems = parse_headers(file.up.text, file.path)
    warnings: list[Finding] = []
    statements = _statements(file.up, problems, warnings)
    checks = _statements(file.check, problems, warnings) if file.check else ()
    if problems:
        raise InputError(*problems)
    return Migration(file=file, headers=headers, statements=statements, checks=checks, findings=tuple(warnings))


def _statements(source: SourceFile, problems: list[Finding], warnings: list[Finding]) -> tuple[Statement, ...]:
    try:
        parsed = split(source.text)
    except SplitError as error:
        place = Finding(str(error), path=source.path, line=error.line, column=error.column)
        return _unparsed(source, place, problems, warnings, certain=error.certain)
    parsed = _unwrapped(parsed)
    problems.extend(_refusals(source, parsed))
    return tuple(part.statement for part in parsed)


def _unwrapped(parsed: list[ParsedStatement]) -> list[ParsedStatement]:
    """Without the BEGIN and COMMIT that wrap a whole file: the runner's transaction is that transaction."""
    controls = [transaction_control(part) for part in parsed]
    wrapped = len(parsed) > 1 and controls[0] is Control.BEGIN and controls[-1] is Control.COMMIT
    return parsed[1:-1] if wrapped and not any(controls[1:-1]) else parsed


def _refusals(source: SourceFile, parsed: list[ParsedStatement]) -> Iterator[Finding]:
    for part in parsed:
        control, forbidden = transaction_control(part), refuses_transaction(part)
        line, column = part.statement.line, part.statement.column
        if control is Control.BEGIN_WITH_OPTIONS:
            yield Finding(
                f"{ONE_TRANSACTION}; this file begins its own, with options",
                path=source.path, line=line, column=column,
                hint="take BEGIN and COMMIT out and begin the file with SET TRANSACTION …",
            )  # fmt: skip
        elif control:
            yield _own_transaction(source, line, column)
        elif copies_through_client(part):
            yield _copy(source, line)
        elif forbidden:
            yield Finding(
                f"PostgreSQL does not run {forbidden} inside a transaction, and {ONE_TRANSACTION}",
                path=source.path, line=line, column=column,
                hint="migrations outside of a transaction are not supported yet",
            )  # fmt: skip


def _own_transaction(source: SourceFile, line: int, column: int | None = None) -> Finding:
    return Finding(
        f"{ONE_TRANSACTION}; this statement would end or split it",
        path=source.path,
        line=line,
        column=column,
        hint="take it out, or wrap the whole file in one BEGIN … COMMIT",
    )


def _copy(source: SourceFile, line: int) -> Finding:
    return Finding(
        "COPY from stdin or to stdout needs psql; a migration has nobody to give or take the data",
        path=source.path,
        line=line,
        hint="write the rows as INSERT statements, or COPY from a file of the server",
    )


def _psql(source: SourceFile) -> Iterator[Finding]:
    """What only psql understands, in a text that the parser does not."""
    in_data = False  # of a COPY, where a line may begin with a backslash as well
    for number, text in enumerate(source.text.split("\n"), start=1):
        if in_data:
            in_data = text.strip() != END_OF_DATA
        elif META_COMMAND.match(text):
            yield Finding(
                f"`{text.split()[0]}` is a command of psql, not SQL",
                path=source.path,
                line=number,
                hint="take it out; what it did must be said in SQL",
            )
        elif COPY_DATA.match(text):
            in_data = True
            yield _copy(source, number)


def _unparsed(
    source: SourceFile, place: Finding, problems: list[Finding], warnings: list[Finding], *, certain: bool
) -> tuple[Statement, ...]:
    """Text that libpg_query does not understand goes to the server whole: an extension or a newer server might."""
    if psql := list(_psql(source)):
        problems.extend(psql)
        return ()
    if certain:
        problems.append(place)
        return ()
    controls = [line for words, line in leading_words(source.text) if looks_like_control(words)]
    problems.extend(_own_transaction(source, line) for line in controls)
    warnings.append(
        Finding(
            f"{place.message}, says PostgreSQL's parser; sent to the server as it is",
            level=Level.WARNING,
            path=place.path,
            line=place.line,
            column=place.column,
        )
    )
    return (Statement(sql=source.text, line=1),)
