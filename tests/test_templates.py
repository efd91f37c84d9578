"""Templates of the user's own: they take the place of ours, see what is documented, and hurt nobody."""

import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import fields, replace
from itertools import count
from pathlib import Path, PurePosixPath

import pytest

from runner.core.fit import fit
from runner.core.model import Report, Target
from runner.core.schema import SchemaObject
from runner.core.sizes import LARGEST_SUMMARY
from runner.errors import Finding, InputError, Level, Outcome
from runner.render import GLOBALS, MARK, environment, markdown_filters, word_filters
from runner.resources import TEMPLATES
from runner.secrets import Scrubber
from runner.templating.budget import LONGEST, Budget
from runner.templating.check import check
from runner.templating.sandbox import Sandbox, Source
from runner.templating.templates import Templates, open_templates
from runner.templating.values import (
    ATTRIBUTES,
    JINJA_FILTERS,
    JINJA_FILTERS_OF_TEXT,
    JINJA_GLOBALS,
    LOOP,
    PLAIN,
    VALUES,
)
from tests.builders import a_migration, a_report, a_step, a_target, on_github
from tests.test_render import CHANGES, REPORTS

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs/templates.md").read_text()
OURS = {
    str(path.relative_to(TEMPLATES)): Source(PurePosixPath(path.relative_to(TEMPLATES)), path.read_text())
    for path in sorted(TEMPLATES.rglob("*.md.j2"))
}
PARTS = {name: source for name, source in OURS.items() if name.startswith("parts/")}
MIXED = "a*b | <c>\n# _d_ `e` [f](g)"
SHOWN = r"a\*b \| &lt;c\> \# \_d\_ \`e\` \[f\](g)"


def sources(files: Mapping[str, str]) -> dict[str, Source]:
    return {name: Source(PurePosixPath("t") / name, text) for name, text in files.items()}


def rendered(text: str, report: Report | None = None, *, secret: str = "", **others: str) -> str:
    """What a summary becomes; whatever it raises."""
    own = sources({"summary.md.j2": text, **others})
    return Sandbox(own, Scrubber([secret])).render("summary.md.j2", {"report": report or a_report()})


def whole(markdown: str) -> str:
    """Without the marks of its sections."""
    return fit(markdown, MARK, LARGEST_SUMMARY)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "t").mkdir()
    return tmp_path / "t"


def opened(folder: Path, files: Mapping[str, str | bytes] | None = None) -> Templates:
    """The templates of a folder of the checkout that is around it."""
    for name, content in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return open_templates(folder.parent, PurePosixPath(folder.name))


def refused(folder: Path, files: Mapping[str, str | bytes] | None = None) -> tuple[Finding, ...]:
    with pytest.raises(InputError) as error:
        opened(folder, files)
    return error.value.findings


# In the place of ours


def test_without_a_folder_ours_are_used(tmp_path: Path) -> None:
    report = REPORTS["applied"]
    assert open_templates(tmp_path, None).summary(report, str) == (ROOT / "tests/golden/summary/applied.md").read_text()


