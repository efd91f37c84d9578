"""Who runs this, from where, for what: read from the variables that GitHub's runner sets.

https://docs.github.com/en/actions/reference/workflows-and-actions/variables
"""

import json
import uuid
from collections.abc import Mapping
from pathlib import Path

from runner.core.model import DOCS_URL, RunContext


def run_context(environ: Mapping[str, str]) -> RunContext:
    """The context of this run. Outside of GitHub only the actor is known: the user of the machine."""
    repository, run = environ.get("GITHUB_REPOSITORY", ""), environ.get("GITHUB_RUN_ID", "")
    attempt = environ.get("GITHUB_RUN_ATTEMPT", "")
    server = environ.get("GITHUB_SERVER_URL", "https://github.com")
    action = environ.get("GITHUB_ACTION_REPOSITORY", "")
    return RunContext(
        run_id=str(uuid.uuid4()),
        actor=_readable(environ.get("GITHUB_ACTOR") or environ.get("USER") or "unknown"),
        triggering_actor=environ.get("GITHUB_TRIGGERING_ACTOR", ""),
        repository=repository,
        ref=_readable(environ.get("GITHUB_REF", "")),
        sha=environ.get("GITHUB_SHA", ""),
        run_url=f"{server}/{repository}/actions/runs/{run}" if repository and run else "",
        source_url=f"{server}/{repository}/blob/{environ['GITHUB_SHA']}"
        if repository and environ.get("GITHUB_SHA")
        else "",
        docs_url=f"{server}/{action}/blob/{environ.get('GITHUB_ACTION_REF') or 'HEAD'}/docs" if action else DOCS_URL,
        run_attempt=int(attempt) if attempt.isdecimal() else None,
        event=environ.get("GITHUB_EVENT_NAME", ""),
        activity=_activity(environ) if environ.get("GITHUB_EVENT_NAME") == "release" else "",
    )


def _activity(environ: Mapping[str, str]) -> str:
    """What happened to a release; empty when the event does not tell."""
    try:
        payload = json.loads(Path(environ.get("GITHUB_EVENT_PATH", "")).read_bytes())
    except (OSError, ValueError):
        return ""
    action = payload.get("action") if isinstance(payload, dict) else None
    return action if isinstance(action, str) else ""


def _readable(text: str) -> str:
    """Without the bytes that are no text, which a database could not store."""
    return text.encode(errors="replace").decode()
