"""The files that GitHub's runner reads when the step has ended."""

import hashlib
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runner.core.plan_document import PlanDocument
from runner.errors import Outcome
from runner.github.outputs import PLAN_FILE, outputs_of, write_file, write_outputs, write_summary
from tests.builders import STEADY, a_plan, a_report, a_step
from tests.container.workflow_commands import parse_command_file

LARGEST_SUMMARY = 1_048_576  # bytes; GitHub drops what is larger, whole


def test_tells_what_was_applied_and_what_is_left() -> None:
    report = a_report(Outcome.FAILED, plan=a_plan([1, 2, 3]), steps=[a_step(1), a_step(2, failure="x")])
    assert outputs_of(report) == {
        "outcome": "failed",
        "applied": '["01"]',
        "applied-count": "1",
        "undone": "[]",
        "pending": '["02", "03"]',
        "pending-count": "2",
        "current-version": "01",
        "plan-digest": "",
        "plan": "",
        "report": "",
        "restore-point": "",
        "backup": "",
        "release-notes": "",
        "release-url": "",
    }


def test_a_run_that_got_nowhere_has_all_outputs_too() -> None:
    outputs = outputs_of(a_report(Outcome.REFUSED))
    assert (outputs["outcome"], outputs["applied"], outputs["pending-count"]) == ("refused", "[]", "0")
    assert outputs.keys() == outputs_of(a_report()).keys()


def test_versions_stay_text() -> None:
    outputs = outputs_of(a_report(plan=a_plan(["007"])))
    assert json.loads(outputs["pending"]) == ["007"]


@STEADY
@given(st.dictionaries(st.from_regex(r"[a-z][a-z-]{0,9}", fullmatch=True), st.text(), max_size=4))
def test_the_runner_reads_the_values_that_were_written(values: dict[str, str]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "output"
        path.touch()
        write_outputs(path, values)
        written = parse_command_file(path.read_bytes().decode())
    assert (written.entries, written.error) == (values, None)


@pytest.mark.parametrize(
    "value",
    ["a\nb", "\n", "ends\n", "outcome=applied", "x\nghadelimiter_0\nevil=1", "a<<EOF\nb\nEOF", "é😀"],
    ids=["lines", "newline", "newline-at-the-end", "pair", "guessed-delimiter", "heredoc", "not-ascii"],
)
def test_no_value_becomes_another_output(tmp_path: Path, value: str) -> None:
    path = tmp_path / "output"
    write_outputs(path, {"a": value, "b": "2"})
    assert parse_command_file(path.read_text()).entries == {"a": value, "b": "2"}


def test_no_delimiter_is_used_twice(tmp_path: Path) -> None:
    path = tmp_path / "output"
    for _ in range(3):
        write_outputs(path, {"a": "1", "b": "2"})
    delimiters = [line.split("<<")[1] for line in path.read_text().split("\n") if "<<" in line]
    assert len(set(delimiters)) == len(delimiters) == 6
    assert all(len(delimiter) >= 32 for delimiter in delimiters)


def test_outputs_are_added_to_those_that_are_there(tmp_path: Path) -> None:
    path = tmp_path / "output"
    path.write_text("before=1\n")
    write_outputs(path, {"after": "2"})
    assert parse_command_file(path.read_text()).entries == {"before": "1", "after": "2"}


def test_a_summary_is_added_to_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "summary"
    path.write_text("before\n")
    write_summary(path, lambda _: "größe\n")
    assert path.read_text() == "before\ngröße\n"


@pytest.mark.parametrize("before", [0, 1_000_000])
def test_a_summary_has_the_room_that_github_leaves_it(tmp_path: Path, before: int) -> None:
    path = tmp_path / "summary"
    path.write_text("x" * before)
    write_summary(path, lambda room: "y" * room)
    assert path.stat().st_size == LARGEST_SUMMARY


def test_the_file_of_the_plan_is_that_of_its_digest(tmp_path: Path) -> None:
    plan = PlanDocument(content={"format": 1, "files": [], "environment": "größe"})
    for _ in range(2):  # a later step of the job writes it again
        assert write_file(tmp_path, PLAN_FILE, plan.text) == "db-migrate-report/plan.json"
    written = (tmp_path / "db-migrate-report/plan.json").read_bytes()
    assert hashlib.sha256(written).hexdigest() == plan.digest
    outputs = outputs_of(a_report(plan_document=plan), plan="db-migrate-report/plan.json")
    assert (outputs["plan-digest"], outputs["plan"]) == (plan.digest, "db-migrate-report/plan.json")


def test_a_link_in_the_place_of_the_plan_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "db-migrate-report").mkdir()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "db-migrate-report/plan.json").symlink_to(elsewhere)
    write_file(tmp_path, PLAN_FILE, "{}")
    assert elsewhere.read_text() == "mine"
