"""The pull request that a workflow runs for: who it is, from the event, and its files, from GitHub.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from runner.core.changes import FETCH_MORE, Entry, EntryKind, PullRequest, Trees, files_of
from runner.errors import Finding, InputError
from runner.github.client import REPOSITORY, GitHub

WITH_SECRETS = "pull_request_target"
EVENTS = frozenset({"pull_request", WITH_SECRETS})
OF_A_LINK = "120000"  # its mode in a tree
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")


def read_pull_request(environ: Mapping[str, str]) -> PullRequest | None:
    """The pull request of the event; None for other events, and outside of GitHub.

    Raises InputError when the payload is not what GitHub sends.
    """
    if environ.get("GITHUB_EVENT_NAME") not in EVENTS:
        return None
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    number = _at(payload, "pull_request", "number")
    base_ref = _at(payload, "pull_request", "base", "ref")
    if type(number) is not int:  # true is an int to Python
        raise _malformed("pull_request.number")
    if not isinstance(base_ref, str) or not base_ref:
        raise _malformed("pull_request.base.ref")
    of_merge = environ.get("GITHUB_REF") == f"refs/pull/{number}/merge"
    return PullRequest(
        number=number,
        repository=_text(payload, REPOSITORY, "repository", "full_name"),
        base_ref=base_ref,
        base_sha=_text(payload, SHA, "pull_request", "base", "sha"),
        head_sha=_text(payload, SHA, "pull_request", "head", "sha"),
        merge_sha=environ.get("GITHUB_SHA", "") if of_merge else "",
        with_secrets=environ["GITHUB_EVENT_NAME"] == WITH_SECRETS,
    )


def trees_from_github(github: GitHub, pull: PullRequest, folders: Iterable[PurePosixPath]) -> Trees:
    """The first of the folders that a commit has, relative to the repository's root, before and after. Needs
    `contents: read`, and works for forks.

    Raises InputError when GitHub cannot be asked, or does not say.
    """
    repository = github.path_of(pull.repository)
    branch = github.find(f"{repository}/git/ref/heads/{quote(pull.base_ref)}")
    base = (
        _sha(branch, "object", "sha") if branch is not None else pull.base_sha
    )  # a merged branch may be deleted already
    comparison = github.get(f"{repository}/compare/{base}...{pull.head_sha}", per_page="1")

    folders = tuple(folders)
    store = _Store(github, repository, folders[0])

    def files(commit: str) -> dict[str, str]:
        return files_of(store, commit, folders)

    return Trees(
        merge_base=files(_sha(comparison, "merge_base_commit", "sha")), base=files(base), head=files(pull.head_sha)
    )


class _Store:
    """Trees and links of a repository of GitHub's, each asked for once. A commit stands for its tree."""

    def __init__(self, github: GitHub, repository: str, folder: PurePosixPath) -> None:
        self._github, self._repository, self._folder = github, repository, folder
        self._trees: dict[str, dict[str, Entry]] = {}
        self._targets: dict[str, str] = {}

    def entries(self, tree: str) -> dict[str, Entry]:
        if tree not in self._trees:
            answer = self._github.get(f"{self._repository}/git/trees/{tree}")
            self._trees[tree] = _entries(answer, self._folder)
        return self._trees[tree]

    def target(self, link: str) -> str:
        if link not in self._targets:
            self._targets[link] = _target(self._github.get(f"{self._repository}/git/blobs/{link}"))
        return self._targets[link]


def _payload(path: str) -> object:
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        problem = f"the event cannot be read: {error.strerror}" if path else "the variable is not set"
    except (ValueError, RecursionError):
        problem = "the event is not JSON"
    raise InputError(Finding(f"GITHUB_EVENT_PATH: {problem}", hint="GitHub's runner writes this file; leave it alone"))


def _at(payload: object, *keys: str) -> object:
    """What stands under the keys; None when nothing does."""
    for key in keys:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload


def _text(payload: object, shape: re.Pattern[str], *keys: str) -> str:
    text = _at(payload, *keys)
    if not isinstance(text, str) or not shape.fullmatch(text):
        raise _malformed(".".join(keys))
    return text


def _malformed(what: str) -> InputError:
    return InputError(
        Finding(
            f"GITHUB_EVENT_PATH: the event has no usable {what}",
            hint="run this on the event `pull_request` or `pull_request_target`, with the payload that GitHub sends",
        )
    )


def _sha(answer: object, *keys: str) -> str:
    sha = _at(answer, *keys)
    if not isinstance(sha, str) or not SHA.fullmatch(sha):
        raise InputError(Finding(f"GitHub's answer has no usable {'.'.join(keys)}", hint=FETCH_MORE))
    return sha


def _entries(answer: object, folder: PurePosixPath) -> dict[str, Entry]:
    """What a tree has, by name."""
    if _at(answer, "truncated") is True:
        raise InputError(
            Finding("GitHub does not list this folder in full, it has too many files", path=folder, hint=FETCH_MORE)
        )
    entries = _at(answer, "tree")
    if not isinstance(entries, list):
        raise InputError(Finding("GitHub's answer has no usable tree", hint=FETCH_MORE))
    return {str(_at(entry, "path")): Entry(_kind(entry), _sha(entry, "sha")) for entry in entries}


def _kind(entry: object) -> EntryKind:
    kind = _at(entry, "type")
    if kind not in set(EntryKind):
        raise InputError(Finding("GitHub's answer has no usable tree", hint=FETCH_MORE))
    return EntryKind.LINK if _at(entry, "mode") == OF_A_LINK else EntryKind(str(kind))


def _target(answer: object) -> str:
    """Where a link leads: the text of its blob, which GitHub sends as base64 with line breaks."""
    content = _at(answer, "content")
    try:
        if isinstance(content, str) and _at(answer, "encoding") == "base64":
            return base64.b64decode("".join(content.split()), validate=True).decode(errors="surrogateescape")
    except (binascii.Error, ValueError):
        pass
    raise InputError(Finding("GitHub's answer has no usable content of a link", hint=FETCH_MORE))