def test_without_a_folder_jinja_is_not_loaded_before_something_is_rendered() -> None:
    script = (
        "import sys, runner.templating.templates as t; t.open_templates(None, None); print('jinja2' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_each_template_takes_the_place_of_ours(folder: Path) -> None:
    templates = opened(
        folder,
        {
            "summary.md.j2": "summary of {{ report.environment }}",
            "pr_comment.md.j2": "comment on {{ report.environment }}",
            "release_notes.md.j2": "{{ tag }} in {{ report.environment }}",
        },
    )
    report = a_report(environment="staging")
    assert templates.summary(report, str) == "summary of staging"
    assert templates.pr_comment(report, str) == "comment on staging"
    assert templates.release_notes(report, "v1_0", str) == r"v1\_0 in staging"
    assert templates.problems == []


def test_what_is_not_in_the_folder_is_ours(folder: Path) -> None:
    templates = opened(folder, {"summary.md.j2": "x", "notes.txt": "not read"})
    assert templates.release_notes(a_report(), "v1", str) == Templates().release_notes(a_report(), "v1", str)


def test_a_part_takes_the_place_of_ours_inside_of_ours(folder: Path) -> None:
    templates = opened(folder, {"rollback.md.j2": "GO BACK: {{ back.state | join(' ') }}\n"})
    assert "\nGO BACK: " in templates.summary(REPORTS["failed"], str)
    assert "### Rollback" not in templates.summary(REPORTS["failed"], str)


def test_ours_can_be_had_inside_of_what_takes_its_place(folder: Path) -> None:
    templates = opened(folder, {"rollback.md.j2": 'Call us.\n\n{% include "builtin/rollback.md.j2" %}'})
    assert "Call us.\n\n### Rollback\n" in templates.summary(REPORTS["failed"], str)
    assert templates.problems == []


def test_files_of_the_folder_can_be_included_imported_and_extended(folder: Path) -> None:
    templates = opened(
        folder,
        {
            "summary.md.j2": '{% extends "base.j2" %}{% import "parts/words.j2" as words %}'
            '{% block body %}{{ super() }}, {{ words.bold(report.environment) }}, {% include "end.j2" %}{% endblock %}',
            "base.j2": "[{% block body %}base{% endblock %}]",
            "parts/words.j2": "{% macro bold(text) %}**{{ text }}**{% endmacro %}",
            "end.j2": "end",
        },
    )
    assert templates.summary(a_report(environment="a_b"), str) == r"[base, **a\_b**, end]"


def test_all_that_is_used_is_read_and_nothing_else(folder: Path) -> None:
    opened(folder, {"summary.md.j2": '{% include "a.j2" %}', "a.j2": "a", "other.html.j2": "{% broken"})


@pytest.mark.parametrize("how", ["extends", "include"])
@pytest.mark.parametrize("name", ["applied-to-production", "dry-run-on-a-shadow", "failed", "tried-again"])
def test_ours_inside_of_the_users_is_the_same(how: str, name: str) -> None:
    golden = (ROOT / "tests/golden/summary" / f"{name}.md").read_text()
    assert whole(rendered(f'{{% {how} "builtin/summary.md.j2" %}}', REPORTS[name])) == golden


@pytest.mark.parametrize("name", ["applied-to-production", "dry-run-on-a-shadow", "failed", "tried-again"])
def test_a_copy_of_our_parts_is_the_same(name: str) -> None:
    golden = (ROOT / "tests/golden/summary" / f"{name}.md").read_text()
    assert whole(Sandbox(OURS, str).render("summary.md.j2", {"report": REPORTS[name]})) == golden


# What is wrong before anything runs


def test_our_own_templates_stand_the_check() -> None:
    assert check(OURS, OURS) == []


@pytest.mark.parametrize(
    ("text", "line", "what", "hint"),
    [
        ("x\n{% if %}", 2, "Expected an expression", "docs/templates.md"),
        ("{{ 'open", 1, "unexpected char", "docs/templates.md"),
        ("{% do x.append(1) %}", 1, "unknown tag 'do'", "docs/templates.md"),
        ("x\n{{ report.command | txt }}", 2, "there is no filter `txt`", "did you mean `text`?"),
        ("{{ report.command | attr('x') }}", 1, "there is no filter `attr`", "did you mean"),
        ("{{ report.command is texty }}", 1, "there is no test `texty`", ""),
        ("x\n\n{{ reprot.command }}", 3, "there is no value `reprot`", "did you mean `report`?"),
        ("{{ cycler('a') }}", 1, "there is no value `cycler`", "docs/templates.md"),
        ("{{ tag }}", 1, "there is no value `tag`", "docs/templates.md"),
        ("{{ report.enviroment }}", 1, "there is no attribute `enviroment`", "did you mean `environment`?"),
        ("{{ report.target.backend.pid }}", 1, "there is no attribute `backend`", "did you mean"),
        ("{{ report.__class__ }}", 1, "there is no attribute `__class__`", "docs/templates.md"),
        ("{{ report.findings | selectattr('rulee') | list }}", 1, "there is no attribute `rulee`", "`rule`"),
        ("{{ report.steps | map(attribute='migration.titel') }}", 1, "there is no attribute `titel`", "`title`"),
        ("{% include 'nope.j2' %}", 1, "there is no template `nope.j2`", "docs/templates.md"),
        ("{% include 'builtin/sumary.md.j2' %}", 1, "no template `builtin/sumary.md.j2`", "`builtin/summary.md.j2`"),
        ("{% include '../secret.j2' %}", 1, "there is no template `../secret.j2`", "docs/templates.md"),
        ("{% include '\\ud800' %}", 1, r"there is no template `\ud800`", "docs/templates.md"),
        ("{% include '/etc/passwd' %}", 1, "there is no template `/etc/passwd`", "docs/templates.md"),
        ("{% include 'page.html.j2' %}", 1, "there is no template `page.html.j2`", ""),
        ("{% include report.command %}", 1, "must be written out", "such as"),
        ("{% include ['a.j2', 'b.j2'] %}", 1, "must be written out", "such as"),
        ("{% extends 'summary.md.j2' %}", 1, "refers to itself", "ours is `builtin/summary.md.j2`"),
        ("{% extends 'builtin/rollback.md.j2' %}\n{% block x %}{% endblock %}", 2, "there is no block `x`", ""),
        ("{% block x %}{% endblock %}{% block x %}{% endblock %}", 1, "block 'x' defined twice", ""),
        ("{% include '" + "a" * 300 + "' %}", 1, "there is no template `aaa", "docs/templates.md"),
        ("{% include 'a\\x00b' %}", 1, "there is no template `a\0b`", "docs/templates.md"),
        ("x\n{{ range(stop=1, stop=2) }}", 2, "keyword argument repeated: stop", ""),
        ("x\n{% macro m(a, a) %}{% endmacro %}", 2, "duplicate argument", ""),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_do(
    folder: Path, text: str, line: int, what: str, hint: str
) -> None:
    (found,) = refused(folder, {"summary.md.j2": text})
    assert (found.path, found.line, found.level) == (PurePosixPath("t/summary.md.j2"), line, Level.ERROR)
    assert found.message.startswith("templates-path: ")
    assert what in found.message
    assert hint in found.hint


def test_all_mistakes_of_all_files_are_told_at_once(folder: Path) -> None:
    found = refused(
        folder,
        {
            "summary.md.j2": '{{ report.comand }}\n{{ 1 | nope }}\n{% include "part.j2" %}',
            "part.j2": "x\n{% if %}",
            "rollback.md.j2": "{{ back.stat }}",
        },
    )
    assert [finding.place for finding in found] == [
        "t/part.j2:2",
        "t/rollback.md.j2:1",
        "t/summary.md.j2:1",
        "t/summary.md.j2:2",
    ]


TOO_MUCH = {
    "brackets": ("{{ " + "(" * 20_000 + "1" + ")" * 20_000 + " }}", "nested too deeply"),
    "sum": ("{{ " + "1+" * 5000 + "1 }}", "nested too deeply"),
    "not": ("{{ " + "not " * 5000 + "1 }}", "nested too deeply"),
    "filters": ("{{ 'x'" + "|lower" * 3000 + " }}", "nested too deeply"),
    "attributes": ("{{ report" + ".context" * 3000 + " }}", "nested too deeply"),
    "if": ("{% if 1 %}" * 150 + "{% endif %}" * 150, "nested too deeply"),
    "elif": ("{% if 1 %}" + "{% elif 1 %}" * 1500 + "{% endif %}", "nested too deeply"),
    "for": ("{% for x in [1] %}" * 25 + "{% endfor %}" * 25, "too many statically nested blocks"),
    "digits": ("{{ " + "9" * 5000 + " }}", "this number has too many digits"),
    "hexadecimal digits": ("{{ 0x" + "f" * 5000 + " }}", "this number has too many digits"),
}


@pytest.mark.parametrize(("text", "what"), TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_neither_jinja_nor_python_can_take_is_told_with_its_line(folder: Path, text: str, what: str) -> None:
    (found,) = refused(folder, {"summary.md.j2": f"x\n{text}\nx"})
    assert found.place == "t/summary.md.j2:2"
    assert what in found.message
    assert found.hint


def test_the_line_is_that_of_what_is_nested(folder: Path) -> None:
    (found,) = refused(folder, {"summary.md.j2": "{% if 1 %}\n" * 80 + "{% endif %}" * 80})
    assert found.line == 61


def test_only_the_first_mistakes_of_a_file_are_told(folder: Path) -> None:
    found = refused(folder, {"summary.md.j2": "{{ report.enviroment }}\n" * 30})
    assert [finding.line for finding in found] == [*range(1, 21)]


NESTED = {
    "brackets": ("{{ " + "(" * 50 + "1" + ")" * 50 + " }}", "1"),
    "sum": ("{{ " + "1+" * 50 + "1 }}", "51"),
    "not": ("{{ " + "not " * 50 + "1 }}", "True"),
    "filters": ("{{ 1" + "|abs" * 50 + " }}", "1"),
    "choices": ("{{ " + "1 if 1 else " * 50 + "1 }}", "1"),
    "lists": ("{{ " + "[" * 25 + "1" + "]" * 25 + "[0]" * 25 + " }}", "1"),
    "if": ("{% if 1 %}" * 50 + "x" + "{% endif %}" * 50, "x"),
    "elif": ("{% if 0 %}" + "{% elif 0 %}" * 50 + "{% elif 1 %}x{% endif %}", "x"),
    "for": ("{% for x in [1] %}" * 18 + "x" + "{% endfor %}" * 18, "x"),
}


@pytest.mark.parametrize(("text", "shown"), NESTED.values(), ids=NESTED)
def test_what_is_nested_but_not_too_deeply_is_rendered(folder: Path, text: str, shown: str) -> None:
    templates = opened(folder, {"summary.md.j2": text})
    assert templates.summary(a_report(), str) == shown
    assert templates.problems == []


@pytest.mark.parametrize(
    "text",
    [
        "{% set ns = namespace(mine=1) %}{% set ns.other = 2 %}{{ ns.mine + ns.other }}",
        "{{ {'mine': 1}.mine }}",
        "{% if report.plan %}{% set x = 1 %}{% endif %}{{ x }}",
        "{% for step in report.steps %}{{ loop.index }}{% include 'part.j2' %}{% endfor %}",
        "{% from 'macros.j2' import bold as fat %}{{ fat(1) }}",
        "{% import 'macros.j2' as m %}{{ m.bold(1) }}",
        "{% block a %}{% block b %}{% endblock %}{% endblock %}{{ self.a() }}",
        "{% for rule, found in report.findings | groupby('rule') %}{{ rule }}{% endfor %}",
        "{% macro f() %}{{ caller() }}{{ varargs }}{{ kwargs }}{% endmacro %}{% call f() %}x{% endcall %}",
    ],
)
def test_what_a_template_names_itself_is_no_mistake(folder: Path, text: str) -> None:
    parts = {"part.j2": "{{ step.duration | took }}", "macros.j2": "{% macro bold(x) %}**{{ x }}**{% endmacro %}"}
    opened(folder, {"summary.md.j2": text, **parts})


# The folder


@pytest.mark.parametrize(
    ("files", "place", "what"),
    [
        pytest.param({}, "t", "no file here has the name of a template", id="empty"),
        pytest.param({"sumary.md.j2": ""}, "t/sumary.md.j2", "no template has this name", id="misspelt"),
        pytest.param({"summary.j2": ""}, "t/summary.j2", "no template has this name", id="another-ending"),
        pytest.param({"summary.md.j2": b"a\n\xff"}, "t/summary.md.j2:2", "not UTF-8", id="not-utf-8"),
        pytest.param({"summary.md.j2": b"x" * 300_000}, "t/summary.md.j2", "larger than 256 KiB", id="too-large"),
        pytest.param(
            {"summ\udcffary.md.j2": ""}, "t/summ\ufffdary.md.j2", "no template has this name", id="name-not-utf-8"
        ),
        pytest.param({"summary.md.j2/x": ""}, "t/summary.md.j2", "cannot be read: Is a directory", id="a-folder"),
    ],
)
def test_a_folder_or_file_that_cannot_be_used_is_told(
    folder: Path, files: Mapping[str, str | bytes], place: str, what: str
) -> None:
    (found,) = refused(folder, files)
    assert found.place == place
    assert what in found.message
    assert found.hint


def test_a_file_with_a_name_that_is_not_utf_8_is_not_there(folder: Path) -> None:
    (found,) = refused(folder, {"summary.md.j2": "{% include '\\udcff.j2' %}", "\udcff.j2": "x"})
    assert found.message == r"templates-path: there is no template `\udcff.j2` for templates"


def test_whatever_fails_when_templates_are_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        open_templates(tmp_path, PurePosixPath("a\0b"))
    (found,) = error.value.findings
    assert found.message.startswith("templates-path: these cannot be checked: ValueError: ")
    assert found.hint


@pytest.mark.parametrize(
    ("path", "what"),
    [("nope", "there is no such folder"), ("file", "it is not a folder"), ("out", "leads out of the checkout")],
)
def test_a_path_that_is_no_folder_of_the_checkout_is_told(tmp_path: Path, path: str, what: str) -> None:
    checkout = tmp_path / "checkout"
    checkout.mkdir()
    (checkout / "file").touch()
    (checkout / "out").symlink_to(tmp_path)
    with pytest.raises(InputError, match=what):
        open_templates(checkout, PurePosixPath(path))


@pytest.mark.parametrize("name", ["summary.md.j2", "part.j2"])
def test_a_link_out_of_the_folder_is_not_followed(folder: Path, name: str) -> None:
    (folder.parent / "secret").write_text("secret")
    (folder / name).symlink_to("../secret")
    files = {} if name == "summary.md.j2" else {"summary.md.j2": '{% include "part.j2" %}'}
    (found,) = refused(folder, files)
    assert found.place == f"t/{name}"
    assert "outside of the folder" in found.message


def test_a_link_to_itself_is_told(folder: Path) -> None:
    (folder / "summary.md.j2").symlink_to("summary.md.j2")
    (found,) = refused(folder)
    assert found.place == "t/summary.md.j2"


def test_the_folder_may_be_a_link_inside_of_the_checkout(folder: Path) -> None:
    opened(folder, {"summary.md.j2": "linked"})
    (folder.parent / "link").symlink_to("t")
    assert open_templates(folder.parent, PurePosixPath("link")).summary(a_report(), str) == "linked"


def test_line_ends_and_a_byte_order_mark_do_not_matter(folder: Path) -> None:
    templates = opened(folder, {"summary.md.j2": b"\xef\xbb\xbfa\r\nb\r\n"})
    assert templates.summary(a_report(), str) == "a\nb\n"


# What fails while it is rendered


def test_ours_takes_the_place_of_a_template_that_fails(folder: Path) -> None:
    report = a_report(plan=None)
    templates = opened(folder, {"release_notes.md.j2": "a\nb {{ report.plan.pending }}"})
    assert templates.release_notes(report, "v1", str) == Templates().release_notes(report, "v1", str)
    (problem,) = templates.problems
    assert (problem.place, problem.level) == ("t/release_notes.md.j2:2", Level.WARNING)
    assert "ours took the place of this template" in problem.message
    assert "'None' has no attribute 'pending'" in problem.message


@pytest.mark.parametrize(
    "text",
    [
        "{{ 1 / 0 }}",
        "{{ report.steps[7].duration }}",
        "{{ [] | first }}",
        "{{ report }}",
        "{{ {}['\\ud800'] }}",
    ],
)
def test_whatever_fails_does_not_reach_the_run(text: str) -> None:
    templates = Templates(sources({"release_notes.md.j2": text}))
    assert "### Database migrations in v1" in templates.release_notes(a_report(), "v1", str)
    assert [problem.place for problem in templates.problems] == ["t/release_notes.md.j2:1"]


def test_a_failure_is_told_where_it_happened_and_once(folder: Path) -> None:
    part = "\n\n{{ 1 / report.exit_code }}"
    templates = opened(folder, {"release_notes.md.j2": 'x\n{% include "part.j2" %}', "part.j2": part})
    templates.release_notes(a_report(), "v1", str)
    templates.release_notes(a_report(), "v2", str)
    assert [problem.place for problem in templates.problems] == ["t/part.j2:3"]


def test_a_failure_of_ours_is_told_where_the_users_has_asked_for_it() -> None:
    templates = Templates(sources({"release_notes.md.j2": 'x\n{% include "builtin/rollback.md.j2" %}'}))
    templates.release_notes(a_report(), "v1", str)
    assert [problem.place for problem in templates.problems] == ["t/release_notes.md.j2:2"]


def test_the_text_of_a_failure_is_scrubbed() -> None:
    templates = Templates(sources({"release_notes.md.j2": "{{ {}[report.environment] + 1 }}"}))
    templates.release_notes(a_report(environment="s3cr3t"), "v1", Scrubber(["s3cr3t"]))
    assert len(templates.problems) == 1
    assert "s3cr3t" not in str(templates.problems)


# Text of others


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{{ report.environment }}", SHOWN),
        ("{{ report['environment'] }}", SHOWN),
        ("{{ report.environment | text }}", SHOWN),
        ("{{ report.environment | upper | lower }}", SHOWN),
        ("{{ report.environment | replace('nothing', '<') }}", SHOWN),
        ("{{ report.environment | replace('nothing', report.command | text) }}", SHOWN),
        ("{{ report.environment.replace('nothing', '<') }}", SHOWN),
        ("{{ report.environment | default('x') }}", SHOWN),
        ("{{ report.environment ~ '' }}", SHOWN),
        ("{{ '**' ~ (report.command | text) ~ '** ' ~ report.environment }}", f"**migrate** {SHOWN}"),
        ("{{ (report.command | text) + report.environment }}", f"migrate{SHOWN}"),
        ("{{ [report.command | text, report.environment] | join('<br>') }}", f"migrate<br>{SHOWN}"),
        ("{{ [report.environment] | map('text') | join(', ') }}", SHOWN),
        ("{% set x %}**{{ report.environment }}**{% endset %}{{ x }}", f"**{SHOWN}**"),
        ("{% set x %}{{ report.command }}{% endset %}{{ x.replace('migrate', report.environment) }}", SHOWN),
        ("{% macro m(x) %}**{{ x }}**{% endmacro %}{{ m(report.environment) }}", f"**{SHOWN}**"),
        ("{% filter upper %}{{ report.command }}*{% endfilter %}", "MIGRATE*"),
        ("{{ report.environment if report else '' }}", SHOWN),
        ("{{ headline(report) }}", f"0 migrations applied to {SHOWN}"),
        ("{{ 'own <b> ' ~ report.command }}", r"own &lt;b\> migrate"),
        ("{{ '<br>' if report }}{{ '' if report else '<br>' }}{{ '<b>' }}", "<br><b>"),
        ("{{ ', ' if report }}|{{ report.plan }}|{{ 7 }}|{{ 1.5 }}|{{ report.outcome }}", ", ||7|1.5|applied"),
        ("{{ ('psql ' ~ report.environment) | fenced('sh') }}", f"```sh\npsql {MIXED}\n```"),
        ("{{ report.started_at }} {{ report.duration | took }}", "2026-11-22 12:00:00+00:00 2.0\u00a0s"),
    ],
)
def test_text_is_escaped_unless_a_filter_made_markdown_of_it(text: str, shown: str) -> None:
    assert rendered(text, a_report(environment=MIXED)) == shown


@pytest.mark.parametrize(
    "text",
    [
        "{{ report.environment }}",
        "{{ report.environment | upper }}",
        "{{ report.environment | replace('x', 'y') }}",
        "{{ report.environment | list | join('-') }}",
        "{{ report['environment'][:5] ~ '-' ~ report['environment'][5:] }}",
        "{{ [report] | map(attribute='environment') | map('upper') | first }}",
        "{{ headline(report) | upper }}",
        "{{ report.migrations[0].title.upper() }}",
        "{{ report.table.rows[0][0] | upper }}",
        "{{ report.schema.unified() | upper | fenced }}",
        "{{ report.schema.short() | join | upper }}",
        "{{ report.findings[0].place.upper() }}",
        "{{ (report.findings[0].path ~ '') | upper }}",
        "{{ report.environment | safe }}",
    ],
)
def test_nothing_that_a_template_makes_of_a_secret_brings_it_back(text: str) -> None:
    secret = "s3cr_xt!"
    report = replace(
        REPORTS["status"],
        environment=secret,
        outcome=Outcome.APPLIED,
        command="migrate",
        migrations=[a_migration(1, sql=f"-- Migration: {secret}\nSELECT 1;")],
        findings=[Finding("x", path=PurePosixPath(secret))],
        table=replace(REPORTS["status"].table, rows=((secret,),)) if REPORTS["status"].table else None,
        schema=replace(CHANGES, added=(SchemaObject(kind="view", name=secret),)),
    )
    shown = rendered(text, report, secret=secret)
    letters = re.sub(r"[^a-z0-9]", "", shown.lower())
    assert "s3cr" not in letters
    assert "xt" not in letters.replace("text", "")
    assert "*" in shown or "~ table" in shown.lower()


def test_a_secret_that_a_template_spells_itself_is_hidden_too() -> None:
    assert rendered("s3cr{{ '' }}xt", secret="s3crxt") == "***"


def test_ours_is_scrubbed_as_a_whole_too() -> None:
    report = a_report(context=on_github(run_url="https://github.com/acme/s3cr3t"))
    assert "s3cr3t" not in Templates().summary(report, Scrubber(["s3cr3t"]))


# The sandbox, where no check has been before


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("{{ report.target.backend }}", "`backend` of Target is not for templates"),
        ("{{ report['target']['backend'] }}", "`backend` of Target is not for templates"),
        ("{{ [report.target] | map(attribute='backend') | list | string }}", "string"),
        ("{{ ([report.target] | map(attribute='backend') | first).pid }}", "is not for templates"),
        ("{{ report.migrations[0].file.up.data }}", "`up` of MigrationFile is not for templates"),
        ("{{ report.__class__ }}", "is not for templates"),
        ("{{ ''.__class__.__mro__ }}", "is not for templates"),
        ("{{ headline.__globals__ }}", "is not for templates"),
        ("{{ report.step_of.__func__ }}", "is not for templates"),
        ("{{ '{0.target.backend}'.format(report) }}", "`format` of str is not for templates"),
        ("{{ report.findings.append(1) }}", "has no attribute 'append'"),
        ("{{ report.steps.clear() }}", "has no attribute 'clear'"),
        ("{{ report }}", "Report is no text"),
        ("{{ report.target | text }}", "Target is no text"),
        ("{{ report.target | upper }}", "Target is no text"),
        ("{{ 'x' ~ report.target }}", "Target is no text"),
        ("{{ [report.target] | join }}", "Target is no text"),
        ("{{ [1, 2] | join(report.target) }}", "Target is no text"),
        ("{{ 'a' | replace('a', report.target) }}", "Target is no text"),
        ("{{ 'a'.replace('a', report.target) }}", "Target is no text"),
        ("{{ report.target | section(1) }}", "Target is no text"),
        ("{{ {}[report.target] }}", "Target is no key"),
        ("{{ '%s' % report.target }}", "`%` of these is not for templates"),
        ("{{ self._TemplateReference__context }}", "is not for templates"),
        ("{{ lipsum() }}", "'lipsum' is undefined"),
        ("{% for x in range(1000000) %}{% endfor %}", "Range too big"),
        ("{% for x in range(9999) %}{% for y in range(9999) %}{% endfor %}{% endfor %}", "more than 200,000 rounds"),
        ("{% macro f(n) %}{% for x in range(9) %}{{ f(n) }}{% endfor %}{% endmacro %}{{ f(1) }}", "recursion"),
        ("{% include 'summary.md.j2' %}", "recursion"),
        ("{{ 9 ** 9 ** 9 }}", r"`\*\*` of these is not for templates"),
        ("{{ 'x' * 99 }}", r"`\*` of these is not for templates"),
        ("{{ [1] * 99 }}", r"`\*` of these is not for templates"),
    ],
)  # fmt: skip
def test_what_is_not_for_templates_is_refused(text: str, why: str) -> None:
    report = a_report(target=a_target(), migrations=[a_migration(1)], steps=[a_step(1)])
    with pytest.raises(Exception, match=why):
        rendered(text, report)


