"""What the linters found may refuse a run, when it is asked to."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches

from runner.core.lint import RULES
from runner.core.model import Verdict
from runner.core.plural import counted
from runner.core.policies import LintMode, LintPolicy
from runner.errors import Finding, Level

SQUAWK_RULES = frozenset(
    """
    adding-field-with-default adding-foreign-key-constraint adding-not-nullable-field adding-required-field
    adding-serial-primary-key-field ban-add-column ban-add-composite-attribute ban-add-enum-value
    ban-alter-database-options ban-alter-domain-with-add-constraint ban-alter-extension ban-alter-function-options
    ban-alter-generated-expression ban-alter-identity ban-alter-policy-condition ban-alter-policy-roles
    ban-alter-role-options ban-alter-row-level-security ban-alter-sequence-values ban-alter-system-options
    ban-alter-view-options ban-char-field ban-concurrent-index-creation-in-transaction
    ban-create-domain-with-constraint ban-create-policy ban-detach-inheritance ban-disable-trigger ban-drop-column
    ban-drop-constraint ban-drop-database ban-drop-default ban-drop-domain ban-drop-extension ban-drop-function
    ban-drop-generated-expression ban-drop-index ban-drop-not-null ban-drop-policy ban-drop-schema ban-drop-sequence
    ban-drop-table ban-drop-trigger ban-drop-type ban-drop-view ban-duplicate-column-assignments
    ban-new-write-restriction ban-replace-view-function ban-replica-identity ban-revoke ban-set-default ban-set-schema
    ban-truncate-cascade ban-uncommitted-transaction changing-column-type constraint-missing-not-valid
    disallowed-unique-constraint identifier-too-long prefer-bigint-over-int prefer-bigint-over-smallint prefer-identity
    prefer-repack prefer-robust-stmts prefer-text-field prefer-timestamp-tz prefer-timestamptz renaming-column
    renaming-object renaming-table require-concurrent-index-creation require-concurrent-index-deletion
    require-concurrent-partition-detach require-concurrent-reindex require-enum-value-ordering require-lock-timeout
    require-statement-timeout require-table-schema require-timeout-settings transaction-nesting unused-ignore
    """.split()  # noqa: SIM905 - 79 quoted words would not be read
)
"""The names that squawk knows, the opt-in ones included (https://squawkhq.com/docs/rules)."""


def check_lint(policy: LintPolicy, findings: Sequence[Finding]) -> Verdict:
    """Whether these files may run. Notices never refuse."""
    if policy.mode is LintMode.OFF:
        return Verdict(gate="lint", passed=True, reason="switched off by `lint: off`")
    weighed = [finding for finding in findings if finding.level is not Level.NOTICE]
    if not weighed:
        return Verdict(gate="lint", passed=True, reason="nothing was found")
    files = len({finding.path for finding in weighed})
    reason = f"{counted(len(weighed), 'finding')} in {counted(files, 'file')}"
    if policy.mode is LintMode.WARN:
        return Verdict(gate="lint", passed=True, reason=reason)
    return Verdict(gate="lint", passed=False, reason=reason, way_out=_way_out(weighed))


def graded(policy: LintPolicy, findings: Iterable[Finding]) -> list[Finding]:
    """The findings as the policy sees them: with `lint: error` a warning is an error."""
    if policy.mode is not LintMode.ERROR:
        return list(findings)
    return [replace(finding, level=Level.ERROR) if finding.level is Level.WARNING else finding for finding in findings]


def unknown_rules(names: Collection[str]) -> list[Finding]:
    """The names of `lint-exclude` that are no rule's: a misspelt one would exclude nothing."""
    known = SQUAWK_RULES | RULES.keys()
    return [
        Finding(
            f"lint-exclude: there is no rule `{name}`",
            hint=f"did you mean `{close[0]}`?"
            if (close := get_close_matches(name.lower().replace("_", "-"), sorted(known), n=1))
            else "the names stand beside the findings, and in docs/lint.md",
        )
        for name in sorted(set(names) - known)
    ]


def _way_out(findings: Iterable[Finding]) -> str:
    rules = sorted({finding.rule for finding in findings if finding.rule})
    secret = "secret" in rules
    rules = [rule for rule in rules if rule != "secret"] or rules
    rule = rules[0] if len(rules) == 1 else "RULE"
    ways = ["mend them"]
    if rules != ["secret"]:
        ways.append(f"put `-- squawk-ignore {rule}` above the place")
    if secret:
        ways.append("end the line of what is no secret with `-- pragma: allowlist secret`")
    ways.append(f"name the rule in `lint-exclude`{f': `{rule}`' if rule != 'RULE' else ''}")
    return f"{', '.join(ways[:-1])}, or {ways[-1]}"
