"""What a run writes to GitHub beside its own step: the comment on its pull request, the release of its tag."""

from collections.abc import Callable, Mapping

from runner.core.model import RunContext
from runner.core.semver import parse_version
from runner.github.client import GitHub
from runner.github.comments import COMMENTING, put_comment
from runner.github.pull_request import read_pull_request
from runner.github.releases import RELEASING, put_release

Comment = Callable[[str], str]  # Markdown → the address of the comment that says so now
PublishRelease = Callable[[str, str, bool], str]  # tag, notes, and whether they tell more than those before → address


def commenting(environ: Mapping[str, str], *, token: str, about: tuple[str, ...]) -> Comment:
    """How this run's pull request is commented on: one comment for each workflow and what the run is `about`. The
    address is empty when the run is of no pull request. Raises InputError when GitHub does not take the comment.
    """

    def comment(body: str) -> str:
        pull = read_pull_request(environ)
        if pull is None:
            return ""
        key = _key(_workflow(environ), *about)
        with GitHub.of(environ, token, purpose=COMMENTING) as github:
            return put_comment(github, repository=pull.repository, number=pull.number, key=key, body=body)

    return comment


def releasing(environ: Mapping[str, str], context: RunContext, *, token: str, about: tuple[str, ...]) -> PublishRelease:
    """How the notes of a tag get into its release, a block for each thing that runs are `about`. It raises InputError
    when GitHub does not take them.
    """

    def publish(tag: str, notes: str, more: bool) -> str:
        version = parse_version(tag.removeprefix("v"))
        with GitHub.of(environ, token, purpose=RELEASING) as github:
            return put_release(
                github,
                repository=context.repository,
                tag=tag,
                key=_key(*about),
                notes=notes,
                prerelease=bool(version and version.prerelease),
                keep=not more,
            )

    return publish


def _workflow(environ: Mapping[str, str]) -> str:
    """The workflow's file, which two of one name do not share."""
    return environ.get("GITHUB_WORKFLOW_REF", "").partition("@")[0] or environ.get("GITHUB_WORKFLOW", "")


def _key(*parts: str) -> str:
    return "\n".join(parts)
