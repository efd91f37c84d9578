"""Text that somebody else chose is shown as text: a page has the elements, a log the commands, a file the outputs that
it has with harmless words.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from difflib import unified_diff
from html.parser import HTMLParser
from pathlib import Path

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options

from runner.postgres.session import connect
from tests.commands.hunting import Action, Step, action_in
from tests.conftest import Database
from tests.container.workflow_commands import parse_command_file

HOSTILE = {
    "command": "::error::owned",
    "command-with-properties": "::warning file=x,line=1::owned",
    "command-behind-blanks": "  ::set-output name=outcome::owned",
    "old-command": "a ##[error]owned",
    "old-group": "##[group]owned",
    "stop-commands": "::stop-commands::owned",
    "mask": "::add-mask::e",
    "lines": "a\n::error::owned\r::notice::owned\r\nb",
    "delimiter": "a\nghadelimiter_\nEOF\noutcome=owned",
    "heredoc": "x<<EOF",
    "heading": "# owned",
    "list": "- owned\n\n1. owned",
    "setext": "owned\n===",
    "rule": "***",
    "link": "[owned](http://evil.example)",
    "image": "![x](http://evil.example/x)",
    "reference": "[x]: http://evil.example",
    "footnote": "x[^1]\n\n[^1]: owned",
    "autolink": "<http://evil.example>",
    "address": "see http://evil.example/x",
    "www": "www.evil.example",
    "email": "a@evil.example",
    "script": "<script>owned()</script>",
    "onerror": "<img src=x onerror=owned>",
    "comment": "<!-- owned",
    "closing-details": "</details></summary>",
    "closing-cell": "</td></tr></table>",
    "entity": "&lt;b&gt; &#64;octocat",
    "fence": "```\n# owned\n```",
    "tildes": "~~~~\n# owned",
    "long-fence": "``````\n# owned",
    "backticks": "a ` b `` c",
    "bar": "a | b | c |",
    "escaped-bar": "a \\| b \\\\| c",
    "backslash": "owned\\",
    "emphasis": "**owned** _owned_ ~~owned~~",
    "mention": "@octocat @octo-org/team",
    "issue": "#123 GH-123 octo-org/shop#123",
    "math": "$x$ $$y$$ $`z`$",
    "alert": "> [!WARNING]\n> owned",
    "task": "- [x] owned",
    "mermaid": '"]; end; click A "http://evil.example"',
    "mermaid-directive": "%%{init: {}}%%",
    "jinja": "{{ report }} {% raw %}",
    "ansi": "\x1b[31mowned\x1b[0m \x9b31m",
    "bell": "a\x07\x08b",
    "bidi": "a\u202eb\u2066c",
    "zero-width": "a\u200bb\u200dc\ufeffd",
    "separators": "a\u2028::error::owned\u2029b\x85c",
    "percent": "100%0A::error::owned%25",
}


EVERYTHING = "\n".join(HOSTILE.values())
HARMLESS = [f"harmless{number}" for number in range(len(HOSTILE))]
Texts = Sequence[str]


@pytest.fixture
def version() -> int:
    return 18


def literal(text: str) -> str:
    return "'{}'".format(text.replace("'", "''"))


def name(text: str) -> str:
    """As a quoted name in SQL, as it is in a file: with line ends as LF."""
    return '"{}"'.format(text.replace('"', '""').replace("\r\n", "\n"))


def one_line(text: str) -> str:
    return re.sub(r"[\n\r]+", " ", text)


def file_name(text: str) -> str:
    """What may be the name of a file: no slash, and nothing that a terminal obeys."""
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", "", one_line(text)).replace("/", "∕")


def header(text: str) -> str:
    return "".join(f"-- {what}: {one_line(text)}\n" for what in ("Migration", "Purpose", "Breaking"))


# Each makes a step in which these texts show, in one way or another.


def tried(action: Action, texts: Texts) -> Step:
    """In headers and notices, in names of files, schemas, tables and columns, in comments and defaults."""
    for number, text in enumerate(texts, start=1):
        table, column = f"{name(f'{text}{number}')}.{name(text)}", name(text)
        made = (
            f"CREATE SCHEMA {name(f'{text}{number}')};\nCREATE TABLE {table} ({column} text DEFAULT {literal(text)});\n"
        )
        action.database.query(made)
        action.write(
            {
                f"{number:02}_{file_name(text)}.sql": f"{header(text)}ALTER TABLE {table} ADD COLUMN b int;\n"
                f"COMMENT ON TABLE {table} IS {literal(text)};\n"
                f"CREATE INDEX ON {table} ({column});\n"
                f"ALTER TABLE {table} ALTER COLUMN {column} TYPE varchar(50) USING {literal(text)};\n"
                f"DO $body$ BEGIN RAISE NOTICE '%', {literal(text)}; END $body$;\n",
            }
        )
    return action(dry_run="true", dry_run_mode="rehearse", lint="off")


def released(action: Action, texts: Texts) -> Step:
    """In a release's notes."""
    for number, text in enumerate(texts, start=1):
        table = f"CREATE TABLE {name(f'{text}{number}')} ({name(text)} text DEFAULT {literal(text)});"
        action.write({f"{number:02}_{file_name(text)}.sql": header(text) + table})
    production = {"confirmation": "MIGRATE-PRODUCTION", "review_delay": "0", "dry_run_mode": "preview"}
    told = {"GITHUB_ACTOR": "".join(texts), "GITHUB_REF": "refs/tags/v1.2.3"}
    return action(told, environment="production", **production)


