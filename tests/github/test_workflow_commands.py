"""What is said to GitHub's runner, as the runner reads it; and that nothing else is taken for a command."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Finding, Level
from runner.github.workflow_commands import add_mask, annotations, command, neutral
from tests.builders import STEADY
from tests.container.workflow_commands import Annotation, Command, parse_command, read_log, split_lines

PATH = PurePosixPath("migrations/02_x.sql")


def seen(*findings: Finding) -> list[Annotation]:
    """What the page of the run shows."""
    log = read_log("\n".join(annotations(findings)))
    assert not log.failed
    return log.annotations


# Commands


@pytest.mark.parametrize(
    ("message", "line"),
    [
        pytest.param("plain", "::error::plain", id="plain"),
        pytest.param("two\nlines\r\n", "::error::two%0Alines%0D%0A", id="line-ends"),
        pytest.param("100% %0A", "::error::100%25 %250A", id="percent-first"),
        pytest.param("a::b, c=d", "::error::a::b, c=d", id="needs-no-escape"),
        pytest.param("", "::error::", id="empty"),
    ],
)
def test_escapes_the_message(message: str, line: str) -> None:
    assert command("error", message) == line


def test_escapes_properties_further_and_leaves_empty_ones_out() -> None:
    line = command("error", "x", file="a,b:c%d\n.sql", line="", title="t")
    assert line == "::error file=a%2Cb%3Ac%25d%0A.sql,title=t::x"


ANY_TEXT = st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("%:,;=\r\n #[]")), max_size=30)
TRIMMED = ANY_TEXT.map(str.strip).filter(bool)  # as the runner trims what it reads


@STEADY
@given(ANY_TEXT, TRIMMED)
def test_the_runner_reads_what_was_said(message: str, value: str) -> None:
    line = command("error", message, file=value)
    assert len(split_lines(line)) == 1
    assert parse_command(line) == Command("error", {"file": value}, message)


@pytest.mark.parametrize("secret", ["p@ss", "two\nlines", "100%", "a,b:c"])
def test_a_secret_is_masked_in_all_its_lines_without_being_shown(secret: str) -> None:
    log = read_log(add_mask(secret))
    assert secret in log.masks
    assert log.shown == []


# Annotations


def test_annotates_the_place() -> None:
    finding = Finding("no such column", path=PATH, line=7, column=3, detail="server: x", hint="look", frame="> 7 | y")
    assert seen(finding) == [
        Annotation(
            level="error",
            message="no such column\nserver: x\nlook",
            file="migrations/02_x.sql",
            line=7,
            column=3,
            title="db-migrate",
        )
    ]


def test_tells_the_rule_behind_the_first_line() -> None:
    (annotation,) = seen(Finding("a column goes\nwith its data", path=PATH, rule="ban-drop-column", hint="look"))
    assert annotation.message == "a column goes [ban-drop-column]\nwith its data\nlook"


@pytest.mark.parametrize(
    ("finding", "place"),
    [
        pytest.param(Finding("x"), (None, None, None), id="nowhere"),
        pytest.param(Finding("x", path=PATH), (str(PATH), None, None), id="file"),
        pytest.param(Finding("x", path=PATH, line=2), (str(PATH), 2, None), id="line"),
        pytest.param(Finding("x", path=PATH, column=2), (str(PATH), None, None), id="column-without-line"),
        pytest.param(Finding("x", line=2, column=3), (None, None, None), id="line-without-file"),
    ],
)
def test_tells_as_much_of_the_place_as_makes_sense(
    finding: Finding, place: tuple[str | None, int | None, int | None]
) -> None:
    (annotation,) = seen(finding)
    assert (annotation.file, annotation.line, annotation.column) == place


@pytest.mark.parametrize("level", Level)
def test_keeps_the_level(level: Level) -> None:
    assert [annotation.level for annotation in seen(Finding("x", level=level))] == [level]


def test_a_level_with_ten_findings_shows_them_all() -> None:
    assert [annotation.message for annotation in seen(*numbered(10))] == [str(number) for number in range(10)]


def test_a_level_with_more_shows_nine_and_counts_the_rest() -> None:
    shown = [annotation.message for annotation in seen(*numbered(25))]
    assert shown == [*(str(number) for number in range(9)), "and 16 more; the summary has them all"]


def test_each_level_has_ten_of_its_own() -> None:
    shown = seen(*numbered(11, Level.NOTICE), *numbered(11, Level.ERROR), *numbered(11, Level.WARNING))
    assert [annotation.level for annotation in shown] == ["error"] * 10 + ["warning"] * 10 + ["notice"] * 10


def numbered(count: int, level: Level = Level.ERROR) -> list[Finding]:
    return [Finding(str(number), level=level) for number in range(count)]


def test_cuts_a_message_before_the_runner_does() -> None:
    (line,) = annotations([Finding("%" * 5000)])
    assert line.endswith("::" + "%25" * 4096)


OBEYED = [
    pytest.param("::set-output name=x::y", id="command"),
    pytest.param("  ::add-mask::x", id="indented-command"),
    pytest.param("\u3000\u2003::error::x", id="command-behind-wide-blanks"),
    pytest.param("text\n::error::x", id="command-on-the-second-line"),
    pytest.param("progress\r::error::x", id="command-behind-a-carriage-return"),
    pytest.param("text ##[error]x", id="old-form-inside-a-line"),
    pytest.param("###[error]x", id="old-form-behind-a-hash"),
    pytest.param("::stop-commands::x", id="stop"),
]
HOSTILE = [*OBEYED, pytest.param(":::error::x", id="three-colons"), pytest.param("::error", id="half-a-command")]


@pytest.mark.parametrize("text", OBEYED)
def test_hostile_text_would_be_obeyed_as_it_is(text: str) -> None:
    assert any(parse_command(line) for line in split_lines(text))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_is_not_obeyed(text: str) -> None:
    assert [parse_command(line) for line in split_lines(neutral(text))] == [None] * len(split_lines(neutral(text)))


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_in_a_finding_is_one_annotation(text: str) -> None:
    log = read_log("\n".join(annotations([Finding(text, path=PurePosixPath(text), line=1)])))
    assert (len(log.annotations), log.outputs, log.masks, log.failed) == (1, {}, set(), False)


@STEADY
@given(
    st.lists(
        st.sampled_from(["::", ":", "##[", "#", "[", "error", "]", "\n", "\r", " ", "\u3000", "\x00", "a b=c", "\x1b"])
    )
)
def test_no_text_is_obeyed(parts: list[str]) -> None:
    assert all(parse_command(line) is None for line in split_lines(neutral("".join(parts))))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        pytest.param("a::b\n1:: 2", "a::b\n1:: 2", id="colons-inside-a-line"),
        pytest.param("\tone\n  two", "\tone\n  two", id="tabs-and-lines"),
        pytest.param("größe 😀", "größe 😀", id="not-ascii"),
        pytest.param("\x1b[31mred\x07", "\\x1b[31mred\\x07", id="terminal-escapes"),
        pytest.param("::error::x", ":\u200b:error::x", id="command"),
        pytest.param("a ##[error]x", "a ##\u200b[error]x", id="old-form"),
        pytest.param("10%\r20%", "10%\\r20%", id="carriage-return"),
        pytest.param("a\u2028b\x85c", "a\\x2028b\\x85c", id="other-line-ends"),
    ],
)
def test_text_for_people_stays_readable(text: str, shown: str) -> None:
    assert neutral(text) == shown
