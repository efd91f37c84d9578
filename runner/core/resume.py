"""Where a migration goes on that does not run in one transaction and was not finished."""

from collections.abc import Sequence

from runner.core.certainty import NOBODY_KNOWS, Certainty, certainty, step_behind
from runner.core.headers import parse_headers
from runner.core.migration import Migration, Statement
from runner.core.model import Applied, SourceFile, Status
from runner.core.plural import counted
from runner.core.session_state import lost_with_the_session
from runner.core.statements import read_statements
from runner.core.transaction import shape
from runner.errors import Finding

LOOK = "see docs/migrations.md#outside-of-a-transaction"
PUBLIC = "public"  # the tracking schema that need not be named


def resumption(migration: Migration, row: Applied | None, schema: str, body: str | None = None) -> int | Finding:
    """How many of its statements are done; or why that cannot be told. Of the one behind them the catalog may have to
    be asked, which is not done here. Asked while nobody else can be running it. `body` is the text of which they were
    the first, where the ledger kept it.
    """
    if row is None or row.transactional is not False:
        return 0
    done = row.statements_done or 0
    path, version = migration.source.path, migration.version
    running = row.status == Status.RUNNING
    edited = row.checksum != migration.file.checksum
    if (done or running) and edited and not begins_alike(migration, body, done, running=running):
        return Finding(
            f"migration {version} was edited in statements that have run, or may have, outside of a transaction",
            path=path,
            line=1,
            hint="restore those; what comes behind them may be mended. Or undo by hand what they did, and say so: "
            f"{settled(schema, row.version, None)} ({LOOK})",
        )
    if done and migration.transactional:
        return Finding(
            f"migration {version} would be one transaction now, with {counted(done, 'statement')} of it done before",
            path=path,
            line=1,
            hint="give the inputs of that run again, `own-transactions` above all",
        )
    if lost := lost_with_the_session(migration, done):
        return Finding(
            f"migration {version} would go on in a new session, without what this statement left in the one before",
            path=path,
            line=lost.line,
            hint="undo by hand what the finished statements did, and say so: "
            f"{settled(schema, row.version, None)}; it then runs from its beginning ({LOOK})",
        )
    step, behind = step_behind(migration.steps, done)
    if running and step and certainty(migration.statements, step) in NOBODY_KNOWS:
        return Finding(
            f"an earlier run of migration {version} ended in the middle of a statement outside of a transaction",
            path=path,
            line=step.line,
            hint=f"look whether {_what(step)} did its work. If it did: {settled(schema, row.version, behind)}; if not: "
            f"{settled(schema, row.version, done)}. Then run again ({LOOK})",
        )
    return done


def settled(schema: str, version: str, done: int | None) -> str:
    """The command that tells the ledger of this schema how many statements of a migration are done; None: of one that
    was undone.
    """
    ledger = "" if schema == PUBLIC else " --tracking-schema '{}'".format(schema.replace("'", "'\\''"))
    return f"`db-migrate repair --settle {version}={'undone' if done is None else done}{ledger}`"


def begins_alike(migration: Migration, body: str | None, done: int, *, running: bool) -> bool:
    """Whether what runs still begins with the statements of `body` that are done, and with the one that may be."""
    if body is None:
        return False
    before = SourceFile(path=migration.source.path, data=body.encode())
    headers, _ = parse_headers(before)
    statements = read_statements(before, [], [])
    steps, _, _ = shape(before, statements, headers, own_transactions=True)
    step, behind = step_behind(steps, done)
    if running and step and certainty(statements, step) in {*NOBODY_KNOWS, Certainty.IN_THE_CATALOG}:
        done = behind
    return _beginning(steps, done) == _beginning(migration.steps, done)


def _beginning(steps: Sequence[Statement], done: int) -> list[bytes]:
    position, texts = 0, []
    for step in steps:
        if position < done:
            texts.append(step.sql)
        position += step.count
    return texts


def _what(step: Statement) -> str:
    return f"the statement in line {step.line}" if step.count == 1 else f"what begins in line {step.line}"
