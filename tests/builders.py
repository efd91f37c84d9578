"""Values for tests. Each builder takes what the test is about, and fills in the rest."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

from hypothesis import settings

from runner.core.checksum import checksum as digest_of
from runner.core.migration import Migration
from runner.core.model import (
    Applied,
    Backend,
    LedgerState,
    MigrationFile,
    Plan,
    Report,
    RunContext,
    SourceFile,
    StageResult,
    StageState,
    Target,
)
from runner.core.parse import parse
from runner.core.steps import StepResult
from runner.errors import Finding, Outcome

SQL = "SELECT 1;\n"
NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
STEADY = settings(deadline=None, derandomize=True, max_examples=150)
"""For property tests: the same examples in every run, however slow the machine."""


def version_text(version: int | str) -> str:
    """1 → "01"; text stays as it is."""
    return version if isinstance(version, str) else f"{version:02d}"


def a_migration_file(
    version: int | str = 1,
    *,
    sql: str = SQL,
    name: str = "example",
    checksum: str = "",
    down: str | None = None,
    check: str | None = None,
) -> MigrationFile:
    """`migrations/01_example.sql`, not parsed."""
    text = version_text(version)

    def source(kind: str, content: str) -> SourceFile:
        return SourceFile(path=PurePosixPath(f"migrations/{text}_{name}{kind}.sql"), data=content.encode())

    return MigrationFile(
        version=text,
        name=name,
        up=source("", sql),
        checksum=checksum or digest_of(sql.encode()),
        down=source(".down", down) if down is not None else None,
        check=source(".check", check) if check is not None else None,
    )


def a_migration(version: int | str = 1, *, sql: str = SQL, **others: Any) -> Migration:
    """The same, parsed."""
    return parse(a_migration_file(version, sql=sql, **others))


def applied(
    version: int | str = 1, *, name: str = "example", checksum: str = "", status: str = "completed", **others: Any
) -> Applied:
    """A ledger row, by default that of the file which `a_migration_file` makes."""
    return Applied(
        version=version_text(version), name=name, checksum=checksum or digest_of(SQL.encode()), status=status, **others
    )


def a_plan(pending: Sequence[int | str] = (), **others: Any) -> Plan:
    """A plan that runs these versions."""
    return Plan(pending=tuple(a_migration_file(version) for version in pending), **others)


def a_step(migration: Migration | int = 1, *, failure: str | Finding = "", **others: Any) -> StepResult:
    """A migration that took 12 ms and succeeded, unless `failure` says what went wrong."""
    migration = a_migration(migration) if isinstance(migration, int) else migration
    finding = Finding(failure, path=migration.file.path, line=1) if isinstance(failure, str) and failure else failure
    values: dict[str, Any] = {
        "duration": timedelta(milliseconds=12),
        "statements_done": 0 if finding else len(migration.statements),
        "failure": finding or None,
    }
    return StepResult(migration=migration, **values | others)


def a_stage(name: str, note: str = "", *, state: StageState = StageState.OK, ms: int = 0) -> StageResult:
    """One row of the run's account."""
    return StageResult(name=name, state=state, note=note, duration=timedelta(milliseconds=ms))


def a_target(**others: Any) -> Target:
    """A PostgreSQL 17.2 that has a ledger, and a role that may do everything."""
    values: dict[str, Any] = {
        "database": "app",
        "backend": Backend(4711),
        "tells_wal": True,
        "role": "migrator",
        "server_version": 170002,
        "in_recovery": False,
        "read_only": False,
        "may_create_schema": True,
        "schema_exists": True,
        "may_create_tables": True,
        "may_use_schema": True,
        "foreign_table": "",
        "foreign_columns": (),
        "tables": ("schema_migrations", "migration_history", "migration_runs", "migration_environment"),
        "unwritable": (),
        "ledger": LedgerState.CURRENT,
    }
    return Target(**values | others)


def a_context(**others: Any) -> RunContext:
    """A run that somebody started on a laptop."""
    values: dict[str, Any] = {"run_id": "7f3c2c1e-5a0b-4a53-9d0e-1d6c8f1b2a34", "actor": "ada"}
    return RunContext(**values | others)


def on_github(**others: Any) -> RunContext:
    """A run in a workflow, of a push to main."""
    values: dict[str, Any] = {
        "triggering_actor": "grace",
        "repository": "acme/app",
        "ref": "refs/heads/main",
        "sha": "0123456789abcdef0123456789abcdef01234567",
        "run_url": "https://github.com/acme/app/actions/runs/42",
        "source_url": "https://github.com/acme/app/blob/0123456789abcdef0123456789abcdef01234567",
        "run_attempt": 1,
        "event": "push",
    }
    return replace(a_context(), **values | others)


def a_report(outcome: Outcome = Outcome.APPLIED, **others: Any) -> Report:
    """The report of a run for staging that took two seconds."""
    values: dict[str, Any] = {
        "command": "migrate",
        "environment": "staging",
        "outcome": outcome,
        "exit_code": 0,
        "context": a_context(),
        "runner_version": "1.2.3",
        "started_at": NOON,
        "duration": timedelta(seconds=2),
    }
    return Report(**values | others)