def failed(action: Action, texts: Texts) -> Step:
    """In what the server says of an error."""
    said = literal("\n".join(texts))
    raised = f"RAISE EXCEPTION '%', {said} USING DETAIL = {said}, HINT = {said};"
    action.write({"01_a.sql": f"DO $body$ BEGIN {raised} END $body$;"})
    return action()


def smoke_failed(action: Action, texts: Texts) -> Step:
    """In what smoke tests found, and in their names."""
    action.write({"01_a.sql": "CREATE TABLE a ();"})
    for number, text in enumerate(texts):
        action.write({f"smoke/{number:02}{file_name(text)}.sql": f"SELECT {literal(f'{text}x')}::int;"})
    return action(smoke_tests="smoke/*.sql")


def changed(action: Action, texts: Texts) -> Step:
    """In the difference between a file and what was applied of it."""
    for number, text in enumerate(texts, start=1):
        action.write({f"{number:02}_{file_name(text)}.sql": f"SELECT 1;\n-- {one_line(text)}\n"})
    assert action().exit_code == 0
    for number, text in enumerate(texts, start=1):
        action.write({f"{number:02}_{file_name(text)}.sql": f"SELECT {literal(text)};\n"})
    return action()


def status(action: Action, texts: Texts) -> Step:
    """In what the ledger has, and the files say."""
    changed(action, texts)
    return action(command="status")


def history(action: Action, texts: Texts) -> Step:
    """In errors of earlier runs."""
    failed(action, texts)
    return action({"GITHUB_ACTOR": "".join(texts)}, command="history")


def told_by_github(action: Action, texts: Texts) -> Step:
    """In what GitHub tells of the run."""
    action.write({"01_a.sql": "SELECT 1;"})
    text = "\n".join(texts)
    names = ("GITHUB_ACTOR", "GITHUB_TRIGGERING_ACTOR", "GITHUB_HEAD_REF", "GITHUB_REF_NAME", "GITHUB_WORKFLOW")
    return action(dict.fromkeys(names, text) | {"GITHUB_REF": f"refs/heads/{text}"})


def given(action: Action, texts: Texts) -> Step:
    """In inputs."""
    action.write({"01_a.sql": "SELECT 1;"})
    names = ("environment", "version", "lock_timeout", "freeze_windows", "migrations_path", "approved_plan", "backup")
    return action(**dict.fromkeys(names, "\n".join(texts)))


def configured(action: Action, texts: Texts) -> Step:
    """In keys and values of the configuration file."""
    lines = (f"{json.dumps(text)}: 1\n" for text in texts)
    action.write(
        {"01_a.sql": "SELECT 1;", "db-migrate.yml": f"lock-timeout: {json.dumps(EVERYTHING)}\n" + "".join(lines)}
    )
    return action()


def in_the_way(action: Action, texts: Texts) -> Step:
    """In names and statements of other sessions, of which some are shown."""
    action.database.query("CREATE TABLE a (t text)")
    action.write({"01_a.sql": "ALTER TABLE a ADD COLUMN b int;"})
    with ExitStack() as stack:
        for text in texts[:5]:
            other = stack.enter_context(connect(action.database.url, application_name=text))
            stack.enter_context(other.transaction())
            other.execute(f"SELECT 1 AS {name(text)} FROM a".encode())
        return action(lock_timeout="50ms", lock_retries="1")


def linted(action: Action, texts: Texts) -> Step:
    """In findings of a linter that quotes."""
    for number, text in enumerate(texts, start=1):
        action.write({f"{number:02}_a.sql": f"CREATE TABLE {name(text)} (id int);\nCREATE TABEL {name(text)};"})
    return action(command="check", shadow_database="off")


PLACES = (tried, released, failed, smoke_failed, changed, status, history, told_by_github, given, configured,
          in_the_way, linted)  # fmt: skip

# Pages


TIMED = re.compile(r"### [^\n]*\n+```mermaid\ngantt.*?\n```\n|### Locks\n.*?(?=\n(?:###|<))", re.DOTALL)
"""What is there only when it took long enough."""


