"""Findings of the linters refuse a run only when they are asked to; the names of rules are those of squawk."""

import re
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest

from runner.core.lint import RULES
from runner.core.policies import LintMode, LintPolicy
from runner.errors import Finding, Level
from runner.gates.lint import SQUAWK_RULES, check_lint, graded, unknown_rules

SQUAWK = Path(sys.executable).with_name("squawk")
NEVER_EXCLUDED = {"unused-ignore"}  # squawk reports it, and does not take it with --exclude


def a_finding(rule: str = "ban-drop-table", *, file: int = 1, level: Level = Level.WARNING) -> Finding:
    return Finding("x", rule=rule, path=PurePosixPath(f"migrations/0{file}_x.sql"), level=level)


OFF, WARN, ERROR = (LintPolicy(mode=mode) for mode in LintMode)


def test_passes_when_nothing_was_found() -> None:
    found = check_lint(ERROR, [])
    assert (found.gate, found.passed, found.reason) == ("lint", True, "nothing was found")


def test_says_that_it_was_switched_off() -> None:
    assert check_lint(OFF, []).reason == "switched off by `lint: off`"


def test_warnings_pass_and_are_counted() -> None:
    found = check_lint(WARN, [a_finding(), a_finding(file=2), a_finding(file=2)])
    assert (found.passed, found.reason, found.way_out) == (True, "3 findings in 2 files", "")


def test_refuses_when_findings_are_errors() -> None:
    found = check_lint(ERROR, [a_finding(), a_finding("secret", file=2)])
    assert (found.passed, found.reason) == (False, "2 findings in 2 files")


def test_counts_one_as_one() -> None:
    assert check_lint(ERROR, [a_finding()]).reason == "1 finding in 1 file"


def test_notices_never_refuse() -> None:
    assert check_lint(ERROR, [a_finding("not-linted", level=Level.NOTICE)]).passed


@pytest.mark.parametrize(
    ("rules", "way_out"),
    [
        pytest.param(
            ["ban-drop-table", "ban-drop-table"],
            "mend them, put `-- squawk-ignore ban-drop-table` above the place, or name the rule in `lint-exclude`: "
            "`ban-drop-table`",
            id="one-rule",
        ),
        pytest.param(
            ["ban-drop-table", "cluster-wide"],
            "mend them, put `-- squawk-ignore RULE` above the place, or name the rule in `lint-exclude`",
            id="several-rules",
        ),
        pytest.param(
            ["secret"],
            "mend them, end the line of what is no secret with `-- pragma: allowlist secret`, or name the rule in "
            "`lint-exclude`: `secret`",
            id="a-secret",
        ),
    ],
)
def test_the_way_out_names_the_comment_and_the_input(rules: list[str], way_out: str) -> None:
    assert check_lint(ERROR, [a_finding(rule) for rule in rules]).way_out == way_out


def test_the_way_out_for_a_secret_among_others_names_both_comments() -> None:
    way_out = check_lint(ERROR, [a_finding(), a_finding("secret")]).way_out
    assert "squawk-ignore" in way_out
    assert "allowlist secret" in way_out


def test_what_refuses_is_shown_as_an_error() -> None:
    findings = [a_finding(), a_finding("not-linted", level=Level.NOTICE)]
    assert [finding.level for finding in graded(ERROR, findings)] == [Level.ERROR, Level.NOTICE]
    assert graded(WARN, findings) == findings


def test_what_was_graded_counts_as_before() -> None:
    findings = [a_finding(), a_finding("not-linted", level=Level.NOTICE)]
    assert check_lint(ERROR, graded(ERROR, findings)) == check_lint(ERROR, findings)


def test_the_names_of_both_linters_are_known() -> None:
    assert unknown_rules({"ban-drop-table", "prefer-timestamptz", "unused-ignore", "secret", "mixed-transaction"}) == []


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ban-drop-tables", "did you mean `ban-drop-table`?"),
        ("Ban_Drop_Table", "did you mean `ban-drop-table`?"),
        ("mixed-transactions", "did you mean `mixed-transaction`?"),
        ("zzz", "the names stand beside the findings, and in docs/lint.md"),
        ("", "the names stand beside the findings, and in docs/lint.md"),
    ],
)
def test_a_name_that_no_rule_has_is_told_with_the_nearest(name: str, hint: str) -> None:
    (finding,) = unknown_rules([name])
    assert finding.message == f"lint-exclude: there is no rule `{name}`"
    assert finding.hint == hint


def test_no_rule_of_ours_has_the_name_of_one_of_squawks() -> None:
    assert not SQUAWK_RULES & RULES.keys()


def test_squawk_takes_every_name_of_the_list() -> None:
    assert squawk_takes(*sorted(SQUAWK_RULES - NEVER_EXCLUDED))
    assert not squawk_takes("no-such-rule")


def test_the_list_has_every_name_of_squawk() -> None:
    """Its names stand in the program one behind the other; without those of the list nothing is left of them."""
    runs = re.findall(rb"[a-z][a-z-]{1000,}", SQUAWK.read_bytes())
    (names,) = [run.decode() for run in runs if b"ban-drop-column" in run]
    for name in sorted(SQUAWK_RULES, key=len, reverse=True):
        names = names.replace(name, " ")
    assert names.split() == []


def squawk_takes(*rules: str) -> bool:
    done = subprocess.run(
        [SQUAWK, "--exclude", ",".join(rules), "--reporter=json"], stdin=subprocess.DEVNULL, capture_output=True
    )
    return done.returncode == 0
