"""Where migrations stand, for programs. docs/status.schema.json describes every key, docs/status.md what may change."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from runner.core.json_text import schema_url
from runner.core.model import Plan, RunContext, Target
from runner.core.status import Holder, LastRun, Migrated, Standing

SCHEMA_FILE = "status.schema.json"
VERSION = 1  # grows when a key goes or means something else; a key more, or a word more, is no new version


def status_document(
    migrations: Sequence[Migrated],
    standing: Standing,
    *,
    plan: Plan,
    target: Target,
    tracking_schema: str,
    context: RunContext,
    now: datetime,
) -> Mapping[str, Any]:
    """Every key is always there: what is not known, or does not apply, is None."""
    return {
        "$schema": schema_url(context, SCHEMA_FILE),
        "version": VERSION,
        "read_at": now,
        "environment": standing.environment,
        "database": {
            "name": target.database,
            "role": target.role,
            "server": target.server,
            "server_version": target.server_version,
            "standby": target.in_recovery,
            "tracking_schema": tracking_schema,
            "ledger": target.ledger,
        },
        "current_version": plan.current_version,
        "pending": [file.version for file in plan.pending],
        "migrations": [_migration(each) for each in migrations],
        "last_run": standing.last_run and _run(standing.last_run),
        "under_way": standing.holder and _under_way(standing.holder, standing.run_under_way),
    }


def _migration(migration: Migrated) -> Mapping[str, Any]:
    row = migration.row
    return {
        "version": migration.version,
        "name": migration.name,
        "path": migration.path,
        "state": migration.state,
        "drift": migration.change,
        "down": migration.down,
        "applied_at": row and row.applied_at,
        "applied_by": row and row.applied_by,
        "duration_ms": migration.took,
        "transactional": row and row.transactional,
        "statements_total": row and row.statements_total,
        "statements_done": row and row.statements_done,
        "error": row and row.error_message,
        "note": migration.note,
        "run_id": row and row.run_id,
    }


def _run(run: LastRun) -> Mapping[str, Any]:
    return {
        "run_id": run.run_id,
        "command": run.command,
        "environment": run.environment,
        "outcome": run.outcome,
        "started_at": run.started_at,
        "finished_at": run.finished_at,
        "actor": run.actor,
        "run_url": run.run_url,
    }


def _under_way(holder: Holder, run: LastRun | None) -> Mapping[str, Any]:
    return {
        "pid": holder.pid,
        "application": holder.application,
        "role": holder.role,
        "since": run.started_at if run else holder.since,
        "run_id": run and run.run_id,
        "actor": run and run.actor,
        "run_url": run and run.run_url,
    }
