"""The pull request that a workflow runs for: who it is, from the event, and its files, from GitHub.

https://docs.github.com/en/webhooks/webhook-events-and-payloads#pull_request
"""

import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from runner.core.changes import FETCH_MORE, PullRequest, Trees
from runner.errors import Finding, InputError
from runner.github.client import GitHub

WITH_SECRETS = "pull_request_target"
EVENTS = frozenset({"pull_request", WITH_SECRETS})
SHA = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
REPOSITORY = re.compile(r"[\w.-]+/[\w.-]+", re.ASCII)


def read_pull_request(environ: Mapping[str, str]) -> PullRequest | None:
    """The pull request of the event; None for other events, and outside of GitHub.

    Raises InputError when the payload is not what GitHub sends.
    """
    if environ.get("GITHUB_EVENT_NAME") not in EVENTS:
        return None
    payload = _payload(environ.get("GITHUB_EVENT_PATH", ""))
    number = _at(payload, "pull_request", "number")
    base_ref = _at(payload, "pull_request", "base", "ref")
    if not isinstance(number, int):
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


def trees_from_github(github: GitHub, pull: PullRequest, folder: PurePosixPath) -> Trees:
    """The folder, relative to the repository's root, before and after. Needs `contents: read`, and works for forks.

    Raises InputError when GitHub cannot be asked, or does not say.
    """
    repository = f"/repos/{pull.repository}"
    branch = github.find(f"{repository}/git/ref/heads/{quote(pull.base_ref)}")
    base = (
        _sha(branch, "object", "sha") if branch is not None else pull.base_sha
    )  # a merged branch may be deleted already
    comparison = github.get(f"{repository}/compare/{base}...{pull.head_sha}", per_page="1")

    @cache
    def tree(sha: str) -> dict[str, tuple[str, str]]:
        return _entries(github.get(f"{repository}/git/trees/{sha}"), folder)

    def files(commit: str) -> dict[str, str]:
        sha = commit
        for part in folder.parts:
            kind, sha = tree(sha).get(part, ("", ""))
            if kind != "tree":
                return {}
        return {name: blob for name, (kind, blob) in tree(sha).items() if kind == "blob"}

    return Trees(
        merge_base=files(_sha(comparison, "merge_base_commit", "sha")), base=files(base), head=files(pull.head_sha)
    )


def _payload(path: str) -> object:
    try:
        return json.loads(Path(path).read_bytes())
    except OSError as error:
        problem = f"the event cannot be read: {error.strerror}" if path else "the variable is not set"
    except ValueError:
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


def _entries(answer: object, folder: PurePosixPath) -> dict[str, tuple[str, str]]:
    """Name → kind and id of what a tree has."""
    if _at(answer, "truncated") is True:
        raise InputError(
            Finding("GitHub does not list this folder in full, it has too many files", path=folder, hint=FETCH_MORE)
        )
    entries = _at(answer, "tree")
    if not isinstance(entries, list):
        raise InputError(Finding("GitHub's answer has no usable tree", hint=FETCH_MORE))
    return {str(_at(entry, "path")): (str(_at(entry, "type")), str(_at(entry, "sha"))) for entry in entries}
