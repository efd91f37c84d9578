"""What may migrate production: a version's tag, or who means it."""

import pytest

from runner.core.model import Verdict
from runner.gates.tag import TagPolicy, check_tag

MAIN, TAG = "refs/heads/main", "refs/tags/v1.2.3"
OTHERS = """
branch_protection_rule check_run check_suite delete deployment_status discussion discussion_comment dynamic fork
gollum image_version issue_comment issues label merge_group milestone page_build project project_card project_column
public pull_request pull_request_review pull_request_review_comment pull_request_target registry_package status
watch workflow_call PUSH something_new
"""


def verdict(
    ref: str = TAG,
    *,
    event: str = "push",
    environment: str = "production",
    dry_run: bool = False,
    allow_prerelease: bool = False,
    activity: str = "",
) -> Verdict:
    found = check_tag(
        TagPolicy(
            environment=environment,
            event=event,
            ref=ref,
            dry_run=dry_run,
            allow_prerelease=allow_prerelease,
            activity=activity,
        )
    )
    assert found.gate == "tag"
    assert bool(found.way_out) is not found.passed
    return found


# Which events


@pytest.mark.parametrize("event", ["push", "release", "create"])
def test_an_event_of_a_ref_must_be_of_a_tag(event: str) -> None:
    assert verdict(TAG, event=event).reason == "v1.2.3 is a version"
    refused = verdict(MAIN, event=event)
    assert (refused.passed, refused.reason) == (
        False,
        "production is migrated by tags, and this run is of branch main",
    )
    assert "v*.*.*" in refused.way_out


@pytest.mark.parametrize("event", ["workflow_dispatch", "repository_dispatch", "schedule", "deployment"])
@pytest.mark.parametrize("ref", [MAIN, TAG, "refs/tags/nightly", ""])
def test_what_somebody_meant_to_start_may_be_of_any_ref(event: str, ref: str) -> None:
    found = verdict(ref, event=event)
    assert (found.passed, found.reason) == (True, f"not asked for: started by {event}")


def test_the_command_line_has_no_event() -> None:
    assert verdict("", event="").reason == "not asked for: started by the command line"


@pytest.mark.parametrize(
    "event",
    OTHERS.split(),
)
@pytest.mark.parametrize("ref", [MAIN, TAG, "refs/pull/7/merge"])
def test_an_event_that_tells_of_something_else_never_may_not_even_with_a_tag(event: str, ref: str) -> None:
    found = verdict(ref, event=event)
    assert (found.passed, found.reason) == (False, f"production is not migrated by `{event}`")
    assert found.way_out == "run on the push of a tag such as v1.2.3, or by hand; or give `dry-run: true`"


@pytest.mark.parametrize("ref", [MAIN, TAG])
def test_a_workflow_that_follows_another_may_not_as_that_may_have_run_for_anything(ref: str) -> None:
    found = verdict(ref, event="workflow_run")
    assert (found.passed, found.reason) == (
        False,
        "`workflow_run` does not tell whether the workflow before it ran for a release",
    )
    assert "`needs:`" in found.way_out


@pytest.mark.parametrize("activity", ["published", "released", "prereleased", "created", ""])
def test_a_release_that_is_published_may(activity: str) -> None:
    assert verdict(event="release", activity=activity).passed


@pytest.mark.parametrize("activity", ["edited", "deleted", "unpublished", "something_new"])
def test_a_release_that_is_edited_or_withdrawn_may_not(activity: str) -> None:
    found = verdict(event="release", activity=activity)
    assert (found.passed, found.reason) == (
        False,
        f"a release was {activity}, and production is migrated when one is published",
    )
    assert "types: [published]" in found.way_out


def test_only_a_release_is_asked_what_happened_to_it() -> None:
    assert verdict(event="push", activity="edited").passed


# Where


@pytest.mark.parametrize("environment", ["development", "staging", "production-eu", "preproduction"])
@pytest.mark.parametrize("event", ["push", "pull_request", "workflow_run"])
def test_is_not_asked_for_outside_of_production(environment: str, event: str) -> None:
    found = verdict(MAIN, event=event, environment=environment)
    assert (found.passed, found.reason) == (True, "not asked for outside of production")


@pytest.mark.parametrize("event", ["push", "pull_request", "workflow_run"])
def test_a_dry_run_may_be_started_by_anything(event: str) -> None:
    found = verdict(MAIN, event=event, dry_run=True)
    assert (found.passed, found.reason) == (True, "not asked for of a dry run")


