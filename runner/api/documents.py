"""What the API tells: where the database stands, and what became of a run."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from runner.api.database import NOBODY, Seen
from runner.api.runs import Run
from runner.api.settings import Settings
from runner.core.json_text import json_text
from runner.core.plan import compare
from runner.core.status import migrated
from runner.core.status_document import status_document
from runner.workspace import discover

RUNS = "/api/migrations/runs"


def standing(settings: Settings, seen: Seen) -> Mapping[str, Any]:
    """As `db-migrate status --json` tells it: docs/status.schema.json. Raises InputError for files that are not as they
    must be.
    """
    config = settings.config
    order = config.plan.version_order
    files, _ = discover(settings.checkout, config.migrations_path, order)
    document = status_document(
        migrated(files, seen.standing, order),
        seen.standing,
        plan=compare(files, seen.standing.rows, order),
        target=seen.target,
        tracking_schema=config.tracking_schema,
        context=NOBODY,
        now=datetime.now(UTC),
    )
    content: Mapping[str, Any] = json.loads(json_text(document, settings.scrub))
    return content


def brief(run: Run, root: str) -> dict[str, Any]:
    """A run without its report. `root`: where the application is mounted."""
    ended = run.ended
    return {
        "id": run.id,
        "dryRun": run.dry_run,
        "state": "ended" if ended else "running",
        "startedAt": _moment(run.started_at),
        "endedAt": _moment(ended.at) if ended else None,
        "exitCode": ended.exit_code if ended else None,
        "outcome": ended.outcome if ended else None,
        "url": f"{root}{RUNS}/{run.id}",
        "events": f"{root}{RUNS}/{run.id}/events",
    }


def whole(run: Run, root: str) -> dict[str, Any]:
    """A run with its report, which is there once it has ended."""
    return {**brief(run, root), "report": run.ended.report if run.ended else None}


def _moment(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
