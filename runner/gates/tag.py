"""Production is migrated by releases: a push must be of a version's tag, and never of a branch."""

from dataclasses import dataclass

from runner.core.model import PRODUCTION, Verdict

GATE = "tag"
TAGS, BRANCHES = "refs/tags/", "refs/heads/"
# What GitHub sends, and with which ref. An event that is in neither set is not asked what its ref is: it tells of
# something else, as pull requests, comments and packages do, and those who cause it need not be allowed to write.
# https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows
RELEASING = frozenset({"push", "release", "create"})  # come with the ref that was made or moved
DELIBERATE = frozenset(  # a person, a program with the right to write, or a clock meant to start this
    {"", "workflow_dispatch", "repository_dispatch", "schedule", "deployment"}
)
FOLLOWING = "workflow_run"  # comes after any run of another workflow, those for pull requests included
RELEASED = frozenset({"", "published", "released", "prereleased", "created"})  # others edit or withdraw a release
BY_HAND = "run on the push of a tag such as v1.2.3, or by hand; or give `dry-run: true`"


@dataclass(frozen=True, slots=True, kw_only=True)
class TagPolicy:
    """What started the run, and what for."""

    environment: str
    event: str  # GitHub's name; empty outside of GitHub. A reusable workflow has that of its caller
    ref: str  # whole: refs/tags/v1.2.3
    dry_run: bool  # one that executes nothing on the database itself
    allow_prerelease: bool = False
    activity: str = ""  # what happened to a release: the event's `action`; empty when nobody looked


def check_tag(policy: TagPolicy) -> Verdict:
    """Whether what started the run may migrate production. A dry run may be started by anything."""
    if policy.environment != PRODUCTION:
        return _passed("not asked for outside of production")
    if policy.dry_run:
        return _passed("not asked for of a dry run")
    if policy.event in DELIBERATE:
        return _passed(f"not asked for: started by {policy.event or 'the command line'}")
    if policy.event == FOLLOWING:
        reason = "`workflow_run` does not tell whether the workflow before it ran for a release"
        return _refused(reason, "make this a job of that workflow, with `needs:`, or a workflow that it calls")
    if policy.event not in RELEASING:
        return _refused(f"production is not migrated by `{policy.event}`", BY_HAND)
    if policy.event == "release" and policy.activity not in RELEASED:
        reason = f"a release was {policy.activity}, and production is migrated when one is published"
        return _refused(reason, "say `on: release: types: [published]`")
    if not policy.ref.startswith(TAGS):
        what = f"of branch {policy.ref.removeprefix(BRANCHES)}" if policy.ref.startswith(BRANCHES) else policy.ref
        reason = f"production is migrated by tags, and this run is {what or 'of nothing that is known'}"
        return _refused(reason, "push a tag such as v1.2.3, with `on: push: tags: ['v*.*.*']`; or `dry-run: true`")
    return _of_tag(policy.ref.removeprefix(TAGS), allow_prerelease=policy.allow_prerelease)


def _of_tag(tag: str, *, allow_prerelease: bool) -> Verdict:
    from runner.core.semver import parse_version

    version = parse_version(tag.removeprefix("v"))
    if version is None or not tag.startswith("v"):
        return _refused(f"the tag {tag} is not one of a version: {_what_is_wrong(tag)}", "push a tag such as v1.2.3")
    if version.prerelease and not allow_prerelease:
        way_out = "push the tag of the release itself, or give `allow-prerelease: true`"
        return _refused(f"{tag} is a pre-release", way_out)
    return _passed(f"{tag} is a version" + (", a pre-release that is allowed" if version.prerelease else ""))


def _what_is_wrong(tag: str) -> str:
    from runner.core.semver import parse_version

    if parse_version(tag):
        return "it lacks the `v`"
    if parse_version(tag.removeprefix("V")):
        return "the `v` must be small"
    numbers = tag.lower().removeprefix("v").partition("-")[0].partition("+")[0].split(".")
    if all(number.isascii() and number.isdecimal() for number in numbers):
        if len(numbers) != 3:
            return f"it has {len(numbers)} number{'s' if len(numbers) > 1 else ''}, and three are wanted"
        if any(len(number) > 1 and number.startswith("0") for number in numbers):
            return "a number must not begin with 0"
        return "what follows the three numbers is neither a pre-release nor a build (https://semver.org)"
    return "vMAJOR.MINOR.PATCH is wanted (https://semver.org)"


def _passed(reason: str) -> Verdict:
    return Verdict(gate=GATE, passed=True, reason=reason)


def _refused(reason: str, way_out: str) -> Verdict:
    return Verdict(gate=GATE, passed=False, reason=reason, way_out=way_out)
