"""The report as JSON, for programs. docs/report.schema.json describes every key, docs/report.md what may change.

Every key is always there: what is not known, or does not apply, is null, and no text is empty. Lists and texts are
bounded; `…_left_out` counts what a list has not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import Enum, StrEnum
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar

from runner.core.backup import Backup
from runner.core.durations import milliseconds
from runner.core.headline import headline
from runner.core.impact import Attention, attention
from runner.core.impact_words import dry_run_verdict
from runner.core.lock_modes import blocks, blocks_writes, mode_name
from runner.core.migration import Migration
from runner.core.model import DryRunMode, Report, RunContext, SourceFile, StageResult, Target, Verdict
from runner.core.restore_point import RestorePoint
from runner.core.schema import SchemaObject
from runner.core.sessions import SHOWN
from runner.core.steps import LockHeld, Retry, Session, SmokeResult, StepResult, Undoing, Watched
from runner.core.table import Table
from runner.core.trial import DryRun, Impact, LockTaken, Rehearsed, SequenceMoved, TableFacts, Trace
from runner.core.ways_back import RestoreTarget, RollbackInstructions, rollback_instructions
from runner.errors import Finding, Level

if TYPE_CHECKING:
    from runner.core.schema_diff import SchemaDifference


VERSION = 1  # grows when a key goes or means something else; a key more, or a word more, is no new version
SCHEMA_FILE = "report.schema.json"  # beside our pages
MOST = 1000  # entries of a list
MOST_INSIDE = 20  # entries of a list inside of such an entry
LONGEST = 4096  # characters of a text, as many as GitHub shows of an annotation

Entry = TypeVar("Entry")
Object = dict[str, Any]


class MigrationStatus(StrEnum):
    """What this run made of a migration."""

    PENDING = "pending"  # not executed, as far as the run knows
    APPLIED = "applied"
    FAILED = "failed"
    UNDONE = "undone"  # it was applied, by this run or before
    STAYING = "staying"  # applied before, and not undone by this rollback
    PROVED = "proved"  # executed on a throw-away database


class Work(StrEnum):
    """What a statement does with all of a relation, or with rows of it."""

    REWRITES = "rewrites"
    EMPTIES = "empties"
    REBUILDS = "rebuilds"
    READS_ALL = "reads all"
    LOCKS_ROWS = "locks rows"


IMPORTANT_FIRST = {MigrationStatus.FAILED: 0, MigrationStatus.PENDING: 2, MigrationStatus.STAYING: 2}


def report_json(report: Report, scrub: Callable[[str], str]) -> str:
    """The document as text, with a line break at its end."""
    return json.dumps(report_document(report, scrub), indent=2, ensure_ascii=False) + "\n"


def report_document(report: Report, scrub: Callable[[str], str]) -> Object:
    """All that a run has to tell, ready for `json.dumps`. Texts are scrubbed before they are cut, as half a secret
    would no longer be recognised. The words of our own enumerations are not: a document always fits its schema.
    """
    return _object_of(_content(report), scrub)


def _content(report: Report) -> Object:
    return {
        "$schema": _schema_url(report.context),
        "version": VERSION,
        "command": report.command,
        "environment": report.environment,
        "outcome": report.outcome,
        "exit_code": report.exit_code,
        "headline": headline(report),
        "next_steps": report.next_steps,
        "started_at": report.started_at,
        "duration_ms": report.duration,
        "runner_version": report.runner_version,
        "context": _context(report.context),
        "database": report.target and _database(report.target, report.tracking_schema),
        "current_version": report.current_version,
        "applied": report.applied,
        "undone": report.undone,
        "pending": report.pending if report.plan else None,
        "plan_digest": report.plan_document and report.plan_document.digest,
        **_migrations(report),
        "stages": [_stage(stage, report.started_at) for stage in report.stages],
        "verdicts": list(map(_verdict, report.verdicts)),
        **_bounded("findings", report.findings, _finding, rank=lambda finding: [*Level].index(finding.level)),
        "dry_run": report.dry_run and _dry_run(report.dry_run),
        "schema_change": _schema_change(report.schema),
        "watched": report.watched and _watched(report.watched),
        "restore_point": report.restore_point and _restore_point(report.restore_point),
        "backup": report.backup and _backup(report.backup),
        **_bounded("smoke_tests", report.smoke, _smoke_test),
        "undoing": report.undoing and _undoing(report.undoing),
        "rollback": _rollback(rollback_instructions(report)),
        "release_notes": report.release_notes,
        "release_url": report.release_url,
        "table": report.table and _table(report.table),
    }


def _schema_url(context: RunContext) -> str:
    """Of the file itself, not of the page that shows it."""
    return f"{context.docs_url.replace('/blob/', '/raw/', 1)}/{SCHEMA_FILE}"


def _context(context: RunContext) -> Object:
    return {
        "run_id": context.run_id,
        "run_url": context.run_url,
        "run_attempt": context.run_attempt,
        "actor": context.actor,
        "triggering_actor": context.triggering_actor,
        "repository": context.repository,
        "ref": context.ref,
        "sha": context.sha,
        "head_sha": context.head_sha,
        "event": context.event,
        "activity": context.activity,
    }


def _database(target: Target, tracking_schema: str) -> Object:
    return {
        "name": target.database,
        "role": target.role,
        "server": target.server,
        "server_version": target.server_version,
        "tracking_schema": tracking_schema,
    }


# Migrations


def _migrations(report: Report) -> Object:
    undone = set(report.undone)
    executed = {step.migration.version: step for step in report.steps}
    others = [*report.rehearsed, *(report.undoing.steps if report.undoing else ())]
    steps = {step.migration.version: step for step in others} | executed

    def status(migration: Migration) -> MigrationStatus:
        step = steps.get(migration.version)
        if migration.version in undone:
            return MigrationStatus.UNDONE
        if step is None:
            return MigrationStatus.STAYING if report.command == "rollback" else MigrationStatus.PENDING
        if not step.completed:
            return MigrationStatus.FAILED
        return MigrationStatus.APPLIED if migration.version in executed else MigrationStatus.PROVED

    def result(migration: Migration) -> Object | None:
        step = steps.get(migration.version)
        if step is None:
            return None
        return _result(step, report.started_at + step.started if migration.version in executed else None)

    return _bounded(
        "migrations",
        report.migrations,
        lambda migration: {**_migration(migration), "status": status(migration), "result": result(migration)},
        rank=lambda migration: IMPORTANT_FIRST.get(status(migration), 1),
    )


def _migration(migration: Migration) -> Object:
    file, headers = migration.file, migration.headers
    return {
        "version": file.version,
        "name": file.name,
        "title": migration.title,
        "path": file.path,
        "down_path": _path(file.down),
        "check_path": _path(file.check),
        "checksum": file.checksum,
        "sql_digest": migration.sql_digest,
        "purpose": headers.purpose,
        "breaking": headers.breaking,
        "transactional": migration.transactional,
        "why_not_transactional": migration.why,
        "statements": migration.statement_count,
    }


def _path(source: SourceFile | None) -> PurePosixPath | None:
    return source.path if source else None


def _result(step: StepResult, started_at: datetime | None = None) -> Object:
    return {
        "started_at": started_at,
        "duration_ms": step.duration,
        "statements_done": step.statements_done,
        "certain": step.sure,
        "half_done": step.half_done,
        "xid": step.xid,
        "error": step.failure and _finding(step.failure),
        "slowest_statements": [{"line": slow.line, "duration_ms": slow.duration} for slow in step.slowest],
        "retries": list(map(_retry, step.retries)),
        **_bounded("in_the_way", step.in_the_way, _session, most=SHOWN),
    }


def _retry(retry: Retry) -> Object:
    return {
        "attempt": retry.attempt,
        "why": retry.why,
        "pause_ms": retry.pause,
        **_bounded("in_the_way", retry.in_the_way, _session, most=SHOWN),
    }


def _session(session: Session) -> Object:
    return {
        "pid": session.pid,
        "application": session.application,
        "role": session.role,
        "state": session.state,
        "age_ms": session.age,
        "query": session.query,
    }


# What was decided and found


def _stage(stage: StageResult, run_started_at: datetime) -> Object:
    return {
        "name": stage.name,
        "state": stage.state,
        "note": stage.note,
        "started_at": run_started_at + stage.started,
        "duration_ms": stage.duration,
    }


def _verdict(verdict: Verdict) -> Object:
    return {
        "gate": verdict.gate,
        "passed": verdict.passed,
        "reason": verdict.reason,
        "way_out": verdict.way_out,
    }


def _finding(finding: Finding) -> Object:
    return {
        "level": finding.level,
        "message": finding.message,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "rule": finding.rule,
        "url": finding.url,
        "sqlstate": finding.sqlstate,
        "hint": finding.hint,
        "detail": finding.detail,
    }


# What a dry run showed


def _dry_run(tried: DryRun) -> Object:
    executed = tried.mode is not DryRunMode.PREVIEW
    return {
        "mode": tried.mode,
        "where": tried.where,
        "verdict": dry_run_verdict(tried) if executed else None,
        "failed": tried.failed and tried.failed.migration.version,
        **_bounded("migrations", tried.rehearsed, _rehearsed, rank=lambda result: not result.failure),
        **_bounded(
            "impacts",
            tried.impacts,
            lambda impact: _impact(impact, tried.mode),
            rank=lambda impact: [*Attention].index(attention(impact)),
        ),
        "schema_change": _schema_change(tried.schema),
        **_bounded("sequences_moved", tried.moved, _sequence, rank=lambda moved: not moved.backwards),
    }


def _rehearsed(result: Rehearsed) -> Object:
    return {
        "version": result.migration.version,
        "executed": result.executed,
        "left_out": result.left_out,
        "duration_ms": None if result.left_out else result.duration,
        "error": result.failure and _finding(result.failure),
    }


def _impact(impact: Impact, mode: DryRunMode) -> Object:
    trace = impact.trace
    measured = mode is DryRunMode.REHEARSE and not trace.left_out  # a shadow has none of the target's rows
    return {
        "version": impact.migration.version,
        "path": impact.migration.source.path,
        "line": trace.line,
        "statements": trace.count,
        "sql": trace.sql,
        "risk": impact.risk,
        "attention": attention(impact),
        "left_out": trace.left_out,
        "duration_ms": trace.duration if measured else None,
        "rows": trace.rows if measured else None,
        **_bounded("locks", impact.locks, _lock_taken, most=MOST_INSIDE),
        **_bounded("tables", impact.tables, _table_facts, most=MOST_INSIDE),
        **_bounded("work", _work(trace), lambda done: {"does": done[0], "relation": done[1]}, most=MOST_INSIDE),
    }


def _work(trace: Trace) -> list[tuple[Work, str]]:
    done = {
        Work.REWRITES: trace.rewritten,
        Work.EMPTIES: trace.emptied,
        Work.REBUILDS: trace.rebuilt,
        Work.READS_ALL: trace.scanned,
        Work.LOCKS_ROWS: trace.row_locks,
    }
    return [(work, relation) for work, relations in done.items() for relation in relations]


def _lock_taken(lock: LockTaken) -> Object:
    return {**_lock(lock), "index_of": lock.index_of, "taken_before": lock.before}


def _lock(lock: LockTaken | LockHeld) -> Object:
    return {
        "relation": lock.relation,
        "mode": mode_name(lock.mode),
        "blocks": blocks(lock.mode),
        "blocks_writes": blocks_writes(lock.mode),
    }


def _table_facts(table: TableFacts) -> Object:
    return {
        "name": table.name,
        "size_bytes": table.size,
        "rows": table.rows,
        "writes_per_second": table.writes,
        "empty": table.empty,
    }


def _sequence(moved: SequenceMoved) -> Object:
    return {"name": moved.name, "before": moved.before, "after": moved.after, "backwards": moved.backwards}


# What has changed, and the ways back


def _schema_change(difference: SchemaDifference | None) -> Object | None:
    if difference is None:  # an empty one is false, and says that nothing has changed
        return None
    return {
        "lines": difference.short(most=MOST),
        **_bounded("added", difference.added, _schema_object),
        **_bounded("removed", difference.removed, _schema_object),
        **_bounded("changed", difference.changed, lambda pair: _changed(*pair)),
        **_bounded("reordered", difference.reordered, str),
    }


def _schema_object(each: SchemaObject) -> Object:
    return {"kind": each.kind, "name": each.name, "table": each.table, "definition": each.text}


def _changed(before: SchemaObject, after: SchemaObject) -> Object:
    return {"kind": after.kind, "name": after.name, "table": after.table, "before": before.text, "after": after.text}


def _watched(watched: Watched) -> Object:
    return {
        **_bounded("locks", watched.locks, lambda lock: {**_lock(lock), "duration_ms": lock.duration}),
        "largest_queue": watched.largest_queue,
        "longest_wait_ms": watched.longest_wait,
    }


def _restore_point(point: RestorePoint) -> Object:
    return {"at": point.at, "name": point.name, "lsn": point.lsn, "archived": point.archived}


def _backup(backup: Backup) -> Object:
    return {"path": backup.path, "mode": backup.mode, "size_bytes": backup.size, "entries": backup.entries}


def _smoke_test(result: SmokeResult) -> Object:
    return {
        "path": result.test.source.path,
        "passed": result.failure is None,
        "duration_ms": result.duration,
        "error": result.failure and _finding(result.failure),
    }


def _undoing(undoing: Undoing) -> Object:
    return {
        "why_not": undoing.why_not,
        "undone": undoing.undone,
        **_bounded("steps", undoing.steps, _undo_step, rank=lambda step: step.completed),
    }


def _undo_step(step: StepResult) -> Object:
    down = step.migration
    return {
        "version": down.version,
        "path": down.source.path,
        "statements": down.statement_count,
        "result": _result(step),
    }


def _rollback(back: RollbackInstructions | None) -> Object | None:
    if back is None:
        return None
    return {
        "state": back.state,
        "question": back.question,
        **_bounded("commands", back.commands, str),
        "cautions": back.cautions,
        "restore": back.restore and _restore_target(back.restore),
        "from_backup": back.from_backup,
    }


def _restore_target(target: RestoreTarget) -> Object:
    return {
        "at": target.at,
        "name": target.name,
        "lsn": target.lsn,
        "marked": target.marked,
        "archived": target.archived,
        "setting": target.setting,
    }


def _table(table: Table) -> Object:
    """Of many rows those are kept that are not simply completed."""
    return {"headings": table.headings, **_bounded("rows", table.rows, list, rank=lambda row: "completed" in row)}


# The form


def _bounded(
    name: str,
    entries: Sequence[Entry],
    form: Callable[[Entry], Any],
    *,
    most: int = MOST,
    rank: Callable[[Entry], int] = lambda _: 0,
) -> Object:
    """The list, in its order, and how many it has not: of too many, those of the lowest rank are kept."""
    kept = entries
    if len(entries) > most:
        numbers = sorted(range(len(entries)), key=lambda number: rank(entries[number]))[:most]
        kept = [entries[number] for number in sorted(numbers)]
    return {name: list(map(form, kept)), f"{name}_left_out": len(entries) - len(kept)}


def _object_of(content: Mapping[str, Any], scrub: Callable[[str], str]) -> Object:
    return {key: _value(each, scrub) for key, each in content.items()}


def _value(value: Any, scrub: Callable[[str], str]) -> Any:
    match value:
        case StrEnum():
            return value.value
        case Enum():
            return value.name.lower()
        case str() | PurePosixPath():
            return _text(scrub(str(value)))
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        case timedelta():
            return milliseconds(value)
        case Mapping():
            return _object_of(value, scrub)
        case list() | tuple():
            return [_value(each, scrub) for each in value]
        case _:  # a number, true or false, or nothing
            return value


def _text(text: str) -> str | None:
    readable = text.encode(errors="backslashreplace").decode()  # a file's name may have bytes that are no text
    return (readable if len(readable) <= LONGEST else f"{readable[: LONGEST - 1]}…") or None
