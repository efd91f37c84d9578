"""The leading comments of a migration: what it is for, and the directives that change how it runs."""

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import PurePosixPath

from runner.core.durations import DURATION_HINT, parse_duration
from runner.core.migration import Headers
from runner.core.model import SourceFile
from runner.errors import Finding

NOTE = re.compile(r"--\s*(Migration|Purpose|Breaking|Origin)\s*:\s*(.*)", re.IGNORECASE)
DIRECTIVE = re.compile(r"--\s*migrate\s*:\s*(?!(?:up|down)\b)(.*)", re.IGNORECASE)  # those two are dbmate's
TIMEOUTS = frozenset({"lock-timeout", "statement-timeout"})
KNOWN = "no-transaction, lock-timeout=2s, statement-timeout=30min"
NO_TRANSACTION = "no-transaction"
LONGEST = 256 * 1024  # bytes in which a header must end
BLOCK_MARKS = re.compile(r"/\*|\*/|\S")  # a block comment's ends, or any other text


def parse_headers(source: SourceFile) -> tuple[Headers, list[Finding]]:
    """Read the comment lines before the first statement. Unknown directives are findings, never ignored."""
    path, text = source.path, source.data[:LONGEST].decode(errors="ignore")
    notes: dict[str, str] = {}
    timeouts: dict[str, timedelta] = {}
    no_transaction = False
    findings = []
    for number, line in _leading_comment_lines(text):
        if note := NOTE.fullmatch(line):
            notes.setdefault(note[1].lower(), note[2])
        elif directive := DIRECTIVE.fullmatch(line):
            name, _, value = (part.strip() for part in directive[1].partition("="))
            duration = parse_duration(value)
            if directive[1] == NO_TRANSACTION and not no_transaction:
                no_transaction = True
            elif name in TIMEOUTS and duration is not None and name not in timeouts:
                timeouts[name] = duration
            else:
                findings.append(_refusal(name, value, path, number))
    headers = Headers(
        title=notes.get("migration", ""),
        purpose=notes.get("purpose", ""),
        breaking=notes.get("breaking", ""),
        origin=notes.get("origin", ""),
        no_transaction=no_transaction,
        lock_timeout=timeouts.get("lock-timeout"),
        statement_timeout=timeouts.get("statement-timeout"),
    )
    return headers, findings


def _refusal(name: str, value: str, path: PurePosixPath, line: int) -> Finding:
    if (name in TIMEOUTS and parse_duration(value) is not None) or (name == NO_TRANSACTION and not value):
        return Finding(f"`{name}` is said twice", path=path, line=line, hint="keep one of the two")
    if name in TIMEOUTS:
        return Finding(f"`{value}` is not a duration for {name}", path=path, line=line, hint=DURATION_HINT)
    directive = f"{name}={value}" if value else name
    return Finding(f"unknown directive `{directive}`", path=path, line=line, hint=f"known: {KNOWN}")


def _leading_comment_lines(text: str) -> Iterator[tuple[int, str]]:
    """The `--` lines before the first statement, with their numbers; block comments between them are passed over."""
    depth = 0  # of nested block comments
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip()
        if depth == 0 and stripped.startswith("--"):
            yield number, stripped
            continue
        for mark in BLOCK_MARKS.findall(stripped):
            depth += {"/*": 1, "*/": -1}.get(mark, 0) if depth or mark == "/*" else 0
            if depth == 0 and mark != "*/":
                return
