"""How a file's statements and transactions go together: one transaction of the runner's, or steps of their own.

Which statements refuse a transaction block is said on each one's page of PostgreSQL's reference; that a value added to
an enum cannot be used before it is committed, on https://www.postgresql.org/docs/current/sql-altertype.html.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from runner.core.migration import Control, Headers, Statement, Traits
from runner.core.model import SourceFile
from runner.errors import Finding, Level

ONE_TRANSACTION = "a migration and its ledger row are one transaction, begun and committed by the runner"
DIRECTIVE = "-- migrate: no-transaction"
AS_WRITTEN = f"or let the file run as it is written, outside of the runner's transaction, with `{DIRECTIVE}` at its top"
BEGINS = frozenset({Control.BEGIN, Control.BEGIN_WITH_OPTIONS})
ENDS = frozenset({Control.COMMIT, Control.ROLLBACK, Control.PREPARE})
NO_USE_OF_A_VALUE = frozenset({"alter_enum_stmt", "create_enum_stmt", "comment_stmt", "create_function_stmt"})
BLOCK = Traits(kind="block")

Shape = tuple[tuple[Statement, ...], str, list[Finding]]
"""The steps to send, why they are not one transaction (empty when they are), and what is wrong with them."""


def shape(source: SourceFile, statements: Sequence[Statement], headers: Headers, *, own_transactions: bool) -> Shape:
    """Decide how a file runs. A file wrapped whole in BEGIN … COMMIT is the runner's transaction."""
    controls = [statement for statement in statements if statement.traits.control]
    if headers.no_transaction:
        return _as_written(source, statements, f"its header says `{DIRECTIVE}`")
    if _wrapped(statements, controls):
        inside = tuple(statements[1:-1])
        return inside, "", list(_not_inside(source, inside))
    if controls and own_transactions:
        return _as_written(source, statements, f"it has transactions of its own, the first in line {controls[0].line}")
    if controls:
        return (), "", [_own_transactions(source, controls)]
    if why := _needs_no_transaction(statements):
        return _as_written(source, statements, why)
    return tuple(statements), "", []


def _wrapped(statements: Sequence[Statement], controls: Sequence[Statement]) -> bool:
    return (
        len(controls) == 2
        and (controls[0], controls[1]) == (statements[0], statements[-1])
        and controls[0].traits.control is Control.BEGIN
        and controls[1].traits.control is Control.COMMIT
    )


def _needs_no_transaction(statements: Sequence[Statement]) -> str:
    """What keeps these from being one transaction, in a few words."""
    for statement in statements:
        if name := statement.traits.no_transaction:
            return f"PostgreSQL does not run {name} inside a transaction (line {statement.line})"
    if used := next(_used_enum_values(statements), None):
        value, added, user = used
        return f"the value '{value}' that line {added.line} adds to a type is used in line {user.line}"
    return ""


def _used_enum_values(statements: Sequence[Statement]) -> Iterator[tuple[str, Statement, Statement]]:
    """Each value that a statement adds to an enum and another uses. In a type that the same transaction made, servers
    before 17 refuse that as well.
    """
    for number, statement in enumerate(statements):
        for _, value in statement.traits.enum_values:
            literal = "'{}'".format(value.replace("'", "''")).encode()
            user = next(
                (
                    later
                    for later in statements[number + 1 :]
                    if later.traits.kind not in NO_USE_OF_A_VALUE and literal in later.sql
                ),
                None,
            )
            if user is not None:
                yield value, statement, user


def _not_inside(source: SourceFile, statements: Sequence[Statement]) -> Iterator[Finding]:
    """What the server would refuse inside of the BEGIN … COMMIT that stands around it."""
    hint = "take BEGIN and COMMIT out, or move this statement into a migration of its own"
    for statement in statements:
        if name := statement.traits.no_transaction:
            yield _at(source, statement, f"PostgreSQL does not run {name} inside the BEGIN … COMMIT around it", hint)
    for value, added, user in _used_enum_values(statements):
        message = f"the value '{value}' cannot be used before the transaction that adds it (line {added.line}) commits"
        # A literal of the same text may be of another type: only the server can tell, and rolls back.
        yield replace(_at(source, user, message, hint), level=Level.WARNING)


def _as_written(source: SourceFile, statements: Sequence[Statement], why: str) -> Shape:
    """Statement by statement; a block from BEGIN to its end is one step."""
    steps: list[Statement] = []
    problems: list[Finding] = []
    block: list[Statement] = []
    for statement in statements:
        control = statement.traits.control
        if block or control in BEGINS:
            block.append(statement)
            if control in ENDS:
                steps.append(_whole(block))
                problems += _not_inside(source, block)
                block = []
        else:
            steps.append(statement)
            problems += _only_inside(source, statement, why)
    if block:
        problems.append(_at(source, block[0], "the transaction that begins here never ends", "add its COMMIT"))
    return tuple(steps), why, problems


def _whole(block: Sequence[Statement]) -> Statement:
    first = block[0]
    return Statement(
        source=first.source,
        start=first.start,
        end=block[-1].end,
        line=first.line,
        column=first.column,
        traits=BLOCK,
    )


def _only_inside(source: SourceFile, statement: Statement, why: str) -> Iterator[Finding]:
    if name := statement.traits.only_in_transaction:
        message = f"{name} means nothing outside of a transaction, and this file does not run in one: {why}"
        hint = "put what belongs together between BEGIN and COMMIT, or split the file"
        yield _at(source, statement, message, hint)


def _own_transactions(source: SourceFile, controls: Sequence[Statement]) -> Finding:
    """One finding for all of them, at the first."""
    lines = list(dict.fromkeys(str(statement.line) for statement in controls[1:]))
    more = f" (and line {', '.join(lines)})" if lines else ""
    if controls[0].traits.control is Control.BEGIN_WITH_OPTIONS:
        message = f"{ONE_TRANSACTION}; this file begins its own, with options{more}"
        hint = f"take BEGIN and COMMIT out and begin the file with SET TRANSACTION …, {AS_WRITTEN}"
    else:
        message = f"{ONE_TRANSACTION}; this statement would end or split it{more}"
        hint = f"take it out, {AS_WRITTEN}"
    return _at(source, controls[0], message, hint)


def _at(source: SourceFile, statement: Statement, message: str, hint: str) -> Finding:
    return Finding(message, path=source.path, line=statement.line, column=statement.column, hint=hint)
