"""Report → Markdown, through Jinja. Templates see the report and a few helpers, nothing else."""

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING
from urllib.parse import quote

from runner.core.durations import in_words
from runner.core.headline import headline
from runner.core.holds import describe_lock
from runner.core.impact import Attention, attention, worth_telling
from runner.core.impact_words import describe_table, describe_work, dry_run_verdict, dry_run_where, measured, worst
from runner.core.lock_modes import blocks, mode_name
from runner.core.model import Impact, Report, RunContext, StatementTime, StepResult
from runner.core.rollback import describe_target, rollback_instructions
from runner.core.sessions import describe
from runner.core.sizes import size_in_words
from runner.errors import Finding, Outcome
from runner.resources import PACKAGE

if TYPE_CHECKING:
    from jinja2 import Environment

SIGNS = {
    Outcome.APPLIED: "✅",
    Outcome.UP_TO_DATE: "✅",
    Outcome.DRY_RUN: "🔎",
    Outcome.REFUSED: "⛔",
    Outcome.FAILED: "❌",
    Outcome.CANCELLED: "🛑",
    Outcome.ROLLED_BACK: "↩️",
}
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~@!$])")
BAR = "\\|"  # in a table a bar ends the cell, even inside of code
NO_BREAK = "\u00a0"
WORTH_A_ROW = timedelta(seconds=1)  # of a statement's duration
TICKS = re.compile(r"`+")
MARKS = {Attention.STOPS: "🔴", Attention.WAITS: "🟡", Attention.NONE: "🟢"}
FENCE = re.compile(r"`{3,}")


def summary(report: Report, scrub: Callable[[str], str]) -> str:
    """The job summary, in GitHub's Markdown. Texts are scrubbed before they are escaped, as an escaped secret would
    no longer be recognised.
    """
    return _environment(scrub).get_template("summary.md.j2").render(report=report)


def release_notes(report: Report, tag: str, scrub: Callable[[str], str]) -> str:
    """What a release has changed in the database, in GitHub's Markdown."""
    return _environment(scrub).get_template("release_notes.md.j2").render(report=report, tag=tag)


def page(markdown: str, title: str) -> str:
    """The Markdown as an HTML page with GitHub's look, to be seen without GitHub."""
    from markdown_it import MarkdownIt

    body = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(markdown)
    return _environment(str).get_template("page.html.j2").render(body=body, title=title)


def _environment(scrub: Callable[[str], str]) -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(PACKAGE / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, escaped by the filters below
    )
    environment.filters |= {
        "text": lambda value: _text(scrub(str(value))),
        "prose": lambda value: _prose(scrub(str(value))),
        "cell": lambda value: _prose(scrub(str(value)), bar=BAR),
        "fenced": lambda value, language="": _fenced(scrub(value), language),
        "place": lambda finding, context: scrub(_place(finding, context)),
        "line": lambda finding, context: scrub(_linked(str(finding.line or ""), finding, context)),
        "rule": lambda finding: _rule(scrub(finding.rule), finding.url),
        "took": _took,
        "session": lambda session: _text(scrub(describe(session))),
        "lock": lambda lock: _text(scrub(describe_lock(lock))),
        "mode": mode_name,
        "blocks": blocks,
        "size": describe_table,
        "dry_run_mark": lambda tried: MARKS[worst(tried)],
        "impact_place": lambda impact, context: scrub(_impact_place(impact, context)),
        "code_cell": lambda value: _code(scrub(str(value))),
        "dry_run_verdict": lambda tried: scrub(dry_run_verdict(tried)),
        "dry_run_where": lambda tried: scrub(dry_run_where(tried)),
        "telling": lambda impacts: [impact for impact in impacts if worth_telling(impact)],
        "mark": lambda impact: MARKS[attention(impact)],
        "measured": measured,
        "work": lambda trace: [scrub(text) for text in describe_work(trace)],
        "slow": _slow,
        "bytes": size_in_words,
        "target": lambda target: _prose(scrub(describe_target(target))),
        "at": lambda statement, step, context: scrub(_at(statement, step, context)),
    }
    environment.globals |= {"headline": headline, "sign": _sign, "rollback": rollback_instructions}
    return environment


def _sign(report: Report) -> str:
    return "✅" if report.command == "check" and not report.exit_code else SIGNS[report.outcome]


def _text(value: str) -> str:
    """Untrusted text inside Markdown, a table's cell included: shown as it is, on one line."""
    return _escape(" ".join(value.split()))


def _prose(value: str, bar: str = "|") -> str:
    """Untrusted text in which `such words` are code. `bar` stands for a bar inside of code."""
    text = " ".join(value.split())
    parts = text.split("`")
    if len(parts) % 2 == 0 or "``" in text:
        return _escape(text)
    return "".join(f"`{part.replace('|', bar)}`" if number % 2 else _escape(part) for number, part in enumerate(parts))


def _escape(text: str) -> str:
    return MARKDOWN.sub(r"\\\1", text.replace("&", "&amp;")).replace("\\<", "&lt;")


def _place(finding: Finding, context: RunContext) -> str:
    """The finding's place, as a link into the commit where that is known."""
    return _linked(finding.place, finding, context)


def _linked(text: str, finding: Finding, context: RunContext) -> str:
    if not text or not context.source_url or finding.path is None or finding.path.is_absolute():
        return _text(text)
    line = f"#L{finding.line}" if finding.line else ""
    return f"[{_text(text)}]({context.source_url}/{quote(str(finding.path))}{line})"


def _slow(statements: Sequence[StatementTime]) -> list[StatementTime]:
    return [statement for statement in statements if statement.duration >= WORTH_A_ROW]


def _at(statement: StatementTime, step: StepResult, context: RunContext) -> str:
    return _place(Finding("", path=step.migration.source.path, line=statement.line), context)


def _impact_place(impact: Impact, context: RunContext) -> str:
    finding = Finding("", path=impact.migration.source.path, line=impact.trace.line)
    return _linked(f"{impact.migration.version}:{impact.trace.line}", finding, context)


def _code(value: str) -> str:
    """Untrusted text as code inside a table's cell."""
    text = " ".join(value.split()).replace("|", BAR)
    longest = max((len(found) for found in TICKS.findall(text)), default=0)
    ticks, pad = "`" * (longest + 1), " " if text[:1] == "`" or text[-1:] == "`" else ""
    return f"{ticks}{pad}{text}{pad}{ticks}" if text else ""


def _rule(name: str, url: str) -> str:
    """The name of the rule, with a link to its page."""
    return f"[{_text(name)}]({url})" if url else _text(name)


def _fenced(text: str, language: str = "") -> str:
    """Untrusted text as a block of code; the fence is longer than any inside."""
    longest = max((len(found) for found in FENCE.findall(text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}{language}\n{text}\n{fence}"


def _took(duration: timedelta) -> str:
    """Empty for what took no time worth telling; never broken over two lines."""
    return in_words(duration).replace(" ", NO_BREAK) if duration >= timedelta(milliseconds=1) else ""
