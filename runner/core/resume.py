"""Where a migration goes on that does not run in one transaction and was not finished."""

from collections.abc import Sequence

from runner.core.headers import parse_headers
from runner.core.headline import counted
from runner.core.model import Applied, Migration, SourceFile, Statement, Status
from runner.core.session_state import lost_with_the_session
from runner.core.statements import read_statements
from runner.core.transaction import shape
from runner.errors import Finding

LOOK = "see docs/migrations.md#outside-of-a-transaction"


def resumption(migration: Migration, row: Applied | None, schema: str, body: str | None = None) -> int | Finding:
    """How many of its statements are done, as far as that is known; or why that cannot be told. Asked while nobody
    else can be running it. `body` is the text of which they were the first, where the ledger kept it.
    """
    if row is None or row.transactional is not False:
        return 0
    done = row.statements_done or 0
    path, version = migration.source.path, migration.version
    ledger = '"' + schema.replace('"', '""') + '".schema_migrations'
    running = row.status == Status.RUNNING
    edited = row.checksum != migration.file.checksum
    if (done or running) and edited and not _begins_alike(migration, body, done, running=running):
        return Finding(
            f"migration {version} was edited in statements that have run, or may have, outside of a transaction",
            path=path,
            line=1,
            hint="restore those; what comes behind them may be mended. Or undo by hand what they did, and tell the "
            f"ledger: UPDATE {ledger} {_set(0, row)} ({LOOK})",
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
            hint="undo by hand what the finished statements did, and tell the ledger: "
            f"UPDATE {ledger} {_set(0, row)}; it then runs from its beginning ({LOOK})",
        )
    if running and done < migration.statement_count:
        step, behind = _step_behind(migration, done)
        return Finding(
            f"an earlier run of migration {version} ended in the middle of a statement outside of a transaction",
            path=path,
            line=step.line,
            hint=f"look whether {_what(step)} did its work. Then tell the ledger, with {behind} if it "
            f"did and {done} if it did not: UPDATE {ledger} {_set(done, row)}; and run again ({LOOK})",
        )
    return done


def _begins_alike(migration: Migration, body: str | None, done: int, *, running: bool) -> bool:
    """Whether the file still begins with the statements that are done, and with the one that was under way."""
    if body is None:
        return False
    before = SourceFile(path=migration.source.path, data=body.encode())
    headers, _ = parse_headers(before)
    steps, _, _ = shape(before, read_statements(before, [], []), headers, own_transactions=True)
    return _beginning(steps, done, running=running) == _beginning(migration.steps, done, running=running)


def _beginning(steps: Sequence[Statement], done: int, *, running: bool) -> list[bytes]:
    position, texts = 0, []
    for step in steps:
        if position < done or (position == done and running):
            texts.append(step.sql)
        position += step.count
    return texts


def _set(done: int, row: Applied) -> str:
    return f"SET status = 'failed', statements_done = {done} WHERE version = '{row.version}'"


def _step_behind(migration: Migration, done: int) -> tuple[Statement, int]:
    """The first step that is not known to be done, and how many statements are when it is."""
    position = 0
    for step in migration.steps:
        position += step.count
        if position > done:
            break
    return step, position


def _what(step: Statement) -> str:
    return f"the statement in line {step.line}" if step.count == 1 else f"what begins in line {step.line}"
