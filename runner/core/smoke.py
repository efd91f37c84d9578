"""A smoke test: a file of queries, each of which must be true once the migrations have run.

What cannot be one is told before anything runs. Whatever else a query may try, the server refuses in a read-only
transaction: https://www.postgresql.org/docs/current/sql-set-transaction.html.
"""

import re
from collections.abc import Iterator

from runner.core.migration import Statement
from runner.core.model import SourceFile
from runner.core.parse import CLIENT_ENCODING, UTF8
from runner.core.places import locate
from runner.core.statements import WITH_ESCAPES, read_statements
from runner.core.steps import SmokeTest
from runner.core.syntax import TooDeep, Unreadable, trees
from runner.errors import Finding, InputError

WORD = re.compile(rb"[A-Za-z_]+")
QUERY = re.compile(rb"[\s(]*(?:SELECT|VALUES|WITH|TABLE)\b", re.IGNORECASE)
WRITES = frozenset({"insert_stmt", "update_stmt", "delete_stmt", "merge_stmt"})
SETTING = "variable_set_stmt"
NOT_PARSED = frozenset({"", "plain", WITH_ESCAPES})  # of which only the words are known
ASK = "ask with SELECT whether what must be so is so: the first column of each row must be true"


def parse_smoke_test(source: SourceFile) -> SmokeTest:
    """Take a smoke test apart. Raises InputError with everything in it that is no query and no setting for one."""
    problems: list[Finding] = []
    statements = read_statements(source, problems, [], together=False)  # each answer is looked at
    problems += [problem for statement in statements for problem in _problems(source, statement)]
    if not problems and not any(map(is_query, statements)):
        problems.append(Finding("there is no query in this smoke test", path=source.path, line=1, hint=ASK))
    if problems:
        raise InputError(*sorted(problems, key=lambda finding: (finding.line or 0, finding.column or 0)))
    return SmokeTest(source=source, statements=tuple(statements))


def is_query(statement: Statement) -> bool:
    """Whether its answer is judged. What is not only sets something for those behind it: SET, RESET."""
    return statement.traits.kind != SETTING


def _problems(source: SourceFile, statement: Statement) -> Iterator[Finding]:
    traits, word = statement.traits, _word(statement)
    if traits.control or traits.kind == "transaction_stmt" or traits.only_in_transaction == "SET TRANSACTION":
        hint = "take it out; nothing that a smoke test does stays"
        yield _at(source, statement, f"{word} has no place in a smoke test, which is one read-only transaction", hint)
    elif traits.kind == SETTING:
        encoding = CLIENT_ENCODING.match(statement.sql)
        if encoding and encoding[1].lower() not in UTF8:
            hint = "save the file as UTF-8 and take this statement out"
            yield _at(source, statement, f"a smoke test is sent as UTF-8, not as {encoding[1].decode()}", hint)
    elif traits.kind == "select_stmt":
        if does := _writes(statement):
            hint = "a smoke test may only read; what it needs is made by a migration"
            yield _at(source, statement, f"this query {does}, which a read-only transaction refuses", hint)
    elif not traits.kind and (error := _unreadable(statement)):
        if not error.certain:  # else it was told when the file was read
            line, column = locate(statement, error.position + 1)
            message = f"{error}, says PostgreSQL's parser of this smoke test"
            yield Finding(
                message,
                path=source.path,
                line=line,
                column=column,
                hint="correct it; what only a newer server reads can be asked of a view",
            )
    elif not (traits.kind in NOT_PARSED and QUERY.match(statement.sql)):
        yield _at(source, statement, f"{word} is no query, and a smoke test consists of queries", ASK)


def _writes(statement: Statement) -> str:
    """What a query does that a read-only transaction refuses, as far as its outermost level tells."""
    if statement.traits.creates:
        return "makes a table"
    [tree] = trees(statement.sql.decode())
    query = tree.stmt.select_stmt
    if query.locking_clause:
        return "locks rows"
    parts = query.with_clause.ctes if query.HasField("with_clause") else ()
    if any(part.common_table_expr.ctequery.WhichOneof("node") in WRITES for part in parts):
        return "changes rows"
    return ""


def _unreadable(statement: Statement) -> Unreadable | None:
    """Why the parser does not understand it; a deep nesting is no reason."""
    try:
        trees(statement.sql.decode())
    except TooDeep:
        return None
    except Unreadable as error:
        return error
    return None


def _word(statement: Statement) -> str:
    """The first word of a statement: "INSERT"; of a SET the next one as well, as not every SET is refused."""
    words = [word.decode().upper() for word in WORD.findall(statement.sql[:200])]
    return " ".join(words[: 2 if words[:1] == ["SET"] else 1]) or "this"


def _at(source: SourceFile, statement: Statement, message: str, hint: str) -> Finding:
    return Finding(message, path=source.path, line=statement.line, column=statement.column, hint=hint)
