"""The server must be in a state in which a migration does no harm."""

from collections.abc import Collection, Sequence
from dataclasses import replace

from runner.core.ailments import ailments, hidden_sessions
from runner.core.health import HealthFacts, InvalidIndex
from runner.core.model import Target, Verdict
from runner.core.plural import counted
from runner.core.policies import HealthMode
from runner.errors import Finding, Level
from runner.gates.target import GATE


def health_findings(facts: HealthFacts, target: Target) -> list[Finding]:
    """What a migration may wait for or fail at, the worst first, as warnings; as notices what may well be meant, and
    what this role could not look at. The hint says what to do, the detail is SQL that shows it.
    """
    return [*ailments(facts), *hidden_sessions(facts, target.role)]


def without_those_of(resumed: Collection[str], facts: HealthFacts) -> HealthFacts:
    """The facts without invalid indexes that files name with which this run goes on: what an earlier attempt left, it
    sees to itself.
    """
    texts = [text.lower() for text in resumed]

    def is_theirs(index: InvalidIndex) -> bool:
        name = index.name.rpartition(".")[2].strip('"').replace('""', '"').lower()
        return any(name in text for text in texts)

    return replace(facts, invalid=tuple(index for index in facts.invalid if not is_theirs(index)))


def graded(mode: HealthMode, findings: Sequence[Finding]) -> list[Finding]:
    """The findings as the mode sees them: an error where it refuses, nothing where nobody looks."""
    if mode is HealthMode.OFF:
        return []
    return [replace(finding, level=Level.ERROR) if _weighs(mode, finding) else finding for finding in findings]


def check_health(mode: HealthMode, findings: Sequence[Finding]) -> Verdict:
    """Whether the server is in a state to be migrated. Notices never refuse."""
    if mode is HealthMode.OFF:
        return Verdict(gate=GATE, passed=True, reason="switched off by `health: off`")
    if not findings:
        return Verdict(gate=GATE, passed=True, reason="nothing was found")
    if refusing := [finding for finding in findings if _weighs(mode, finding)]:
        return Verdict(
            gate=GATE,
            passed=False,
            reason=f"{counted(len(refusing), 'finding')} about the server",
            way_out="do what stands beside each, and run again; or let them be warnings with `health: warn`",
        )
    return Verdict(gate=GATE, passed=True, reason=counted(len(findings), "finding"))


def _weighs(mode: HealthMode, finding: Finding) -> bool:
    return mode is HealthMode.ERROR and finding.level is Level.WARNING
