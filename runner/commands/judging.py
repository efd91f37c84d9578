"""What follows from the verdicts of the gates."""

from collections.abc import Sequence

from runner.commands.journal import Journal
from runner.core.model import StageState, Verdict
from runner.errors import Finding, Refused


def state_of(verdict: Verdict) -> StageState:
    """How the stage of a gate went."""
    return StageState.OK if verdict.passed else StageState.FAILED


def none_refused(journal: Journal) -> None:
    """Raises Refused with every gate that refuses, so that all that is missing is known at once."""
    if refused := [verdict for verdict in journal.verdicts if not verdict.passed]:
        raise Refused(*(_refusal(verdict) for verdict in refused))


def passing(verdict: Verdict) -> Verdict:
    """The verdict of a gate that lets the run pass. Raises Refused."""
    if not verdict.passed:
        raise Refused(_refusal(verdict))
    return verdict


def refused_for(gate: str, findings: Sequence[Finding]) -> Verdict:
    """The verdict of a gate whose refusal is an error with an exit code of its own."""
    return Verdict(gate=gate, passed=False, reason="; ".join(map(str, findings)), way_out=findings[0].hint)


def _refusal(verdict: Verdict) -> Finding:
    return Finding(f"{verdict.gate}: {verdict.reason}", hint=verdict.way_out)
