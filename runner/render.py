"""Report → Markdown, through Jinja. Templates see the report and a few helpers, nothing else."""

import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import cache, lru_cache
from types import CodeType
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from runner.core.durations import in_words
from runner.core.fit import mark
from runner.core.headline import headline
from runner.core.holds import describe_lock
from runner.core.impact import Attention, attention, worth_telling
from runner.core.impact_words import describe_table, describe_work, dry_run_verdict, dry_run_where, measured, worst
from runner.core.lock_modes import blocks, mode_name
from runner.core.model import Report, RunContext
from runner.core.sessions import describe
from runner.core.sizes import size_in_words
from runner.core.status_table import troubles
from runner.core.steps import StatementTime, StepResult
from runner.core.timeline import timeline
from runner.core.trial import Impact
from runner.core.visible import visible
from runner.core.ways_back import describe_target, rollback_instructions
from runner.errors import Finding, Outcome
from runner.resources import TEMPLATES

if TYPE_CHECKING:
    from jinja2 import BytecodeCache, Environment
    from jinja2.bccache import Bucket

    from runner.core.schema_diff import SchemaDifference

SIGNS = {
    Outcome.APPLIED: "✅",
    Outcome.UP_TO_DATE: "✅",
    Outcome.DRY_RUN: "🔎",
    Outcome.REFUSED: "⛔",
    Outcome.FAILED: "❌",
    Outcome.CANCELLED: "🛑",
    Outcome.ROLLED_BACK: "↩️",
}
WELL = frozenset({Outcome.APPLIED, Outcome.UP_TO_DATE, Outcome.DRY_RUN})
MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~@!$])")
# https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
MENTION = re.compile(r"(?<=@)(?=\w)|(?<=#)(?=\d)|(?<=\bGH)(?=-\d)", re.IGNORECASE)
ADDRESS = re.compile(r"(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)
LIST_ITEM = re.compile(r"^(?:(?=[-+=])|\d+(?=[.)](?:\s|$)))")
NO_WIDTH = "\u200b"
BAR = "\\|"  # in a table a bar ends the cell, even inside of code
NO_BREAK = "\u00a0"
WORTH_A_ROW = timedelta(seconds=1)  # of a statement's duration
TICKS = re.compile(r"`+")
MARKS = {Attention.STOPS: "🔴", Attention.WAITS: "🟡", Attention.NONE: "🟢"}
FENCE = re.compile(r"`{3,}")
NOT_PLAIN = re.compile(r"[^\w ,]+")
UNWANTED = re.compile(  # https://github.github.com/gfm/#disallowed-raw-html-extension-
    r"<(?=/?(?:title|textarea|style|xmp|iframe|noembed|noframes|script|plaintext)\b)", re.IGNORECASE
)
BYTECODE = TEMPLATES / "__pycache__"  # what `compile_templates` has made of them
MARK = os.urandom(16).hex()  # of a section's beginning: no text can contain it


def page(markdown: str, title: str) -> str:
    """The Markdown as an HTML page with GitHub's look, to be seen without GitHub. Pictures are drawn where Mermaid's
    `mermaid.min.js` lies beside the page; else their sources are shown.
    """
    from markdown_it import MarkdownIt

    body = UNWANTED.sub("&lt;", MarkdownIt("gfm-like2").disable("linkify").render(markdown))
    return environment(str).get_template("page.html.j2").render(body=body, title=title)


@cache
def _compiled() -> "BytecodeCache":
    """What is compiled: by this process, as each environment has filters of its own but the same code, or by
    `compile_templates` before.
    """
    from jinja2 import BytecodeCache

    class Compiled(BytecodeCache):
        codes: Final[dict[tuple[str, str], CodeType | None]] = {}

        def load_bytecode(self, bucket: "Bucket") -> None:
            bucket.code = self.codes.get((bucket.key, bucket.checksum))
            if bucket.code is None:
                with suppress(OSError), (BYTECODE / bucket.key).open("rb") as file:
                    bucket.load_bytecode(file)  # unless source, Jinja or Python are others now

        def dump_bytecode(self, bucket: "Bucket") -> None:
            self.codes[bucket.key, bucket.checksum] = bucket.code

    return Compiled()


def compile_templates() -> None:
    """Compile our templates for the processes to come, as `compileall` does modules: it is two thirds of the time that
    a summary takes.
    """
    from jinja2 import FileSystemBytecodeCache

    BYTECODE.mkdir(exist_ok=True)
    ours = environment(str)
    ours.bytecode_cache = FileSystemBytecodeCache(str(BYTECODE), "%s")
    for name in ours.list_templates(extensions=["j2"]):
        ours.get_template(name)
    for file in BYTECODE.iterdir():
        file.chmod(0o644)  # Jinja writes them for the one who compiles


@lru_cache(maxsize=8)
def environment(scrub: Callable[[str], str]) -> "Environment":
    """Renders our own templates, which put all text through the filters."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, escaped by the filters below
        # What a filter makes of a constant must not become part of the code, which other filters may use.
        optimized=False,
        finalize=pass_context(lambda _, value: value),
        bytecode_cache=_compiled(),
    )
    environment.filters |= markdown_filters(scrub) | word_filters(scrub)
    environment.globals |= GLOBALS
    return environment


def markdown_filters(scrub: Callable[[str], str]) -> dict[str, Callable[..., str]]:
    """What they return is Markdown, ready to be written. Texts are scrubbed before they are escaped, as an escaped
    secret would no longer be recognised.
    """
    return {
        "text": lambda value: _text(scrub(str(value))),
        "prose": lambda value: _prose(scrub(str(value))),
        "cell": lambda value: _prose(scrub(str(value)), bar=BAR),
        "code_cell": lambda value: _code(scrub(str(value))),
        "fenced": lambda value, language="": _fenced(scrub(str(value)), language),
        "place": lambda finding, context: scrub(_place(finding, context)),
        "line": lambda finding, context: scrub(_linked(str(finding.line or ""), finding, context)),
        "at": lambda statement, step, context: scrub(_at(statement, step, context)),
        "impact_place": lambda impact, context: scrub(_impact_place(impact, context)),
        "rule": lambda finding: _rule(scrub(finding.rule), finding.url),
        "session": lambda session: _text(scrub(describe(session))),
        "lock": lambda lock: _text(scrub(describe_lock(lock))),
        "target": lambda target: _prose(scrub(describe_target(target))),
        "commit": lambda context: scrub(_commit(context)),
        "timeline": lambda report: _mermaid(timeline(report, scrub)),
        "diagram": lambda schema: _diagram(schema, scrub),
        "section": lambda name, rank: mark(MARK, rank, NOT_PLAIN.sub(" ", str(name))),
    }


def word_filters(scrub: Callable[[str], str]) -> dict[str, Callable[..., Any]]:
    """Values in words, and choices among values. What they return is no Markdown yet."""
    return {
        "took": _took,
        "bytes": size_in_words,
        "mode": mode_name,
        "blocks": blocks,
        "size": describe_table,
        "dry_run_mark": lambda tried: MARKS[worst(tried)],
        "dry_run_verdict": lambda tried: scrub(dry_run_verdict(tried)),
        "dry_run_where": lambda tried: scrub(dry_run_where(tried)),
        "telling": lambda impacts: [impact for impact in impacts if worth_telling(impact)],
        "mark": lambda impact: MARKS[attention(impact)],
        "measured": measured,
        "work": lambda trace: [scrub(text) for text in describe_work(trace)],
        "slow": _slow,
        "large": _large,
    }


def _diagram(schema: "SchemaDifference", scrub: Callable[[str], str]) -> str:
    from runner.core.diagram import diagram

    return _mermaid(diagram(schema, scrub))


def _large(picture: str) -> bool:
    from runner.core.diagram import large

    return large(picture)


def _sign(report: Report) -> str:
    if report.exit_code:  # also where it only tells what was found
        return SIGNS[Outcome.FAILED if report.outcome in WELL else report.outcome]
    if report.command == "status" and report.table and troubles(report.table):
        return "⚠️"
    return "✅" if report.command == "check" else SIGNS[report.outcome]


GLOBALS: Final[Mapping[str, Any]] = {"headline": headline, "sign": _sign, "rollback": rollback_instructions}


def _text(value: str) -> str:
    """Untrusted text inside Markdown, a table's cell included: shown as it is, on one line."""
    return escape(" ".join(value.split()))


def _prose(value: str, bar: str = "|") -> str:
    """Untrusted text in which `such words` are code. `bar` stands for a bar inside of code."""
    text = " ".join(value.split())
    parts = text.split("`")
    if len(parts) % 2 == 0 or "``" in text:
        return escape(text)
    return "".join(
        f"`{visible(part).replace('|', bar)}`" if number % 2 else escape(part) for number, part in enumerate(parts)
    )


def escape(text: str) -> str:
    """A line of untrusted text, so that nothing in it is Markdown, or becomes a link that GitHub makes by itself: it
    looks for people and issues in the rendered text, where a backslash does not help, and tells people of it.
    """
    text = MENTION.sub(NO_WIDTH, visible(text))
    text = MARKDOWN.sub(r"\\\1", text.replace("&", "&amp;")).replace("\\<", "&lt;")
    return LIST_ITEM.sub(r"\g<0>\\", ADDRESS.sub(r"\\", text))


def _place(finding: Finding, context: RunContext) -> str:
    """The finding's place, as a link into the commit where that is known."""
    return _linked(finding.place, finding, context)


def _linked(text: str, finding: Finding, context: RunContext) -> str:
    if not text or not context.source_url or finding.path is None or finding.path.is_absolute():
        return _text(text)
    line = f"#L{finding.line}" if finding.line else ""
    return f"[{_text(text)}]({context.source_url}/{quote(str(finding.path))}{line})"


def _commit(context: RunContext) -> str:
    """The first digits of the commit, as a link to it where it is known."""
    short = _text(context.commit[:7])
    return f"[{short}]({context.commits_url}/{quote(context.commit)})" if context.commits_url and short else short


def _slow(statements: Sequence[StatementTime]) -> list[StatementTime]:
    return [statement for statement in statements if statement.duration >= WORTH_A_ROW]


def _at(statement: StatementTime, step: StepResult, context: RunContext) -> str:
    return _place(Finding("", path=step.migration.source.path, line=statement.line), context)


def _impact_place(impact: Impact, context: RunContext) -> str:
    finding = Finding("", path=impact.migration.source.path, line=impact.trace.line)
    return _linked(f"{impact.migration.version}:{impact.trace.line}", finding, context)


def _code(value: str) -> str:
    """Untrusted text as code inside a table's cell."""
    text = visible(" ".join(value.split())).replace("|", BAR)
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
    return f"{fence}{language}\n{visible(text)}\n{fence}"


def _mermaid(source: str) -> str:
    """A picture, which GitHub draws; empty for none."""
    return _fenced(source, "mermaid") if source else ""


def _took(duration: timedelta) -> str:
    """Empty for what took no time worth telling; never broken over two lines."""
    return in_words(duration).replace(" ", NO_BREAK) if duration >= timedelta(milliseconds=1) else ""
