"""Another plan than the approved one is refused."""

from runner.core.plan_document import PlanDocument
from runner.gates.approved_plan import Approval, check_approved_plan

PLAN = PlanDocument(content={"format": 1, "files": [{"version": "08", "path": "migrations/08_a.sql"}]})
LATER = PlanDocument(
    content={"format": 1, "files": [*PLAN.content["files"], {"version": "09", "path": "migrations/09_admin.sql"}]}
)


def test_without_an_approval_every_plan_may_run() -> None:
    verdict = check_approved_plan(None, PLAN)
    assert verdict.passed
    assert PLAN.digest in verdict.reason


def test_the_approved_plan_may_run() -> None:
    assert check_approved_plan(Approval(digest=PLAN.digest), PLAN).passed


def test_another_plan_is_refused_and_what_moved_is_named() -> None:
    verdict = check_approved_plan(Approval(digest=PLAN.digest, plan=PLAN), LATER)
    assert not verdict.passed
    assert verdict.reason == "this is not the plan that was approved: migrations/09_admin.sql is new"
    assert verdict.way_out == "make the plan again, have it approved, and run that"


def test_with_a_digest_only_the_way_to_learn_more_is_told() -> None:
    verdict = check_approved_plan(Approval(digest="0" * 64), PLAN)
    assert not verdict.passed
    assert verdict.reason.endswith(f"its digest is {PLAN.digest}, and {'0' * 64} was approved")
    assert "`approved-plan` this says what moved" in verdict.way_out
