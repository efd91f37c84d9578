"""The leading comments of a migration: what it is for, and the directives that change how it runs."""

import re
from datetime import timedelta
from pathlib import PurePosixPath

from runner.core.durations import DURATION_HINT, parse_duration
from runner.core.model import Headers
from runner.errors import Finding

NOTE = re.compile(r"--\s*(Migration|Purpose|Breaking)\s*:\s*(.*?)\s*", re.IGNORECASE)
DIRECTIVE = re.compile(r"--\s*migrate\s*:\s*(.*?)\s*", re.IGNORECASE)
DIRECTIVES = "no-transaction, lock-timeout=2s, statement-timeout=30min"


def parse_headers(text: str, path: PurePosixPath) -> tuple[Headers, list[Finding]]:
    """Read the comment lines before the first statement. Unknown directives are findings, never ignored."""
    notes: dict[str, str] = {}
    timeouts: dict[str, timedelta] = {}
    no_transaction = False
    findings = []
    for number, line in enumerate(_leading_comment_lines(text), start=1):
        if note := NOTE.fullmatch(line):
            notes.setdefault(note[1].lower(), note[2])
        elif directive := DIRECTIVE.fullmatch(line):
            name, _, value = (part.strip() for part in directive[1].partition("="))
            duration = parse_duration(value)
            if name == "no-transaction" and not value:
                no_transaction = True
            elif name not in {"lock-timeout", "statement-timeout"}:
                findings.append(
                    Finding(f"unknown directive `{directive[1]}`", path=path, line=number, hint=f"known: {DIRECTIVES}")
                )
            elif duration is None:
                findings.append(
                    Finding(f"`{value}` is not a duration for {name}", path=path, line=number, hint=DURATION_HINT)
                )
            else:
                timeouts[name] = duration
    headers = Headers(
        title=notes.get("migration", ""),
        purpose=notes.get("purpose", ""),
        breaking=notes.get("breaking", ""),
        no_transaction=no_transaction,
        lock_timeout=timeouts.get("lock-timeout"),
        statement_timeout=timeouts.get("statement-timeout"),
    )
    return headers, findings


def _leading_comment_lines(text: str) -> list[str]:
    lines = []
    for line in text.split("\n"):
        stripped = line.strip()
        if stripped and not stripped.startswith("--"):
            break
        lines.append(stripped)
    return lines
