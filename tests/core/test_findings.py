"""What is wrong, where, and what to do: the text of findings and errors."""

from pathlib import PurePosixPath

import pytest

from runner.errors import Cancelled, Drift, Finding, RunnerError
from runner.secrets import Scrubber

PATH = PurePosixPath("migrations/02_x.sql")


@pytest.mark.parametrize(
    ("finding", "text"),
    [
        pytest.param(Finding("x"), "x", id="nowhere"),
        pytest.param(Finding("x", path=PATH), "migrations/02_x.sql: x", id="file"),
        pytest.param(Finding("x", path=PATH, line=7), "migrations/02_x.sql:7: x", id="line"),
        pytest.param(Finding("x", path=PATH, line=7, column=3), "migrations/02_x.sql:7:3: x", id="column"),
        pytest.param(Finding("x", line=7), "x", id="line-of-no-file"),
    ],
)
def test_a_finding_begins_with_its_place(finding: Finding, text: str) -> None:
    assert str(finding) == text


def test_an_error_tells_all_its_findings() -> None:
    error = Drift(Finding("one", path=PATH), Finding("two"))
    assert str(error) == "migrations/02_x.sql: one\ntwo"
    assert [finding.message for finding in error.findings] == ["one", "two"]


def test_a_scrubbed_finding_keeps_its_place_and_loses_the_secret_everywhere() -> None:
    finding = Finding("a s3cret", path=PATH, line=7, column=3, hint="b s3cret", detail="c s3cret", frame="> s3cret")
    assert finding.scrubbed(Scrubber(["s3cret"])) == Finding(
        "a ***", path=PATH, line=7, column=3, hint="b ***", detail="c ***", frame="> ***"
    )


def test_a_cancelled_run_ends_as_a_shell_would_say_it() -> None:
    cancelled = Cancelled("SIGTERM", 15)
    assert (str(cancelled), cancelled.exit_code) == ("cancelled by SIGTERM", 143)


def test_no_cancellation_is_taken_for_an_error() -> None:
    assert not issubclass(Cancelled, Exception)


def test_every_error_says_how_the_process_ends() -> None:
    codes = [error.exit_code for error in RunnerError.__subclasses__()]
    assert sorted(codes) == [1, 2, 3, 4, 5, 6]
