"""What the server's own parser says of statements that libpg_query does not know, before anything runs.

The statement is only prepared (https://www.postgresql.org/docs/current/protocol-flow.html), never executed: what it
names need not be there yet, so that only a syntax error counts.
"""

from collections.abc import Iterable, Iterator

from psycopg.pq import DiagnosticField, ExecStatus

from runner.core.frame import code_frame
from runner.core.migration import Migration, Statement
from runner.core.model import SourceFile
from runner.core.places import locate
from runner.errors import Finding
from runner.postgres.session import Connection

SYNTAX_ERROR = b"42601"


def check_syntax(connection: Connection, migrations: Iterable[Migration]) -> Iterator[Finding]:
    """The statements that neither libpg_query nor this server understands."""
    for migration in migrations:
        for source, statement in _unparsed(migration):
            result = connection.pgconn.prepare(b"", statement.sql)
            if result.status != ExecStatus.FATAL_ERROR:
                continue
            if result.error_field(DiagnosticField.SQLSTATE) == SYNTAX_ERROR:
                said = (result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b"").decode(errors="replace")
                position = int(result.error_field(DiagnosticField.STATEMENT_POSITION) or 1)
                line, column = locate(statement, position)
                yield Finding(
                    f"{said}, says the server",
                    path=source.path,
                    line=line,
                    column=column,
                    hint="nothing was executed; correct the statement, or run it where the server knows it",
                    frame=code_frame(source.data, line, column),
                )


def _unparsed(migration: Migration) -> Iterator[tuple[SourceFile, Statement]]:
    for statement in migration.statements:
        if not statement.traits.kind:
            yield migration.source, statement
    for statement in migration.checks:
        if not statement.traits.kind and migration.file.check is not None:
            yield migration.file.check, statement
