"""What was approved is what runs: the digest of the plan is the one that somebody approved."""

import re
from dataclasses import dataclass

from runner.core.model import Verdict
from runner.core.plan_document import PlanDocument, what_moved

NONE = "none"
DIGEST = re.compile(r"[0-9a-f]{64}")
GATE = "approved plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What was approved: a digest, and the plan itself where its file was given."""

    digest: str
    plan: PlanDocument | None = None


def check_approved_plan(approval: Approval | None, plan: PlanDocument) -> Verdict:
    """Whether the plan is the approved one; nothing was asked for without an approval."""
    if approval is None:
        return Verdict(gate=GATE, passed=True, reason=f"none is asked for; this one is {plan.digest}")
    if approval.plan and approval.plan.digest != approval.digest:
        return Verdict(
            gate=GATE,
            passed=False,
            reason=f"the file of the plan is not the plan {approval.digest}",
            way_out="somebody has changed the file, or it is that of another run",
        )
    if approval.digest == plan.digest:
        return Verdict(gate=GATE, passed=True, reason=f"{plan.digest} is the plan that was approved")
    moved = what_moved(approval.plan, plan) if approval.plan else []
    told = "; ".join(moved) or f"its digest is {plan.digest}, and {approval.digest} was approved"
    return Verdict(
        gate=GATE,
        passed=False,
        reason=f"this is not the plan that was approved: {told}",
        way_out="make the plan again, have it approved, and run that"
        + ("" if approval.plan else "; with the file of the plan in `approved-plan` this says what moved"),
    )
