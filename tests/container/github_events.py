"""The events that start a workflow: what GitHub tells a step about them.

https://docs.github.com/en/actions/reference/workflows-and-actions/events-that-trigger-workflows and
https://docs.github.com/en/webhooks/webhook-events-and-payloads, cut down to what an action can make use of.
"""

from collections.abc import Mapping
from dataclasses import dataclass

REPOSITORY = "octo-org/shop"
SHA = "3f1c0a2b9d8e7f605142a3b4c5d6e7f801928374"
BEFORE = "90ab12cd34ef56ab78cd90ef12ab34cd56ef78ab"
NOTHING = "0" * 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One event of a repository, and who caused it."""

    name: str
    ref: str  # whole: refs/heads/main, refs/tags/v1.2.3, refs/pull/7/merge
    payload: Mapping[str, object]
    sha: str = SHA
    head_ref: str = ""
    base_ref: str = ""
    actor: str = "octocat"
    triggering_actor: str = "octocat"  # differs from the actor when somebody else runs it again

    @property
    def ref_type(self) -> str:
        """`tag` or `branch`; a pull request's merge counts as a branch."""
        return "tag" if self.ref.startswith("refs/tags/") else "branch"

    @property
    def ref_name(self) -> str:
        """The short name: `main`, `v1.2.3`, `7/merge`."""
        return self.ref.split("/", 2)[2]

    def variables(self) -> dict[str, str]:
        """The `GITHUB_*` variables that the event decides."""
        return {
            "GITHUB_ACTOR": self.actor,
            "GITHUB_ACTOR_ID": "583231",
            "GITHUB_BASE_REF": self.base_ref,
            "GITHUB_EVENT_NAME": self.name,
            "GITHUB_HEAD_REF": self.head_ref,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": self.ref_name,
            "GITHUB_REF_PROTECTED": "false",
            "GITHUB_REF_TYPE": self.ref_type,
            "GITHUB_SHA": self.sha,
            "GITHUB_TRIGGERING_ACTOR": self.triggering_actor,
            "GITHUB_WORKFLOW_REF": f"{REPOSITORY}/.github/workflows/migrate.yml@{self.ref}",
            "GITHUB_WORKFLOW_SHA": self.sha,
        }


def push(branch: str = "main") -> Event:
    """Commits were pushed to a branch."""
    ref = f"refs/heads/{branch}"
    return Event(name="push", ref=ref, payload=_payload(ref=ref, before=BEFORE, after=SHA, created=False))


def push_tag(tag: str) -> Event:
    """A new tag was pushed, such as `v1.2.3`."""
    ref = f"refs/tags/{tag}"
    return Event(name="push", ref=ref, payload=_payload(ref=ref, before=NOTHING, after=SHA, created=True))


def workflow_dispatch(inputs: Mapping[str, str] | None = None, *, ref: str = "refs/heads/main") -> Event:
    """Somebody started the workflow by hand, on a branch or a tag. Inputs are strings, booleans too."""
    return Event(name="workflow_dispatch", ref=ref, payload=_payload(ref=ref, inputs=inputs and dict(inputs)))


def pull_request(
    number: int = 7,
    *,
    head: str = "add-status",
    base: str = "main",
    head_sha: str = SHA,
    base_sha: str = BEFORE,
    merge_sha: str = SHA,
) -> Event:
    """A pull request of the same repository was opened."""
    payload = _payload(
        action="opened",
        number=number,
        pull_request={
            "number": number,
            "title": "Add a status to orders",
            "draft": False,
            "head": {"ref": head, "sha": head_sha, "repo": {"full_name": REPOSITORY, "fork": False}},
            "base": {"ref": base, "sha": base_sha, "repo": {"full_name": REPOSITORY, "fork": False}},
        },
    )
    return Event(
        name="pull_request",
        ref=f"refs/pull/{number}/merge",
        sha=merge_sha,
        head_ref=head,
        base_ref=base,
        payload=payload,
    )


def _payload(**fields: object) -> dict[str, object]:
    owner, name = REPOSITORY.split("/")
    repository = {"full_name": REPOSITORY, "name": name, "owner": {"login": owner}, "default_branch": "main"}
    return {"repository": repository, "sender": {"login": "octocat", "id": 583231}, **fields}
