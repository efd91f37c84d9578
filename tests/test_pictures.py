"""Mermaid itself draws every picture of our summaries, in a browser. Untrusted text in one is nothing but text."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from runner.core.diagram import diagram
from runner.core.migration import Headers
from runner.core.schema import schema_of
from runner.core.schema_diff import schema_difference
from runner.core.steps import Undoing
from runner.core.timeline import MOST, timeline
from runner.render import page
from tests.browser import MERMAID, document
from tests.builders import a_migration, a_report, a_step
from tests.core.test_schema_diff import a_table, an_object
from tests.core.test_timeline import a_stage

pytestmark = pytest.mark.xdist_group("browser")  # which draws all of them once

GOLDEN = Path(__file__).parent / "golden"
PARTS = {  # what Mermaid makes a picture of
    "svg", "style", "g", "defs", "marker", "path", "circle", "rect", "line", "polygon", "text", "tspan",
    "foreignobject", "div", "span", "p", "filter", "fedropshadow",
}  # fmt: skip
UNTRUSTED = (
    "a:b;c#d", "#58; #lt;b#gt; &lt; &amp;", "%% comment", "%%{init: {'theme': 'forest'}}%%", "x %%{wrap}%% y", "100%",
    "end", "title", "section s", "gantt", "dateFormat x", "click a href", 'href "x"', "2026-01-01", "accTitle: x",
    "direction LR", "my direction TB", "subgraph", "style x fill:red", "style:x#y;", "classDef", "erDiagram", "---",
    "PK", "fk", "uk x", "1", "1.", "1. one", "- one", "+ one", "# one", "> one", "*a* **b**", "_a_ __b__ a_b",
    "`a` ```", "~a~ ~~b~~", "[a](javascript:alert(1))", "![a](x.png)", "www.example.org", "https://example.org",
    "a@example.org", "<b>a</b>", "<img src=x onerror=document.title=1>", "<script>document.title=1</script>",
    "</svg><h1>a", "<!-- a", '"a"', 'say "hi"', "'a'", "a\\b \\n c", "{a}", "}", "(a)", "$a$ $$b$$", "a|b",
    "größer", "東京", "🚀 x", "ﬂ°°60¶ß", "fa:fa-car", "constructor", "__proto__", "a\u2028b", "x" * 50,
)  # fmt: skip
SOURCE = re.compile(r"^```mermaid\n(.*?)\n```$", re.DOTALL | re.MULTILINE)


@dataclass
class Pictures(HTMLParser):
    """What a document says of its pictures."""

    title: str = ""
    drawn: int = 0
    errors: list[str] = field(default_factory=list)  # of those that are not
    texts: list[str] = field(default_factory=list)
    elements: set[str] = field(default_factory=set)
    attributes: set[str] = field(default_factory=set)
    inside: list[str] = field(default_factory=list)  # the elements around the place

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.inside.append(tag)
        if tag == "svg":
            self.drawn += 1
        if values.get("class") == "language-mermaid":
            self.errors.append(values.get("data-error") or "not drawn at all")
        if "svg" in self.inside:
            self.elements.add(tag)
            self.attributes.update(values)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside[-1:] == ["title"]:
            self.title += data
        elif "svg" in self.inside and "style" not in self.inside:
            self.texts.append(as_seen(data))


def as_seen(text: str) -> str:
    """With the characters that look-alikes stand for; those that have none are a question mark."""
    text = "".join("?" if ("\x80" < char < "À" and char != "·") or char == "\ufffd" else char for char in text)
    others: dict[str, str | int | None] = {"\u200b": "", "\u201a": ",", "\u02cd": "_"}
    return " ".join(unicodedata.normalize("NFKC", text.translate(str.maketrans(others))).split())


def quoted(name: str) -> str:
    doubled = name.replace('"', '""')
    return f'"{doubled}"'


def a_timeline(names: Sequence[str]) -> str:
    """The names are those of stages, and of migrations that were applied and undone."""
    migrations = [replace(a_migration(), headers=Headers(title=name)) for name in names]
    steps = tuple(a_step(migration, duration=timedelta(seconds=1)) for migration in migrations)
    stages = [a_stage(name, started, 1) for started, name in enumerate(names)]
    return timeline(a_report(stages=stages, steps=steps, undoing=Undoing(steps=steps)), str)


def a_diagram(names: Sequence[str]) -> str:
    """The names are those of tables, and in each of a column, of its type as it was, and of a foreign key."""
    hub = a_table("public.hub", "id integer")
    before, after = list(hub), list(hub)
    for number, name in enumerate(names):
        table, column = f"s{number}.{quoted(name)}", quoted(name)
        key = f"FOREIGN KEY ({column}) REFERENCES public.hub(id)"
        before += [an_object("table", table), an_object("column", column, f"app.{quoted(name)}", table=table)]
        after += [an_object("table", table), an_object("column", column, "integer", table=table)]
        after.append(an_object("constraint", "key", key, table=table))
    return diagram(schema_difference(schema_of(before), schema_of(after)), str)


IN_TWELVES = [UNTRUSTED[start : start + MOST] for start in range(0, len(UNTRUSTED), MOST)]
IN_SUMMARIES = [source for path in sorted(GOLDEN.rglob("*.md")) for source in SOURCE.findall(path.read_text())]
SOURCES = [*IN_SUMMARIES, *map(a_timeline, IN_TWELVES), *map(a_diagram, IN_TWELVES)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Pictures:
    """All of them, on one page."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / MERMAID.name).symlink_to(MERMAID)
    (folder / "page.html").write_text(
        page("\n\n".join(f"```mermaid\n{source}\n```" for source in SOURCES), "untouched")
    )
    pictures = Pictures()
    pictures.feed(document(folder / "page.html"))
    return pictures


