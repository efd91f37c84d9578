"""What is said to GitHub's runner, as the runner reads it; and that nothing else is taken for a command."""

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.errors import Finding, Level
from runner.github.workflow_commands import add_mask, annotations, command, neutral, stopped
from runner.secrets import Scrubber
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


def test_the_title_tells_the_rule() -> None:
    (annotation,) = seen(Finding("a column goes\nwith its data", path=PATH, rule="ban-drop-column", hint="look"))
    assert (annotation.title, annotation.message) == (
        "db-migrate: ban-drop-column",
        "a column goes\nwith its data\nlook",
    )


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


def test_what_went_wrong_comes_before_what_a_rule_says_and_is_never_counted_away() -> None:
    ruled = [Finding(f"rule {number}", rule="x") for number in range(12)]
    shown = [annotation.message for annotation in seen(*ruled[:6], *numbered(2), *ruled[6:])]
    assert shown == ["0", "1", *(f"rule {number}" for number in range(7)), "and 5 more; the summary has them all"]


def numbered(count: int, level: Level = Level.ERROR) -> list[Finding]:
    return [Finding(str(number), level=level) for number in range(count)]


@pytest.mark.parametrize(
    ("finding", "message"),
    [
        pytest.param(Finding("%" * 4096), "%" * 4096, id="just-fits"),
        pytest.param(Finding("%" * 4097), "%" * 4094 + " …", id="one-word"),
        pytest.param(Finding("word " * 900), "word " * 817 + "word …", id="behind-a-word"),
        pytest.param(Finding("what", detail="line\n" * 900), "what\n" + "line\n" * 816 + "line …", id="detail"),
        pytest.param(Finding("😀" * 2049), "😀" * 2047 + " …", id="counted-as-the-runner-does"),
        pytest.param(Finding("w" * 5000, hint="look"), "w" * 4089 + " …\nlook", id="the-hint-stays"),
        pytest.param(Finding("what", hint="h" * 5000), "what\n" + "h" * 1022 + " …", id="a-servers-hint"),
    ],
)
def test_cuts_a_long_message_at_a_good_place_before_the_runner_does(finding: Finding, message: str) -> None:
    assert [annotation.message for annotation in seen(finding)] == [message]


def test_shows_no_secret_in_any_part_of_an_annotation() -> None:
    path = PurePosixPath("migrations/01_s3cret.sql")
    finding = Finding("login s3cret", path=path, line=1, detail="s3cret", hint="s3cret", rule="s3cret")
    (line,) = annotations([finding], scrub=Scrubber(["s3cret"]))
    assert "s3cret" not in line
    assert line.count("***") == 5


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


HOSTILE_PARTS = ["::", ":", "##[", "#", "[", "error", "]", "\n", "\r", " ", "\u3000", "\x00", "a b=c", "\x1b", "\u2028"]
HOSTILE_TEXT = st.lists(
    st.sampled_from([*HOSTILE_PARTS, "::error::", "##[set-output name=x]", "::stop-commands::t0ken", "::t0ken::"])
).map("".join)


@STEADY
@given(HOSTILE_TEXT)
def test_no_text_is_obeyed(text: str) -> None:
    assert all(parse_command(line) is None for line in split_lines(neutral(text)))


@STEADY
@given(HOSTILE_TEXT)
def test_nothing_is_obeyed_while_commands_are_stopped_and_what_follows_is(text: str) -> None:
    log = read_log(f"{stopped(text)}\n{command('notice', 'after')}")
    assert [annotation.message for annotation in log.annotations] == ["after"]
    assert (log.outputs, log.failed) == ({}, False)
    assert log.shown[1 : -len(["::word::", "##[notice]after"])] == split_lines(f"{text}\n")[:-1]


def test_each_block_stops_commands_with_a_word_of_its_own() -> None:
    words = {stopped("text").split("\n")[0] for _ in range(3)}
    assert len(words) == 3
    assert all(len(word) == len("::stop-commands::") + 32 for word in words)


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
        pytest.param("a\u2028b\x85c", "a\\u2028b\\x85c", id="other-line-ends"),
    ],
)
def test_text_for_people_stays_readable(text: str, shown: str) -> None:
    assert neutral(text) == shown
