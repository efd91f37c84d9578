"""A file that changed after it was applied: in what it does, or only in how it looks."""

from runner.core.checksum import sql_digest
from runner.core.difference import common, difference
from runner.core.model import Applied, MigrationFile
from runner.errors import Finding, Level


def judge_change(file: MigrationFile, row: Applied, body: str | None) -> Finding:
    """What to say of a file whose checksum is not the recorded one. `body` is the text that was applied, where the
    ledger kept it.
    """
    recorded = row.sql_digest or (sql_digest(body.encode()) if body is not None else None)
    applied = None if body is None else body.split("\n")
    now = [] if applied is None else file.up.text.split("\n")
    line = 1 if applied is None else common(now, applied) + 1
    if recorded is not None and recorded == sql_digest(file.up.data):
        return Finding(
            f"migration {file.version} was edited after being applied, in comments or layout only",
            level=Level.WARNING,
            path=file.path,
            line=line,
            hint="restore the file to be rid of this warning; what it does is what was applied",
        )
    return Finding(
        f"Migration {file.version} checksum mismatch! File has been modified after being applied. This is unsafe.",
        path=file.path,
        line=line,
        hint="restore the file as it was applied, and put the change into a new migration",
        diff="" if applied is None else difference(applied, now, f"{file.path} (as applied)", f"{file.path} (now)"),
    )