def test_what_a_template_writes_can_be_written() -> None:
    with pytest.raises(UnicodeEncodeError):
        rendered("{{ '\\ud800' }}")


LARGE = "{% set s = 'abcd' %}" + "{% set s = s ~ s %}" * 19  # 2 MiB
TOO_LARGE = "a text or list of more than 4 MiB"
BEYOND = {
    "writing": ("{% for x in range(100) %}" + "x" * 50_000 + "{% endfor %}", TOO_LARGE),
    "writing a value": ("{% set x %}{% for y in range(100) %}" + "x" * 50_000 + "{% endfor %}{% endset %}", TOO_LARGE),
    "doubling by ~": (LARGE + "{% set s = s ~ s ~ s %}", TOO_LARGE),
    "doubling by +": (LARGE + "{% set s = s + s + s %}", TOO_LARGE),
    "doubling by writing": (LARGE + "{% set s %}{{ s | safe }}{{ s | safe }}{{ s | safe }}{% endset %}", TOO_LARGE),
    "doubling a list": ("{% set l = [1, 2] %}" + "{% set l = l + l %}" * 40, TOO_LARGE),
    "replacing by method": (LARGE + "{{ s.replace('a', 'aaaaaaa') }}", TOO_LARGE),
    "replacing by filter": (LARGE + "{{ s | replace('a', 'aaaaaaa') }}", TOO_LARGE),
    "joining": ("{{ range(99999) | list | join('" + "x" * 50 + "') }}", TOO_LARGE),
    "sorting": (LARGE + "{{ [s, s, s] | sort | length }}", TOO_LARGE),
    "multiplying": ("{% set n = 9 %}" + "{% set n = n * n %}" * 40, "a number of too many digits"),
    "reading a number": ("{{ '" + "f" * 5000 + "' | int(0, 16) }}", "a number of too many digits"),
    "rounding": ("{{ 7 | round(-999999999) }}", "no numbers beyond 1,000"),
    "slicing": ("{{ [] | slice(slices=999999999999) | list }}", "no numbers beyond 1,000"),
    "adding lists": ("{{ [[1], [2]] | sum(start=[]) }}", "is given no lists"),
}