# Which refs


@pytest.mark.parametrize(
    ("ref", "what"),
    [
        (MAIN, "of branch main"),  # also when a branch was deleted: then GitHub names the default branch
        ("refs/heads/v1.2.3", "of branch v1.2.3"),
        ("refs/heads/refs/tags/v1.2.3", "of branch refs/tags/v1.2.3"),
        ("refs/pull/7/merge", "refs/pull/7/merge"),
        ("refs/notes/tags/v1.2.3", "refs/notes/tags/v1.2.3"),
        ("v1.2.3", "v1.2.3"),
        (" refs/tags/v1.2.3", " refs/tags/v1.2.3"),
        ("REFS/TAGS/v1.2.3", "REFS/TAGS/v1.2.3"),
        ("", "of nothing that is known"),
    ],
)
def test_what_is_no_tag_is_refused_whatever_its_name(ref: str, what: str) -> None:
    found = verdict(ref)
    assert (found.passed, found.reason) == (False, f"production is migrated by tags, and this run is {what}")


@pytest.mark.parametrize(
    "tag", ["v1.2.3", "v0.0.1", "v0.0.0", "v10.20.30", "v1.2.3+20261122", "v1.2.3+rc.1", "v2026.11.22"]
)
def test_a_tag_of_a_version_passes(tag: str) -> None:
    found = verdict(f"refs/tags/{tag}")
    assert (found.passed, found.reason) == (True, f"{tag} is a version")


@pytest.mark.parametrize("tag", ["v1.2.3-rc.1", "v1.2.3-0", "v1.2.3-alpha+20261122", "v1.2.3--"])
def test_a_prerelease_passes_when_it_is_allowed(tag: str) -> None:
    refused = verdict(f"refs/tags/{tag}")
    assert (refused.passed, refused.reason) == (False, f"{tag} is a pre-release")
    assert "`allow-prerelease: true`" in refused.way_out
    allowed = verdict(f"refs/tags/{tag}", allow_prerelease=True)
    assert (allowed.passed, allowed.reason) == (True, f"{tag} is a version, a pre-release that is allowed")


NO_BUILD = "what follows the three numbers is neither a pre-release nor a build (https://semver.org)"
NO_VERSION = "vMAJOR.MINOR.PATCH is wanted (https://semver.org)"


@pytest.mark.parametrize(
    ("tag", "wrong"),
    [
        ("1.2.3", "it lacks the `v`"),
        ("1.2.3-rc.1", "it lacks the `v`"),
        ("V1.2.3", "the `v` must be small"),
        ("v1", "it has 1 number, and three are wanted"),  # a tag that is moved from release to release
        ("7", "it has 1 number, and three are wanted"),
        ("v1.2", "it has 2 numbers, and three are wanted"),
        ("v1.2-rc.1", "it has 2 numbers, and three are wanted"),
        ("v1.2.3.4", "it has 4 numbers, and three are wanted"),
        ("v01.2.3", "a number must not begin with 0"),
        ("v2026.01.02", "a number must not begin with 0"),
        ("v1.2.3-", NO_BUILD),
        ("v1.2.3-01", NO_BUILD),
        ("v1.2.3-rc..1", NO_BUILD),
        ("v1.2.3+", NO_BUILD),
        ("v1.2.3-rc_1", NO_BUILD),
        ("v1.2.3\n", NO_VERSION),
        ("v1.2.3rc1", NO_VERSION),
        ("v1.2.x", NO_VERSION),
        ("vv1.2.3", NO_VERSION),
        ("v.1.2.3", NO_VERSION),
        ("v", NO_VERSION),
        ("", NO_VERSION),
        ("latest", NO_VERSION),
        ("release-1.2.3", NO_VERSION),
        ("backend/v1.2.3", NO_VERSION),
        ("v1.2.٣", NO_VERSION),
        ("v" + "1" * 5000 + ".2", "it has 2 numbers, and three are wanted"),
    ],
)
@pytest.mark.parametrize("allow_prerelease", [True, False])
def test_a_tag_that_is_none_of_a_version_is_refused_and_told_why(tag: str, wrong: str, allow_prerelease: bool) -> None:
    found = verdict(f"refs/tags/{tag}", allow_prerelease=allow_prerelease)
    assert (found.passed, found.reason) == (False, f"the tag {tag} is not one of a version: {wrong}")
