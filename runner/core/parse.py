"""A migration file → what runs, and how; or everything about it that keeps it from running, before anything does."""

import re
from collections.abc import Iterator, Sequence

from runner.core.headers import parse_headers
from runner.core.migration import Headers, Migration, Statement
from runner.core.model import MigrationFile, SourceFile
from runner.core.naming import LEDGER_FILE
from runner.core.other_tools import marks_of_other_tools
from runner.core.policies import ParsePolicy
from runner.core.sql_digest import sql_digest
from runner.core.statements import read_statements
from runner.core.transaction import shape
from runner.errors import Finding, InputError, Level

CLIENT_ENCODING = re.compile(
    rb"SET\s+(?:SESSION\s+|LOCAL\s+)?(?:client_encoding\s*(?:=|\bTO\b)|NAMES)\s*'?([\w-]+)", re.IGNORECASE
)
UTF8 = frozenset({b"utf8", b"utf-8", b"unicode", b"default"})


ORDINARY = ParsePolicy()


def parse(file: MigrationFile, policy: ParsePolicy = ORDINARY) -> Migration:
    """Take a migration apart. Raises InputError with everything in it that cannot run."""
    return _parse(file, file.up, policy)


def parse_down(file: MigrationFile, policy: ParsePolicy = ORDINARY) -> Migration:
    """What undoes a migration: its down file, which it must have. Raises InputError."""
    assert file.down is not None  # noqa: S101 - the caller looked
    return _parse(file, file.down, policy)


def _parse(file: MigrationFile, source: SourceFile, policy: ParsePolicy) -> Migration:
    headers, problems = parse_headers(source)
    warnings: list[Finding] = []
    statements = read_statements(source, problems, warnings)
    problems += marks_of_other_tools(source, statements)
    steps, why, wrong = shape(source, statements, headers, own_transactions=policy.own_transactions)
    problems += [*_errors(wrong, warnings), *_cannot_be_sent(source, statements)]
    if file.path.name == LEDGER_FILE:
        problems += _not_in_one_transaction(source, why)
    else:
        problems += _on_the_ledger(source, statements, policy.tracking_schema)
    checks = _checks(file.check, problems, warnings) if file.check and source is file.up else ()
    if problems:
        raise InputError(
            *sorted(problems, key=lambda finding: (str(finding.path), finding.line or 0, finding.column or 0))
        )
    return Migration(
        file=file,
        source=source,
        headers=headers,
        statements=tuple(statements),
        steps=steps,
        sql_digest=sql_digest(source.data),
        transactional=not why,
        why=why,
        checks=checks,
        findings=tuple(warnings),
    )


def _checks(source: SourceFile, problems: list[Finding], warnings: list[Finding]) -> tuple[Statement, ...]:
    """The statements of a check file, which run inside of the migration's transaction."""
    statements = read_statements(source, problems, warnings, together=False)  # each answer is looked at
    steps, why, wrong = shape(source, statements, Headers(), own_transactions=False)
    problems += [*_errors(wrong, warnings), *_cannot_be_sent(source, statements), *_not_in_one_transaction(source, why)]
    return steps


def _errors(found: Sequence[Finding], warnings: list[Finding]) -> list[Finding]:
    """Those that keep the file from being run; the others are warnings."""
    warnings += [finding for finding in found if finding.level is not Level.ERROR]
    return [finding for finding in found if finding.level is Level.ERROR]


def _not_in_one_transaction(source: SourceFile, why: str) -> Iterator[Finding]:
    if why:
        message = f"this file runs inside of a transaction, and it cannot: {why}"
        yield Finding(message, path=source.path, line=1, hint="move that into a migration of its own")


def _cannot_be_sent(source: SourceFile, statements: Sequence[Statement]) -> Iterator[Finding]:
    """What needs another client than this one."""
    for statement in statements:
        if statement.traits.client_copy:
            yield _at(
                source,
                statement,
                "COPY from stdin or to stdout needs psql; a migration has nobody to give or take the data",
                "write the rows as INSERT statements, or COPY from a file of the server",
            )
        elif statement.traits.kind == "variable_set_stmt":
            encoding = CLIENT_ENCODING.match(statement.sql)
            if encoding and encoding[1].lower() not in UTF8:
                yield _at(
                    source,
                    statement,
                    f"a migration is sent as UTF-8; with {encoding[1].decode()} the server would misread what follows",
                    "save the file as UTF-8 and take this statement out",
                )


def _on_the_ledger(source: SourceFile, statements: Sequence[Statement], tracking_schema: str) -> Iterator[Finding]:
    """A migration must not change what records the migrations."""
    for statement in statements:
        for name in statement.traits.ledger:
            schema, _, thing = name.rpartition(".")
            if (schema or "public") == tracking_schema:
                yield _at(
                    source,
                    statement,
                    f"this statement changes {thing or f'schema {schema}'}, which holds the ledger of the migrations",
                    "take it out; where it means a table of your own, keep the ledger elsewhere with `tracking-schema`",
                )


def _at(source: SourceFile, statement: Statement, message: str, hint: str) -> Finding:
    return Finding(message, path=source.path, line=statement.line, column=statement.column, hint=hint)