@pytest.mark.parametrize(("text", "why"), BEYOND.values(), ids=BEYOND)
def test_what_a_template_makes_is_bounded(text: str, why: str) -> None:
    with pytest.raises(OverflowError, match=why):
        rendered(text)


@pytest.mark.parametrize("made", ["s | upper", "s.strip()", "s[1:]", "[s].0", "s ~ 1", "[s, s] | sort | length"])
def test_all_that_a_template_makes_is_bounded_together(made: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runner.templating.budget.MOST_MADE", 1024 * 1024)
    once = "{% set s = 'abcd' %}" + "{% set s = s ~ s %}" * 12
    assert rendered(f"{once}{{% set x = {made} %}}y") == "y"
    with pytest.raises(OverflowError, match="texts and lists of more than 1 MiB"):
        rendered(f"{once}{{% for z in range(100) %}}{{% set x = {made} %}}{{% endfor %}}")


def test_a_run_of_blanks_takes_no_longer_than_other_text() -> None:
    blanks = "{% set s = '    ' %}" + "{% set s = s ~ s %}" * 16
    assert len(rendered(blanks + "{{ s }}")) == 4 * 2**16


@pytest.mark.parametrize(
    "text", ["{% for x in [1] %}{% endfor %}", "{{ 'x' | upper }}", "{% set x = 'x' ~ 1 %}", "{% set x = [1, 2][1:] %}"]
)
def test_the_clock_is_asked_while_a_template_is_rendered(text: str) -> None:
    def seconds_to_render(text: str) -> int:
        seconds = count()  # each time that it is asked
        Sandbox(sources({"summary.md.j2": text}), str, lambda: float(next(seconds))).render("summary.md.j2", {})
        return next(seconds)

    assert seconds_to_render("x") < seconds_to_render(text)
    with pytest.raises(OverflowError, match="it takes more than 10 seconds"):
        seconds_to_render(text * 20)


def test_ours_takes_the_place_of_a_template_that_makes_too_much() -> None:
    templates = Templates(sources({"release_notes.md.j2": LARGE + "\n{{ s ~ s ~ s }}"}))
    assert templates.release_notes(a_report(), "v1", str) == Templates().release_notes(a_report(), "v1", str)
    (problem,) = templates.problems
    assert (problem.place, problem.level) == ("t/release_notes.md.j2:2", Level.WARNING)
    assert TOO_LARGE in problem.message


@pytest.mark.parametrize("use", [Budget.step, lambda budget: budget.make(1), lambda budget: budget.use("x")])
def test_a_rendering_ends_with_its_time(use: Callable[[Budget], None]) -> None:
    now = iter([100.0, 100.0 + LONGEST, 100.1 + LONGEST])
    budget = Budget(lambda: next(now))
    use(budget)
    with pytest.raises(OverflowError, match="more than 10 seconds"):
        use(budget)


def test_no_attribute_but_a_documented_one_can_be_read_of_any_value() -> None:
    for kind in VALUES:
        there = {*dir(kind), *(field.name for field in fields(kind))}
        assert there - ATTRIBUTES[kind], kind
        assert ATTRIBUTES[kind] <= there, ATTRIBUTES[kind] - there
    assert "backend" in set(dir(Target)) - ATTRIBUTES[Target]


# The page


def section(heading: str) -> str:
    return PAGE.partition(f"\n{heading}\n")[2].partition("\n## ")[0]


def words(text: str) -> set[str]:
    return set(re.findall(r"`(\w+)", text))


def first_cells(text: str) -> set[str]:
    return {word for line in text.split("\n") if line.startswith("| `") for word in words(line.split("|")[1])}


def test_the_page_has_all_values_with_all_that_can_be_asked_of_them() -> None:
    values = section("## Values").split("\n### ")[1:]
    told = {value.partition("\n")[0]: first_cells(value) for value in values}
    assert told == {kind.__name__: set(names.split()) for kind, names in VALUES.items()}


def test_the_page_has_all_filters() -> None:
    ours = markdown_filters(str) | word_filters(str)
    assert first_cells(section("## Filters")) == ours.keys()
    jinja = section("## Filters").partition("there are:")[2].partition("`join` has")[0]
    assert words(jinja) == {*JINJA_FILTERS.split(), *JINJA_FILTERS_OF_TEXT.split()}
    assert Sandbox({}, str).filters.keys() >= ours.keys() | words(jinja)


def test_the_page_has_all_functions() -> None:
    assert first_cells(section("## Functions")) == {*GLOBALS, *JINJA_GLOBALS.split()} == {*Sandbox({}, str).globals}


def test_the_page_has_all_methods_of_plain_values() -> None:
    told = section("## Filters").partition("Plain values")[2]
    assert words(told) - {"loop"} == {*LOOP.split()}.union(*(names.split() for names in PLAIN.values()))


def test_the_page_has_the_templates_that_take_the_place_of_ours() -> None:
    from jinja2.meta import find_undeclared_variables

    rows = re.findall(r"^\| `(\S+\.md\.j2)` \|.*\|(.*)\|$", PAGE, re.MULTILINE)
    given = {name: set(re.findall(r"`(\w+)`:", cell)) for name, cell in rows}
    assert given.keys() == OURS.keys() - PARTS.keys()
    for name, told in given.items():
        tree = environment(str).parse(OURS[name].text)
        free = find_undeclared_variables(tree)
        assert told == {word for word in ("back", "context", "tag") if word in free}


@pytest.mark.parametrize("name", ["applied-to-production", "failed", "refused"])
def test_the_examples_of_the_page_work(folder: Path, name: str) -> None:
    summary, notes = re.findall(r"<!-- example -->\n```jinja\n(.*?)```\n", PAGE, re.DOTALL)
    templates = opened(folder, {"summary.md.j2": summary, "release_notes.md.j2": notes})
    report = replace(REPORTS[name], environment="production")
    shown = templates.summary(report, str)
    assert ("Call the database team" in shown) == (name == "failed")
    assert shown.endswith(Templates().summary(report, str))
    lines = templates.release_notes(report, "v1", str).splitlines()
    assert len(lines) == 2 + max(1, len(report.migrations))
    assert templates.problems == []
