"""A file that changed after it was applied: in what it does, or only in how it looks."""

from pathlib import PurePosixPath

from runner.core.difference import common, difference
from runner.core.model import Applied, MigrationFile, SourceFile
from runner.core.sql_digest import sql_digest
from runner.core.statements import WITH_ESCAPES, read_statements
from runner.errors import Finding, Level

ANYWHERE = PurePosixPath()  # of a text whose place is not asked
UNREAD = frozenset({"", WITH_ESCAPES})  # kinds of statements that were not parsed


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
            hint="what it does is what was applied: restore the file, or let the ledger have this text with "
            "`db-migrate repair`",
        )
    return Finding(
        f"Migration {file.version} checksum mismatch! File has been modified after being applied. This is unsafe.",
        path=file.path,
        line=line,
        hint="restore the file as it was applied, and put the change into a new migration",
        diff="" if body is None else diff_of(body, file.up.text, f"{file.path} (as applied)", f"{file.path} (now)"),
    )


def diff_of(before: str, now: str, name_before: str, name_now: str) -> str:
    """What differs between two texts of a file, for a log; empty where a password stands in one of them."""
    if any(map(_tells_a_password, (before, now))):
        return ""
    return difference(before.split("\n"), now.split("\n"), name_before, name_now)


def _tells_a_password(text: str) -> bool:
    """Whether one stands in its statements; or may, where nobody can read them."""
    problems: list[Finding] = []
    traits = [each.traits for each in read_statements(SourceFile(path=ANYWHERE, data=text.encode()), problems, [])]
    unread = bool(problems) or any(each.kind in UNREAD for each in traits)
    return any(each.password for each in traits) or (unread and "password" in text.lower())
