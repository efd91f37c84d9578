"""The release of a tag: the notes of each database stand in a block of their own, between what people have written.

https://docs.github.com/en/rest/releases/releases
"""

from typing import Any, NamedTuple
from urllib.parse import quote

from runner.core.marked import has_block, with_block
from runner.errors import Finding, InputError
from runner.github.answers import Purpose
from runner.github.client import GitHub

LARGEST_RELEASE = 125_000  # characters of its text; beyond it GitHub says "body is too long"
MOST_PAGES = 10  # of 100 releases, the newest first: a draft is looked for no further

RELEASING = Purpose(
    "contents: write",
    "write the release",
    "leave `create-release` out, and take the notes from the file that the output `release-notes` names",
)


class Release(NamedTuple):
    """A release as GitHub has it."""

    path: str  # of the API
    url: str  # for people
    text: str


def put_release(
    github: GitHub, *, repository: str, tag: str, key: str, notes: str, prerelease: bool, keep: bool = False
) -> str:
    """Write the notes of `key` into the release of a tag, which is made when there is none. Returns its URL.

    What stands outside of the block stays as it is, and so do title, draft and pre-release of a release that is
    there. With `keep` notes that are there stay as well: those of a run that applied nothing would say less. Nothing is
    sent when nothing changes. Raises InputError when GitHub does not do it.
    """
    repo = github.path_of(repository)

    def existing() -> Any:
        published = github.find(f"{repo}/releases/tags/{quote(tag, safe='')}")
        return published or _draft(github, repo, tag)

    text = _fitting(with_block("", key, notes))
    release = existing()
    if release is None:
        _require_tag(github, repo, tag)
        release = github.post(
            f"{repo}/releases",
            {"tag_name": tag, "name": tag, "body": text, "prerelease": prerelease, "make_latest": "legacy"},
            unless=existing,
        )
    found = _release(github, repo, release)
    text = found.text if keep and has_block(found.text, key) else with_block(found.text, key, notes)
    if text != found.text:
        github.patch(found.path, {"body": _fitting(text)})
    return found.url


def _draft(github: GitHub, repo: str, tag: str) -> Any:
    """The draft for a tag, which GitHub does not find by the tag."""
    for release in github.each(f"{repo}/releases", pages=MOST_PAGES):
        match release:
            case {"tag_name": name, "draft": True} if name == tag:
                return release
    return None


def _require_tag(github: GitHub, repo: str, tag: str) -> None:
    """A release for a tag that is not there would make one, of whatever the default branch has now."""
    if github.find(f"{repo}/git/ref/tags/{quote(tag)}") is None:
        raise InputError(
            Finding(f"there is no tag {tag} any more that a release could be for", hint=github.purpose.otherwise)
        )


def _fitting(text: str) -> str:
    if len(text) > LARGEST_RELEASE:
        raise InputError(
            Finding(
                f"the release would have {len(text):,} characters, and GitHub takes {LARGEST_RELEASE:,}",
                hint=f"shorten what people have written there; or {RELEASING.otherwise}",
            )
        )
    return text


def _release(github: GitHub, repo: str, answer: Any) -> Release:
    match answer:
        case {"id": int(number), "html_url": str(url), "body": str() | None as text}:
            return Release(f"{repo}/releases/{number}", url, text or "")
    raise github.unusable("release")
