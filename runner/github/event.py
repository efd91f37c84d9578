"""Who runs this, from where, for what: read from the variables that GitHub's runner sets.

https://docs.github.com/en/actions/reference/workflows-and-actions/variables
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from runner.core.model import DOCS_URL, PULL_REQUESTS, RunContext


def run_context(environ: Mapping[str, str]) -> RunContext:
    """The context of this run. Outside of GitHub only the actor is known: the user of the machine."""
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "")
    later = f"/attempts/{attempt}" if attempt not in {"", "1"} else ""  # the run's own page shows the newest
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    action = environ.get("GITHUB_ACTION_REPOSITORY", "")
    event, sha = environ.get("GITHUB_EVENT_NAME", ""), environ.get("GITHUB_SHA", "")
    payload = _payload(environ) if event in {"release", *PULL_REQUESTS} else None
    return RunContext(
        run_id=str(uuid.uuid4()),
        actor=_readable(environ.get("GITHUB_ACTOR") or environ.get("USER") or "unknown"),
        triggering_actor=environ.get("GITHUB_TRIGGERING_ACTOR", ""),
        repository=repository,
        ref=_readable(environ.get("GITHUB_REF", "")),
        sha=sha,
        head_sha=_told(payload, "pull_request", "head", "sha"),
        run_url=f"{server}/{repository}/actions/runs/{run}{later}" if repository and run else "",
        source_url=f"{server}/{repository}/blob/{sha}" if repository and sha else "",
        commits_url=f"{server}/{repository}/commit" if repository else "",
        docs_url=f"{server}/{action}/blob/{environ.get('GITHUB_ACTION_REF') or 'HEAD'}/docs" if action else DOCS_URL,
        run_attempt=int(attempt) if attempt.isdecimal() else None,
        event=event,
        activity=_told(payload, "action") if event == "release" else "",
    )


def _payload(environ: Mapping[str, str]) -> object:
    """What GitHub tells of the event; None when it cannot be read."""
    try:
        return json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError):
        return None


def _told(payload: object, *keys: str) -> str:
    """The text under the keys; empty when there is none."""
    for key in keys:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload if isinstance(payload, str) else ""


def _readable(text: str) -> str:
    """Without the bytes that are no text, which a database could not store."""
    return text.encode(errors="replace").decode()
