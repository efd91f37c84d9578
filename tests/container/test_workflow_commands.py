import pytest

from .workflow_commands import (
    Annotation,
    Command,
    CommandFile,
    StepLog,
    mask,
    parse_command,
    parse_command_file,
    read_log,
)


def messages(log: StepLog) -> list[str]:
    return [annotation.message for annotation in log.annotations]


# Command files


def test_reads_lines_and_blocks_of_a_command_file() -> None:
    text = "outcome=applied\n\npending<<END\n[\n]\nEND\nurl=a=b<<c\nempty=\n"
    assert parse_command_file(text).entries == {
        "outcome": "applied",
        "pending": "[\n]",
        "url": "a=b<<c",
        "empty": "",
    }


@pytest.mark.parametrize(
    ("text", "value"), [("a<<E\nE\n", ""), ("a<<E\n\n\nE\n", "\n"), ("a<<E\nx\r\nE", "x\r"), ("a<<E\n E\nE\n", " E")]
)
def test_ends_a_block_at_a_line_equal_to_its_delimiter(text: str, value: str) -> None:
    assert parse_command_file(text) == CommandFile({"a": value})


@pytest.mark.parametrize(
    ("malformed", "error"),
    [
        ("just text", "Invalid format 'just text'"),
        ("=value", "Name must not be empty"),
        ("<<END", "Name must not be empty"),
        ("name<<", "delimiter must not be empty"),
        ("name<<END\nvalue\nend", "Matching delimiter not found 'END'"),
        ("name<<END\nvalue\nEND ", "Matching delimiter not found 'END'"),
    ],
)
def test_stops_at_a_malformed_line_and_keeps_what_came_before(malformed: str, error: str) -> None:
    file = parse_command_file(f"first=1\n{malformed}\nlast=2")
    assert file.entries == {"first": "1"}
    assert error in str(file.error)


def test_takes_further_entries_from_a_value_that_contains_its_delimiter() -> None:
    assert parse_command_file("a<<E\nx\nE\ninjected=1\nE=\n").entries["injected"] == "1"


# Workflow commands


def test_unescapes_properties_and_message() -> None:
    command = parse_command("  ::Error file=a%2Cb.sql,line=3,title=x%3A%3Ay%250A::50%25%0Adone, a::b")
    assert command == Command("error", {"file": "a,b.sql", "line": "3", "title": "x::y%0A"}, data="50%\ndone, a::b")


@pytest.mark.parametrize(
    "line", ["::nothing::x", "text ::error::x", "::error x", ": :error::x", "", "##[nothing]", "##[error x"]
)
def test_takes_other_lines_as_text(line: str) -> None:
    assert parse_command(line) is None


def test_obeys_the_old_form_anywhere_in_a_line() -> None:
    command = parse_command("ERROR: near ##[error file=a.sql;line=1]x%5D%3B")
    assert command == Command("error", {"file": "a.sql", "line": "1"}, data="x];")


def test_loses_a_property_after_a_blank_and_an_empty_one() -> None:
    assert parse_command("::error file=a.sql, line=1,title=::x") == Command(
        "error", {"file": "a.sql", " line": "1"}, data="x"
    )


def test_ends_a_line_at_a_lone_carriage_return() -> None:
    assert messages(read_log("10 %\r::error::hidden in progress\n")) == ["hidden in progress"]


# Annotations


def test_makes_files_relative_to_the_workspace() -> None:
    log = read_log("::error file=/github/workspace/migrations/01_a.sql,line=7,col=3,title=Failed::no column\n")
    assert log.annotations == [
        Annotation(level="error", message="no column", file="migrations/01_a.sql", line=7, column=3, title="Failed")
    ]


@pytest.mark.parametrize(
    ("properties", "kept"),
    [
        ("col=3", (None, None, None)),
        ("line=1,endLine=2,col=3", (1, 2, None)),
        ("line=2,endLine=1", (None, None, None)),
        ("endLine=4", (4, 4, None)),
    ],
)
def test_drops_ranges_that_make_no_sense(properties: str, kept: tuple[int | None, ...]) -> None:
    (annotation,) = read_log(f"::warning file=a,{properties}::x").annotations
    assert (annotation.line, annotation.end_line, annotation.column) == kept


def test_keeps_ten_annotations_of_a_level_and_shows_the_rest() -> None:
    log = read_log("\n".join(f"::error::{i}" for i in range(12)) + "\n::notice::still\n")
    assert messages(log) == [*map(str, range(10)), "still"]
    assert log.shown[11] == "##[error]11"


def test_drops_blank_messages_and_cuts_long_ones() -> None:
    assert messages(read_log("::error::   \n::error::" + "x" * 5000)) == ["x" * 4096]


# Stopping and masking


def test_obeys_nothing_between_a_stop_token_and_its_return() -> None:
    log = read_log("::stop-commands::t0ken-1\n::error::one\n##[error]two\n::T0KEN-1::\n::error::three\n")
    assert messages(log) == ["three"]
    assert log.shown[1:3] == ["::error::one", "##[error]two"]
    assert log.shown[0] == "::stop-commands::***"


@pytest.mark.parametrize("token", ["", "error", "Pause-Logging"])
def test_fails_a_step_that_stops_commands_with_a_bad_token(token: str) -> None:
    log = read_log(f"::stop-commands::{token}\n::error::still obeyed\n")
    assert log.failed
    assert messages(log)[-1] == "still obeyed"


@pytest.mark.parametrize("command", ["::set-env name=A::1", "::add-path::/x"])
def test_fails_a_step_that_uses_a_disabled_command(command: str) -> None:
    assert read_log(command).failed


def test_warns_of_deprecated_outputs_but_takes_them() -> None:
    log = read_log("::set-output name=a::1\n")
    assert log.outputs == {"a": "1"}
    assert not log.failed
    assert log.annotations[0].level == "warning"


def test_masks_from_the_command_on_in_log_and_messages_but_not_in_titles() -> None:
    log = read_log("s3cret\n::add-mask::s3cret\nurl s3cret!\n::error title=s3cret::s3cret\n")
    assert log.shown == ["s3cret", "url ***!", "##[error]***"]
    assert log.annotations == [Annotation(level="error", message="***", title="s3cret")]


def test_masks_each_line_of_a_secret_sent_escaped() -> None:
    log = read_log("::add-mask::first%0A  second\nfirst\nsecond\n")
    assert log.shown == ["***", "***"]


def test_warns_of_an_empty_mask() -> None:
    assert read_log("::add-mask::\n").annotations[0].level == "warning"


@pytest.mark.parametrize(
    ("line", "masked"), [("abcd", "***"), ("ab-cd", "***-***"), ("xabcx", "x***x"), ("abab", "***"), ("dcba", "dcba")]
)
def test_merges_masks_that_touch(line: str, masked: str) -> None:
    assert mask(line, ["ab", "cd", "bc"]) == masked


def test_hides_debug_lines_and_shows_groups() -> None:
    log = read_log("::debug::x\n::group::Plan\n::endgroup::\n")
    assert log.shown == ["##[group]Plan", "##[endgroup]"]
