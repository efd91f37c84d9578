"""Lines that GitHub's runner obeys, and how to keep text from becoming one.

https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands; the escapes are those of
actions/toolkit. The runner reads `::name::` at the start of a line and the old `##[name]` anywhere in one.
"""

import os
import re
from collections.abc import Callable, Collection

from runner.core.visible import visible
from runner.errors import Finding, Level

TITLE = "db-migrate"
KEPT = 10  # annotations of a level that GitHub keeps of a step: the first ones
LONGEST_MESSAGE = 4096  # UTF-16 units; the runner cuts what is longer
LONGEST_HINT = LONGEST_MESSAGE // 4
CUT = " …"


def command(name: str, message: str, **properties: str) -> str:
    """One workflow command; empty properties are left out."""
    listed = ",".join(f"{key}={_escape_property(value)}" for key, value in properties.items() if value)
    return f"::{name}{' ' if listed else ''}{listed}::{_escape(message)}"


def annotations(findings: Collection[Finding], *, scrub: Callable[[str], str] = str) -> list[str]:
    """The findings as annotations on their places: as many of a level as GitHub keeps, the rest counted. What went
    wrong comes before what a rule says of a file. All of it passes `scrub`: the runner masks messages, but neither
    titles nor names of files.
    """
    lines = []
    for level in Level:
        of_level = sorted(
            (finding for finding in findings if finding.level is level), key=lambda found: bool(found.rule)
        )
        shown = of_level if len(of_level) <= KEPT else of_level[: KEPT - 1]
        lines += [_annotation(finding, scrub) for finding in shown]
        if rest := len(of_level) - len(shown):
            lines.append(command(level, f"and {rest} more; the summary has them all", title=TITLE))
    return lines


def _annotation(finding: Finding, scrub: Callable[[str], str]) -> str:
    line = str(finding.line or "") if finding.path else ""
    return command(
        finding.level,
        _message(finding, scrub),
        file=scrub(str(finding.path or "")),
        line=line,
        col=str(finding.column or "") if line else "",
        title=scrub(f"{TITLE}: {finding.rule}" if finding.rule else TITLE),
    )


def _message(finding: Finding, scrub: Callable[[str], str]) -> str:
    """What, what the server said besides, and the next thing to do, which no long story before it cuts off."""
    what = neutral(scrub("\n".join(filter(None, (finding.message, finding.detail)))))
    hint = _shortened(neutral(scrub(finding.hint)), LONGEST_HINT)
    last = f"\n{hint}" if hint else ""
    return _shortened(what, LONGEST_MESSAGE - _units(last)) + last


def _shortened(text: str, most: int) -> str:
    """At most so many UTF-16 units, cut behind a word where one ends."""
    if _units(text) <= most:
        return text
    kept = text.encode("utf-16-le")[: 2 * (most - len(CUT))].decode("utf-16-le", errors="ignore")
    return re.sub(r"\s\S{0,40}\Z", "", kept) + CUT


def _units(text: str) -> int:
    return len(text.encode("utf-16-le")) // 2


def add_mask(secret: str) -> str:
    """Makes the runner hide a secret from here on; line breaks are sent escaped, or the rest would be printed."""
    return command("add-mask", secret)


def stopped(text: str) -> str:
    """Lines of text in which the runner obeys nothing. Only a word that nobody could know ends that, and it stands in
    the same text: what is written is never without its end.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#stopping-and-starting-workflow-commands
    """
    word = os.urandom(16).hex()
    return f"{command('stop-commands', word)}\n{text}\n{command(word, '')}"


def neutral(text: str) -> str:
    """The same text for people, without anything that a runner or a terminal obeys."""
    text = visible(text).replace("##[", "##\u200b[")
    return re.sub(r"^([^\S\n]*+)::", "\\1:\u200b:", text, flags=re.MULTILINE)


def _escape(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _escape_property(value: str) -> str:
    return _escape(value).replace(":", "%3A").replace(",", "%2C")