def test_summaries_have_pictures() -> None:
    assert {source.split()[0] for source in IN_SUMMARIES} == {"gantt", "erDiagram"}


def test_every_picture_is_drawn(pictures: Pictures) -> None:
    assert pictures.errors == []
    assert pictures.drawn == len(SOURCES)


@pytest.mark.parametrize("name", UNTRUSTED)
def test_a_name_is_shown_in_every_place(pictures: Pictures, name: str) -> None:
    seen = as_seen(name)
    places = (f"{seen} · 1.0 s", f"01 {seen} · 1.0 s", seen, f"was app.{seen}", f"{seen} (new)")
    assert [place for place in places if place not in pictures.texts] == []
    assert any(text.endswith(f".{seen}") and text.startswith("s") for text in pictures.texts)


def test_no_name_has_an_effect(pictures: Pictures) -> None:
    assert pictures.title == "untouched"
    assert pictures.elements <= PARTS
    assert not {name for name in pictures.attributes if name.startswith("on") or name in {"href", "xlink:href", "src"}}


# The page around them


def test_without_mermaid_the_source_is_shown() -> None:
    assert '<pre><code class="language-mermaid">gantt' in page("```mermaid\ngantt\n```", "x")


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("> [!WARNING]\n> late", '<div class="markdown-alert markdown-alert-warning">'),
        ("- [x] done", '<input class="task-list-item-checkbox" disabled="" type="checkbox" checked="">'),
        ("~~gone~~", "<s>gone</s>"),
        ("| a |\n|--:|\n| 1 |", '<td style="text-align:right">1</td>'),
        ("<details><summary>x</summary></details>", "<details><summary>x</summary></details>"),
        ("<script>alert(1)</script>", "&lt;script>alert(1)&lt;/script>"),
        ("a <IFRAME src=x></IFRAME>", "a &lt;IFRAME src=x>&lt;/IFRAME>"),
        ("<titles>", "<titles>"),
    ],
)
def test_a_page_speaks_githubs_dialect(markdown: str, html: str) -> None:
    assert html in page(markdown, "x")