@dataclass(eq=False)
class Page(HTMLParser):
    """A page as GitHub makes it of Markdown: its elements, without the code that `such words` are and the breaks before
    what took time, and its texts.
    """

    markdown: str
    skeleton: list[str] = field(default_factory=list)
    links: set[str] = field(default_factory=set)
    texts: list[str] = field(default_factory=list)
    prose: list[str] = field(default_factory=list)  # texts in which GitHub looks for names of people and issues
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(github_flavored_markdown_to_html(TIMED.sub("", self.markdown), options=Options.CMARK_OPT_UNSAFE))
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {"br", "hr", "img", "input"}:
            self._open.append(tag)
        if tag in {"code", "br"}:
            return
        values = dict(attrs)
        self.links |= {"/".join((value or "").split("/")[:3]) for name, value in attrs if name in {"href", "src"}}
        self.skeleton.append(" ".join((tag, *sorted(values), values.get("lang") or "")))

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            del self._open[len(self._open) - 1 - self._open[::-1].index(tag) :]
        if tag != "code":
            self.skeleton.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
        if not {"pre", "code", "a"} & set(self._open):
            self.prose.append(data)

    @property
    def visible(self) -> str:
        return squeezed("".join(self.texts))

    def handle_comment(self, _: str) -> None:
        self.skeleton.append("comment")


def squeezed(text: str) -> str:
    """Without what nobody sees, and without the ticks that make code of words."""
    return "".join(each for each in text if not each.isspace() and each not in "`\u200b\u200d\ufeff")


# https://docs.github.com/en/get-started/writing-on-github/working-with-advanced-formatting/autolinked-references-and-urls
REFERENCE = re.compile(r"(?<![\w`])@[a-z\d]|(?<!\w)#\d|\bGH-\d|[\w-]+/[\w-]+#\d", re.IGNORECASE)
PAGES = {"GITHUB_STEP_SUMMARY", "release-notes.md"}
OBEYED = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")  # by terminals and readers


@pytest.fixture
def action(database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Action:
    return action_in(tmp_path / "hostile", database, capfd)


@pytest.fixture
def other_action(database: Database, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Iterator[Action]:
    """With a database of its own."""
    other = replace(database, name=f"{database.name}_other")
    database.server.create_database(other.name)
    yield action_in(tmp_path / "harmless", other, capfd)
    database.query(f"DROP DATABASE {other.name} WITH (FORCE)")


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__)
def test_text_stays_text(place: Callable[[Action, Texts], Step], action: Action, other_action: Action) -> None:
    hostile, harmless = place(action, list(HOSTILE.values())), place(other_action, HARMLESS)
    assert hostile.exit_code == harmless.exit_code, hostile.places["log"]
    assert_same_pages(hostile, harmless)
    assert_same_log(hostile, harmless)
    assert_same_outputs(hostile, harmless)


def test_it_can_be_read(action: Action) -> None:
    shown = Page(tried(action, list(HOSTILE.values())).summary).visible
    assert not [text for text in HOSTILE.values() if not OBEYED.search(text) and squeezed(one_line(text)) not in shown]


def assert_same_pages(hostile: Step, harmless: Step) -> None:
    """The same elements, links to no other places, and nothing that GitHub, or who reads it, would take for more."""
    for place in PAGES & set(harmless.places):
        ours, plain = Page(hostile.places[place]), Page(harmless.places[place])
        more = "\n".join(unified_diff(plain.skeleton, ours.skeleton, place, place, lineterm=""))
        assert not more
        assert ours.links <= plain.links
        assert not [text for text in ours.prose if REFERENCE.search(text)], place
    for place, text in hostile.places.items():
        if place not in {"ledger", "sessions", "names of files"} and not place.endswith(".json"):
            assert not [line for line in text.split("\n") if OBEYED.search(line)], place


def assert_same_log(hostile: Step, harmless: Step) -> None:
    """GitHub's runner obeys the same commands."""
    ours, plain = hostile.as_read_by_github(), harmless.as_read_by_github()
    assert [(each.level, each.title) for each in ours.annotations] == [
        (each.level, each.title) for each in plain.annotations
    ]
    assert ours.outputs == {}
    assert not ours.failed
    assert [mask for mask in ours.masks if "owned" in mask or len(mask) < 4] == []


def assert_same_outputs(hostile: Step, harmless: Step) -> None:
    """The steps that follow are told the same things."""
    ours, plain = parse_command_file(hostile.output), parse_command_file(harmless.output)
    assert ours.error is None
    assert ours.entries.keys() == plain.entries.keys()
    assert ours.entries["outcome"] == plain.entries["outcome"]
    for place in ("GITHUB_ENV", "GITHUB_STATE", "GITHUB_PATH"):
        assert hostile.places[place] == ""
