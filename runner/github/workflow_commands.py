"""Lines that GitHub's runner obeys, and how to keep text from becoming one.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; the escapes are those of
actions/toolkit. The runner reads `::name::` at the start of a line and the old `##[name]` anywhere in one.
"""

import re
from collections.abc import Collection

from runner.errors import Finding, Level

TITLE = "db-migrate"
KEPT = 10  # annotations of a level that GitHub keeps of a step
LONGEST_MESSAGE = 4096  # characters; the runner cuts what is longer
CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def command(name: str, message: str, **properties: str) -> str:
    """One workflow command; empty properties are left out."""
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if listed else ''}{listed}::{_escape(message)}"


def annotations(findings: Collection[Finding]) -> list[str]:
    """The findings as annotations on their places: as many of a level as GitHub keeps, the rest counted."""
    lines = []
    for level in Level:
        of_level = [finding for finding in findings if finding.level is level]
        shown = of_level if len(of_level) <= KEPT else of_level[: KEPT - 1]
        lines += [_annotation(finding) for finding in shown]
        if rest := len(of_level) - len(shown):
            lines.append(command(level, f"and {rest} more; the summary has them all", title=TITLE))
    return lines


def _annotation(finding: Finding) -> str:
    first, *others = finding.message.split("\n")
    if finding.rule:  # it is what `lint-exclude` wants to know
        first = f"{first} [{finding.rule}]"
    message = "\n".join(part for part in (first, *others, finding.detail, finding.hint) if part)
    line = str(finding.line or "") if finding.path else ""
    return command(
        finding.level,
        neutral(message)[:LONGEST_MESSAGE],
        file=str(finding.path or ""),
        line=line,
        col=str(finding.column or "") if line else "",
        title=TITLE,
    )


def add_mask(secret: str) -> str:
    """Makes the runner hide a secret from here on; line breaks are sent escaped, or the rest would be printed."""
    return command("add-mask", secret)


def neutral(text: str) -> str:
    """The same text for people, without anything that a runner or a terminal obeys."""
    text = CONTROL.sub(lambda match: f"\\x{ord(match[0]):02x}" if match[0] != "\r" else "\\r", text)
    text = text.replace("##[", "##\u200b[")
    return re.sub(r"^(\s*)::", "\\1:\u200b:", text, flags=re.MULTILINE)


def _escape(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(value: str) -> str:
    return _escape(value).replace(":", "%3A").replace(",", "%2C")
