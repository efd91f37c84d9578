"""What a template of the user's may use. docs/templates.md describes each name; what is not here is refused."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath

from runner.core.backup import Backup
from runner.core.migration import Headers, Migration
from runner.core.model import MigrationFile, Plan, Report, RunContext, SourceFile, StageResult, Target, Verdict
from runner.core.plan_document import PlanDocument
from runner.core.restore_point import RestorePoint
from runner.core.schema import SchemaObject
from runner.core.schema_diff import SchemaDifference
from runner.core.steps import (
    LockHeld,
    Retry,
    Session,
    SmokeResult,
    SmokeTest,
    StatementTime,
    StepResult,
    Undoing,
    Watched,
)
from runner.core.table import Table
from runner.core.trial import DryRun, Impact, LockTaken, Rehearsed, SequenceMoved, TableFacts, Trace
from runner.core.ways_back import RestoreTarget, RollbackInstructions
from runner.errors import Finding

VALUES: Mapping[type, str] = {
    Report: "command environment outcome exit_code context runner_version started_at duration target stages plan "
    "migrations verdicts steps rehearsed watched plan_document dry_run schema tracking_schema restore_point backup "
    "smoke undoing release_notes release_url touched in_question findings table next_steps applied undone pending "
    "current_version step_of",
    RunContext: "run_id actor triggering_actor repository ref sha head_sha commit run_url source_url commits_url "
    "docs_url run_attempt event",
    Target: "database role server server_version",
    StageResult: "name state note duration started",
    Plan: "pending later applied",
    PlanDocument: "digest",
    MigrationFile: "version name path checksum",
    Migration: "version title headers statement_count transactional why source file",
    Headers: "title purpose breaking",
    SourceFile: "path",
    StepResult: "migration completed half_done duration started statements_done failure slowest retries in_the_way",
    StatementTime: "line duration",
    Retry: "attempt why pause in_the_way",
    Session: "pid application role state age query",
    Watched: "locks largest_queue longest_wait",
    LockHeld: "relation mode duration",
    Finding: "message level place path line column hint detail frame diff rule url sqlstate",
    Verdict: "gate passed reason way_out",
    DryRun: "mode where rehearsed impacts schema moved failed",
    Rehearsed: "migration executed duration traces failure left_out",
    Impact: "migration trace risk locks tables",
    Trace: "line sql count duration rows locks rewritten rebuilt emptied scanned row_locks left_out",
    LockTaken: "relation mode index_of before",
    TableFacts: "name size rows writes empty",
    SequenceMoved: "name before after backwards",
    SchemaDifference: "short unified added removed changed reordered",
    SchemaObject: "kind name table text",
    RestorePoint: "text at name lsn archived",
    Backup: "path mode size entries",
    SmokeResult: "test duration failure",
    SmokeTest: "source",
    Undoing: "why_not steps undone failed",
    Table: "headings rows links notes",
    RollbackInstructions: "state question commands cautions restore from_backup",
    RestoreTarget: "time stamp seconds at name lsn marked archived setting",
}
PLAIN: Mapping[type, str] = {
    str: "endswith lower removeprefix removesuffix replace split splitlines startswith strip title upper",
    list: "append",
    dict: "get items keys values",
    datetime: "date day hour isoformat minute month second strftime year",
    timedelta: "days seconds total_seconds",
    PurePosixPath: "name parent stem suffix",
}
LOOP = "index index0 first last length revindex revindex0 previtem nextitem cycle changed depth depth0"
JINJA_FILTERS = (
    "abs count d default dictsort first float groupby int items join last length list map max min reject rejectattr "
    "reverse round safe select selectattr slice sort sum unique"
)
JINJA_FILTERS_OF_TEXT = "capitalize lower replace title trim truncate upper"
OUR_FILTERS_OF_TEXT = "text prose cell code_cell fenced section"
JINJA_GLOBALS = "namespace range"

ATTRIBUTES: Mapping[type, frozenset[str]] = {
    kind: frozenset(names.split()) for kind, names in {**VALUES, **PLAIN}.items()
}


def is_documented(value: object, name: str) -> bool:
    """Whether a template may ask a value for this attribute or method."""
    return any(name in ATTRIBUTES.get(kind, ()) for kind in type(value).__mro__)
