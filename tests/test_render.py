"""Summary, comment and notes: the same for the same report, and untrusted text in it is nothing but text.

The files in `golden/` are what GitHub would get. After a change that is meant, renew them with
`RENEW_GOLDEN=1 .venv/bin/python -m pytest tests/test_render.py`, and look at the difference.
"""

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path, PurePosixPath
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment

from runner import render, resources
from runner.core.backup import Backup
from runner.core.frame import code_frame
from runner.core.impact import impacts_of
from runner.core.migration import Migration
from runner.core.model import BackupMode, DryRunMode, Report, SourceFile, StageResult, StageState, Verdict
from runner.core.next_steps import next_steps
from runner.core.parse import parse_down
from runner.core.plan_document import PlanDocument
from runner.core.restore_point import RestorePoint
from runner.core.retry import explained
from runner.core.schema import SchemaObject, schema_of
from runner.core.schema_diff import SchemaDifference, schema_difference
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
from runner.core.trial import DryRun, LockTaken, Rehearsed, TableFacts, Trace
from runner.errors import Finding, Level, Outcome
from runner.render import page
from runner.secrets import Scrubber
from runner.templating.templates import Templates
from tests.builders import NOON, a_migration, a_plan, a_report, a_stage, a_step, a_target, on_github

T = TypeVar("T", StageResult, StepResult)


def notes_of(report: Report, scrub: Callable[[str], str]) -> str:
    """As a run of a tag writes them."""
    return Templates().release_notes(report, "v1.2.3", scrub)


def noted(name: str) -> bool:
    """Whether a run that ends so has notes of its tag."""
    return REPORTS[name].outcome is Outcome.APPLIED


GOLDEN = Path(__file__).parent / "golden"
TEMPLATES = {"summary": Templates().summary, "pr_comment": Templates().pr_comment, "release_notes": notes_of}
summary = Templates().summary

USERS = a_migration(
    1,
    name="users",
    sql="-- Migration: Users\n-- Purpose: Who may log in\nCREATE TABLE users (id int);\nCREATE INDEX ON users (id);",
    down="DROP TABLE users;",
)
ORDERS = a_migration(
    2,
    name="orders",
    sql="-- Purpose: What they buy | sell\n-- Breaking: `orders.state` is gone\nALTER TABLE orders DROP COLUMN stat;\n",
)
ITEMS = a_migration(3, name="order_items")
INDEXES = a_migration(4, name="indexes", sql="SELECT 1;\nCREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (id);")
PLAN = replace(a_plan(), pending=(USERS.file, ORDERS.file, ITEMS.file))
LOOKED = [a_stage("files", "3 in migrations", ms=3), a_stage("connect", "PostgreSQL 17.2, database app", ms=21)]
LINT = [
    Finding(
        "Dropping a column may break `existing clients | readers`.",
        level=Level.ERROR,
        path=ORDERS.file.path,
        line=3,
        column=1,
        rule="ban-drop-column",
        url="https://squawkhq.com/docs/ban-drop-column",
    ),
    Finding(
        "IF NOT EXISTS is content with an invalid index",
        level=Level.WARNING,
        path=INDEXES.file.path,
        line=2,
        column=1,
        hint="leave IF NOT EXISTS out",
        rule="if-not-exists-concurrently",
        url="https://github.com/org/db-migrate-action/blob/v1/docs/lint.md#if-not-exists-concurrently",
    ),
    Finding("squawk did not look at it", level=Level.NOTICE, path=INDEXES.file.path, rule="not-linted"),
]
BROKEN = Finding(
    'column "stat" of relation "orders" does not exist (SQLSTATE 42703)',
    path=ORDERS.file.path,
    line=3,
    column=32,
    frame=code_frame(ORDERS.file.up.data, 3, 32),
    detail="context: PL/pgSQL function f()",
    hint="",
)

INTERRUPTED = Finding(
    "canceling statement due to lock timeout (SQLSTATE 55P03)",
    path=INDEXES.file.path,
    line=2,
    column=1,
    frame=code_frame(INDEXES.source.data, 2, 1),
    hint="somebody held a lock on the table for longer than `lock-timeout`; run again at a quieter moment",
)

STRONG = LockTaken(relation="public.orders", mode="AccessExclusiveLock")
ORDERS_NOW = TableFacts(name="public.orders", size=12 * 1024**3, rows=48_000_000, writes=130.0)
USERS_NOW = TableFacts(name="public.users", size=160 * 1024**2, rows=812_000)
TRACES = (
    Trace(line=3, sql="ALTER TABLE orders DROP COLUMN stat", locks=(STRONG,), duration=timedelta(milliseconds=3)),
    Trace(
        line=4,
        sql="ALTER TABLE orders ALTER total TYPE bigint, ADD note text DEFAULT '`|`'",
        locks=(replace(STRONG, before=True), LockTaken(relation="public.users", mode="ShareRowExclusiveLock")),
        rewritten=("public.orders",),
        rebuilt=("public.orders_pkey",),
        scanned=("public.orders",),
    ),
    Trace(line=5, sql="INSERT INTO items VALUES (1, 17)", count=3, left_out="violates foreign key constraint"),
)
TRIED = Rehearsed(migration=ORDERS, traces=TRACES)
BUILT = Rehearsed(
    migration=INDEXES,
    traces=(
        Trace(
            line=2,
            sql="CREATE INDEX CONCURRENTLY IF NOT EXISTS i ON users (id)",
            locks=(LockTaken(relation="public.users", mode="ShareUpdateExclusiveLock"),),
            scanned=("public.users",),
        ),
    ),
)
FACTS = {facts.name: facts for facts in (ORDERS_NOW, USERS_NOW)}
BEFORE = [
    SchemaObject(kind="table", name="public.orders"),
    SchemaObject(kind="column", name="stat", table="public.orders", text="text"),
    SchemaObject(kind="column", name="total", table="public.orders", text="integer"),
]
AFTER = [
    BEFORE[0],
    SchemaObject(kind="column", name="total", table="public.orders", text="bigint"),
    SchemaObject(kind="index", name="public.i", table="public.users", text="CREATE INDEX i ON public.users (id)"),
]
CHANGES = schema_difference(schema_of(BEFORE), schema_of(AFTER))
CHANGES_BACK = schema_difference(schema_of(AFTER), schema_of(BEFORE))
DOCUMENT = PlanDocument(content={"format": 1, "files": []})


POINT = RestorePoint(at=NOON, name="db_migrate_7f3c2c1e", lsn="0/16B3748", archived=True)
DUMP = Backup(path=PurePosixPath("db-migrate-report/backup.dump"), mode=BackupMode.DUMP, size=12 * 1024**2, entries=84)
PAID = a_migration(2, name="paid", sql="ALTER TABLE orders ADD paid bool;", down="ALTER TABLE orders DROP paid;")
PAID_INDEX = a_migration(
    3,
    name="paid_index",
    sql="CREATE INDEX CONCURRENTLY paid_index ON orders (paid);",
    down="DROP INDEX CONCURRENTLY paid_index;",
)
THREE = (USERS, PAID, PAID_INDEX)
LOST = Finding("the connection was lost", path=PAID.file.path, line=1)
TOTAL = a_migration(4, name="total", sql="ALTER TABLE orders ADD total int;", down="ALTER TABLE orders DROP total;")
GONE = tuple(parse_down(each.file) for each in (TOTAL, PAID_INDEX, PAID))  # by a rollback


def a_smoke_test(name: str, message: str = "") -> SmokeResult:
    source = SourceFile(path=PurePosixPath(f"smoke-tests/{name}.sql"), data=b"SELECT true;")
    failure = Finding(message, path=source.path, line=1) if message else None
    return SmokeResult(
        test=SmokeTest(source=source, statements=()), duration=timedelta(milliseconds=4), failure=failure
    )


IN_THE_WAY = Finding(
    "cannot drop column paid of table orders because other objects depend on it (SQLSTATE 2BP01)",
    path=PurePosixPath("migrations/02_paid.down.sql"),
    line=1,
    detail="view v depends on column paid of table orders",
)
SMOKE = [a_smoke_test("users"), a_smoke_test("orders", "the first column of row 1 is false, and must be `true`")]


def undone(*migrations: Migration, failing: Migration | None = None) -> Undoing:
    """These are undone, and one more could not be."""
    steps = [a_step(parse_down(migration.file)) for migration in migrations]
    if failing:
        down = parse_down(failing.file)
        failure = Finding("other objects depend on it (SQLSTATE 2BP01)", path=down.source.path, line=1)
        steps.append(a_step(down, failure=failure))
    return Undoing(steps=tuple(steps))


def a_dry_run(mode: DryRunMode, *rehearsed: Rehearsed, schema: SchemaDifference | None = CHANGES) -> DryRun:
    where = "PostgreSQL 17.6 in a container of postgres:17"
    return DryRun(mode=mode, where=where, rehearsed=rehearsed, impacts=impacts_of(rehearsed, FACTS), schema=schema)


LOCKED = replace(
    INTERRUPTED,
    path=ORDERS.file.path,
    line=3,
    frame=code_frame(ORDERS.file.up.data, 3, 1),
    hint="somebody held a lock on the table for longer than `lock-timeout`; run again at a quieter moment",
    sqlstate="55P03",
)
READER = Session(
    pid=4711,
    application="reporting",
    role="app",
    state="idle in transaction",
    age=timedelta(seconds=185),
    query="SELECT * FROM orders WHERE state = 'open | new'",
)
RETRIES = (
    Retry(attempt=1, why="waited 5.0 s for a lock", pause=timedelta(seconds=0.7), in_the_way=(READER,)),
    Retry(
        attempt=2,
        why="62 sessions waited behind it",
        pause=timedelta(seconds=1),
        in_the_way=(READER, *(Session(pid=pid) for pid in range(1, 6))),
    ),
)
HELD = (
    LockHeld(relation="public.order_items", mode="AccessExclusiveLock", duration=timedelta(seconds=1.5)),
    LockHeld(relation="public.users", mode="ShareRowExclusiveLock", duration=timedelta(milliseconds=250)),
)


def after_three(outcome: Outcome, exit_code: int = 1, **others: object) -> Report:
    """A run in production that has executed three migrations which can be undone, from a restore point on."""
    values: dict[str, object] = {
        "environment": "production",
        "plan": replace(PLAN, pending=tuple(migration.file for migration in THREE)),
        "migrations": THREE,
        "steps": [a_step(migration) for migration in THREE],
        "restore_point": POINT,
    }
    return finished(outcome, exit_code, **values | others)


def going_back(outcome: Outcome, exit_code: int = 0, *, undoing: Undoing | None = None, **others: object) -> Report:
    """A rollback of three migrations in production, down to the first; the checkout still has their files."""
    gone = set(undoing.undone) if undoing else set()
    there = tuple(version for version in ("00", "01", "02", "03", "04") if version not in gone)
    values: dict[str, object] = {
        "command": "rollback",
        "environment": "production",
        "plan": replace(a_plan(applied=there), pending=tuple(each.file for each in GONE[::-1] if each.version in gone)),
        "migrations": GONE,
        "undoing": undoing,
    }
    return finished(outcome, exit_code, **values | others)


def finished(outcome: Outcome, exit_code: int = 0, **others: object) -> Report:
    """A report with what is to be done now; its stages came one after another, and the steps in that of `apply`."""
    report = a_report(outcome, exit_code=exit_code, context=on_github(), target=a_target(), **others)
    stages = in_a_row(report.stages)
    applying = next((stage.started for stage in stages if stage.name == "apply"), timedelta())
    report = replace(report, stages=stages, steps=in_a_row(report.steps, applying))
    return replace(report, next_steps=next_steps(report))


def in_a_row(parts: Sequence[T], begin: timedelta = timedelta()) -> tuple[T, ...]:
    """Each beginning where the one before it has ended."""
    starts = accumulate((part.duration for part in parts), initial=begin)
    return tuple(replace(part, started=start) for part, start in zip(parts, starts, strict=False))


REPORTS = {
    "applied": finished(
        Outcome.APPLIED,
        plan=PLAN,
        migrations=[USERS, ORDERS, ITEMS],
        stages=[
            *LOOKED,
            a_stage("review window", "none in this environment", state=StageState.SKIPPED),
            a_stage("apply", "3 migrations", ms=1340),
        ],
        steps=[a_step(USERS), a_step(ORDERS, duration=timedelta(seconds=75)), a_step(ITEMS, duration=timedelta())],
        findings=[Finding("the numbering has gaps: 4", level=Level.WARNING, hint="was a file forgotten?")],
    ),
    "applied-to-production": after_three(
        Outcome.APPLIED, 0, backup=DUMP, smoke=[a_smoke_test("users"), a_smoke_test("orders")]
    ),
    "second-attempt": after_three(
        Outcome.APPLIED, 0, steps=[a_step(PAID_INDEX)], schema=CHANGES, plan_document=DOCUMENT
    ),
    "smoke-test-failed": after_three(Outcome.FAILED, smoke=SMOKE, findings=[SMOKE[1].failure]),
    "rolled-back": after_three(
        Outcome.ROLLED_BACK,
        smoke=SMOKE,
        findings=[SMOKE[1].failure],
        undoing=undone(PAID_INDEX, PAID, USERS),
        backup=replace(DUMP, mode=BackupMode.SCHEMA),
    ),
    "rolled-back-in-part": after_three(
        Outcome.FAILED, smoke=SMOKE, findings=[SMOKE[1].failure], undoing=undone(PAID_INDEX, failing=PAID)
    ),
    "connection-lost": after_three(
        Outcome.FAILED,
        steps=[a_step(USERS), a_step(PAID, failure=LOST, sure=False)],
        findings=[LOST],
        restore_point=replace(POINT, name="", archived=False),
    ),
    "tried-again": finished(
        Outcome.APPLIED,
        plan=PLAN,
        migrations=[USERS, ORDERS, ITEMS],
        stages=LOOKED,
        steps=[
            a_step(
                USERS,
                duration=timedelta(seconds=77),
                slowest=(
                    StatementTime(line=3, duration=timedelta(seconds=75)),
                    StatementTime(line=4, duration=timedelta(milliseconds=999)),
                ),
            ),
            a_step(ORDERS, retries=RETRIES),
            a_step(ITEMS),
        ],
        watched=Watched(locks=HELD, largest_queue=62, longest_wait=timedelta(seconds=5.1)),
    ),
    "gave-up": finished(
        Outcome.FAILED,
        1,
        plan=PLAN,
        migrations=[USERS, ORDERS, ITEMS],
        stages=LOOKED,
        steps=[a_step(USERS), a_step(ORDERS, failure=LOCKED, retries=RETRIES[:1], in_the_way=(READER,))],
        findings=[explained(LOCKED, attempts=2, reason="", in_the_way=(READER,))],
        watched=Watched(locks=tuple(replace(HELD[0], relation=f"public.t{number}") for number in range(6))),
    ),
    "up-to-date": finished(
        Outcome.UP_TO_DATE,
        plan=a_plan(applied=("01", "02", "03")),
        stages=[*LOOKED, a_stage("apply", "nothing to do", state=StageState.SKIPPED)],
    ),
    "dry-run-on-a-shadow": finished(
        Outcome.DRY_RUN,
        plan=replace(PLAN, pending=(ORDERS.file, INDEXES.file)),
        migrations=[ORDERS, INDEXES],
        dry_run=a_dry_run(DryRunMode.SHADOW, TRIED, BUILT),
        plan_document=DOCUMENT,
    ),
    "dry-run-of-nothing-that-matters": finished(
        Outcome.DRY_RUN,
        plan=replace(PLAN, pending=(USERS.file,)),
        migrations=[USERS],
        dry_run=a_dry_run(DryRunMode.SHADOW, Rehearsed(migration=USERS, traces=(Trace(line=3, sql="CREATE …"),))),
    ),
    "dry-run-failed": finished(
        Outcome.FAILED,
        exit_code=1,
        plan=replace(PLAN, pending=(ORDERS.file,)),
        migrations=[ORDERS],
        findings=[BROKEN],
        dry_run=a_dry_run(DryRunMode.REHEARSE, replace(TRIED, failure=BROKEN), schema=None),
    ),
    "applied-after-a-rehearsal": finished(
        Outcome.APPLIED,
        plan=replace(PLAN, pending=(ORDERS.file, INDEXES.file)),
        migrations=[ORDERS, INDEXES],
        steps=[a_step(ORDERS), a_step(INDEXES)],
        dry_run=a_dry_run(
            DryRunMode.REHEARSE, TRIED, Rehearsed(migration=INDEXES, left_out="it runs outside of a transaction")
        ),
        schema=CHANGES,
        plan_document=DOCUMENT,
    ),
    "verify-drift": replace(
        finished(
            Outcome.REFUSED,
            exit_code=4,
            findings=[
                Finding(
                    "the schema was changed since the run 1f0c4a9e of 2026-11-27 14:03 UTC: + index public.i",
                    hint="put it into a migration, or take it back",
                    diff=CHANGES.unified(),
                )
            ],
        ),
        command="verify",
        next_steps=(),
    ),
    "dry-run": finished(
        Outcome.DRY_RUN,
        plan=replace(PLAN, pending=PLAN.pending[1:], applied=("01",)),
        migrations=[ORDERS, ITEMS],
        stages=[*LOOKED, a_stage("apply", "this is a dry run", state=StageState.SKIPPED)],
    ),
    "refused": replace(
        finished(
            Outcome.REFUSED,
            2,
            findings=[
                Finding("dry-run: `yes` is neither true nor false", hint="write true or false"),
                Finding("database-url: is missing", hint="give it from a secret"),
            ],
        ),
        target=None,
    ),
    "refused-by-gates": finished(
        Outcome.REFUSED,
        3,
        stages=[
            *LOOKED,
            a_stage("confirmation", "production needs a confirmation, and none was given", state=StageState.FAILED),
        ],
        verdicts=[
            Verdict(gate="environment", passed=True, reason="this database is production"),
            Verdict(gate="tag", passed=True, reason="v1.2.3 is a version"),
            Verdict(
                gate="confirmation",
                passed=False,
                reason="production needs a confirmation, and none was given",
                way_out="give `confirmation: MIGRATE-PRODUCTION`",
            ),
            Verdict(
                gate="freeze windows",
                passed=False,
                reason="Sat 2026-11-28 09:32 Europe/Berlin is outside of `Mon-Thu 09:00-16:00 Europe/Berlin`",
                way_out="at Mon 2026-11-30 09:00 Europe/Berlin they open",
            ),
        ],
        findings=[
            Finding(
                "confirmation: production needs a confirmation, and none was given",
                hint="give `confirmation: MIGRATE-PRODUCTION`",
            ),
            Finding(
                "freeze windows: Sat 2026-11-28 09:32 Europe/Berlin is outside of `Mon-Thu 09:00-16:00 Europe/Berlin`",
                hint="at Mon 2026-11-30 09:00 Europe/Berlin they open",
            ),
        ],
    ),
    "drift": finished(
        Outcome.REFUSED,
        4,
        stages=[*LOOKED, a_stage("plan", "refused", state=StageState.FAILED, ms=1)],
        findings=[
            Finding(
                "Migration 01 checksum mismatch! File has been modified after being applied. This is unsafe.",
                path=USERS.file.path,
                line=1,
                hint="restore the file as it was applied, and put the change into a new migration",
                diff=(
                    "--- migrations/01_users.sql (as applied)\n+++ migrations/01_users.sql (now)\n"
                    "@@ -3 +3 @@\n-CREATE TABLE users (id int);\n+CREATE TABLE users (id bigint);"
                ),
            )
        ],
    ),
    "failed-outside-of-a-transaction": finished(
        Outcome.FAILED,
        1,
        plan=replace(a_plan(applied=("01", "02", "03")), pending=(INDEXES.file,)),
        migrations=[INDEXES],
        stages=[*LOOKED, a_stage("apply", "failed", state=StageState.FAILED, ms=31)],
        steps=[a_step(INDEXES, failure=INTERRUPTED, statements_done=1)],
        findings=[INTERRUPTED, *LINT[1:]],
    ),
    "check": replace(
        finished(
            Outcome.DRY_RUN,
            command="check",
            migrations=[USERS, ORDERS, INDEXES],
            stages=[a_stage("files", "3 in migrations", ms=3), a_stage("proof", "3 migrations from zero", ms=900)],
            rehearsed=[a_step(USERS), a_step(ORDERS), a_step(INDEXES)],
            findings=[*LINT, Finding("the numbering has gaps: 3", level=Level.WARNING, hint="was a file forgotten?")],
        ),
        target=None,
    ),
    "check-failed": replace(
        finished(
            Outcome.REFUSED,
            2,
            command="check",
            migrations=[USERS, ORDERS],
            findings=[
                Finding(
                    "`\\q` is a command of psql, not SQL", path=ITEMS.file.path, line=2, column=1, hint="take it out"
                ),
                *LINT,
            ],
        ),
        target=None,
    ),
    "failed": finished(
        Outcome.FAILED,
        1,
        plan=PLAN,
        migrations=[USERS, ORDERS, ITEMS],
        stages=[*LOOKED, a_stage("apply", "failed", state=StageState.FAILED, ms=31)],
        steps=[a_step(USERS), a_step(ORDERS, failure=BROKEN)],
        findings=[BROKEN],
    ),
    "cancelled": finished(
        Outcome.CANCELLED,
        143,
        plan=PLAN,
        migrations=[USERS, ORDERS, ITEMS],
        stages=[*LOOKED, a_stage("review window", "cancelled", state=StageState.FAILED, ms=4000)],
        findings=[Finding("cancelled by SIGTERM")],
    ),
    "status": finished(
        Outcome.DRY_RUN,
        command="status",
        plan=replace(PLAN, pending=PLAN.pending[2:], applied=("01", "02")),
        table=Table(
            headings=("version", "name", "state", "drift"),
            rows=(
                ("01", "users", "completed", ""),
                ("02", "orders", "completed", "file modified"),
                ("03", "items", "pending", ""),
            ),
        ),
    ),
    "history": finished(
        Outcome.UP_TO_DATE, command="history", table=Table(headings=("version", "action", "error"), rows=())
    ),
    "back-on-a-shadow": going_back(
        Outcome.DRY_RUN,
        dry_run=a_dry_run(
            DryRunMode.SHADOW,
            Rehearsed(
                migration=GONE[0],
                traces=(Trace(line=1, sql="ALTER TABLE orders DROP total", locks=(STRONG,)),),
            ),
            schema=CHANGES_BACK,
        ),
        plan_document=DOCUMENT,
    ),
    "back-failed-on-a-shadow": going_back(
        Outcome.FAILED,
        1,
        findings=[IN_THE_WAY],
        dry_run=a_dry_run(DryRunMode.SHADOW, Rehearsed(migration=GONE[0], failure=IN_THE_WAY), schema=None),
    ),
    "went-back": going_back(
        Outcome.ROLLED_BACK,
        undoing=undone(TOTAL, PAID_INDEX, PAID),
        restore_point=POINT,
        backup=DUMP,
        schema=CHANGES_BACK,
        plan_document=DOCUMENT,
        stages=[*LOOKED, a_stage("undo", "3 migrations: the database is at 01", ms=36)],
    ),
    "went-back-in-part": going_back(
        Outcome.FAILED, 1, undoing=undone(TOTAL, PAID_INDEX, failing=PAID), findings=[IN_THE_WAY], restore_point=POINT
    ),
    "went-back-half-way": going_back(
        Outcome.FAILED,
        1,
        undoing=Undoing(steps=(*undone(TOTAL).steps, a_step(GONE[1], failure=IN_THE_WAY, sure=False))),
        findings=[IN_THE_WAY],
    ),
    "going-back-was-cancelled": going_back(
        Outcome.CANCELLED,
        143,
        undoing=Undoing(
            steps=(*undone(TOTAL).steps, a_step(GONE[1], failure=Finding("cancelled by SIGTERM"), retries=RETRIES[:1]))
        ),
        findings=[Finding("cancelled by SIGTERM")],
    ),
    "going-back-was-refused": going_back(
        Outcome.REFUSED,
        3,
        migrations=(),
        findings=[
            Finding(
                "migration 03 (paid_index) cannot be undone: it has no down file",
                path=PAID_INDEX.file.path,
                line=1,
                hint="write migrations/03_paid_index.down.sql, which takes back what it did",
            )
        ],
    ),
    "back-already": going_back(
        Outcome.UP_TO_DATE,
        plan=a_plan(applied=("00", "01")),
        migrations=(),
        stages=[*LOOKED, a_stage("undo", "nothing to undo: the database is at 01", state=StageState.SKIPPED)],
    ),
    "on-a-laptop": a_report(plan=a_plan([1]), migrations=[a_migration(1)], steps=[a_step(1)], stages=LOOKED),
}


GIVEN = [(template, name) for template in TEMPLATES for name in REPORTS if template != "release_notes" or noted(name)]


@pytest.mark.parametrize(("template", "name"), GIVEN)
def test_what_is_rendered_is_what_the_golden_file_has(template: str, name: str) -> None:
    file = GOLDEN / template / f"{name}.md"
    rendered = TEMPLATES[template](REPORTS[name], str)
    if os.environ.get("RENEW_GOLDEN"):
        file.write_text(rendered)
    assert rendered == file.read_text()


def test_there_is_a_golden_file_for_every_report_and_no_other() -> None:
    assert {(file.parent.name, file.stem) for file in GOLDEN.rglob("*.md")} == set(GIVEN)


@pytest.mark.parametrize("name", [name for name, report in REPORTS.items() if report.command == "rollback"])
def test_nothing_is_said_to_be_applied_where_something_was_undone(name: str) -> None:
    assert "applied" not in summary(REPORTS[name], str) + Templates().pr_comment(REPORTS[name], str)


@pytest.mark.parametrize(
    ("command", "outcome", "exit_code", "drift", "sign"),
    [
        ("status", Outcome.UP_TO_DATE, 0, "", "✅"),
        ("status", Outcome.DRY_RUN, 0, "", "🔎"),
        ("status", Outcome.UP_TO_DATE, 0, "file modified", "⚠️"),
        ("status", Outcome.UP_TO_DATE, 4, "file modified", "❌"),
        ("status", Outcome.DRY_RUN, 1, "", "❌"),
        ("status", Outcome.REFUSED, 2, "", "⛔"),
        ("check", Outcome.DRY_RUN, 0, "", "✅"),
        ("migrate", Outcome.ROLLED_BACK, 1, "", "↩️"),
    ],
)
def test_the_sign_is_that_of_what_was_found(
    command: str, outcome: Outcome, exit_code: int, drift: str, sign: str
) -> None:
    table = Table(headings=("version", "drift"), rows=(("01", drift),))
    report = a_report(outcome, command=command, exit_code=exit_code, table=table, plan=a_plan(applied=("01",)))
    assert summary(report, str).startswith(f"## {sign} ")


def test_every_outcome_has_a_golden_file() -> None:
    assert {report.outcome for report in REPORTS.values()} == set(Outcome)


# What a reader of the page sees


class Seen(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.links: list[str] = []
        self._words: list[str] = []
        self.feed(html.partition("<main>")[2])
        self.text = " ".join(" ".join(self._words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag != "code":
            self.elements.append(" ".join([tag, *(f"{name}" for name, _ in attrs if name != "href")]))
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_data(self, data: str) -> None:
        self._words.append(data)


def seen(report: Report, scrub: Scrubber | type[str] = str) -> Seen:
    return Seen(page(summary(report, scrub), "test"))


def report_that_says(text: str, *, file: str = "01_x.sql") -> Report:
    """Untrusted text wherever a run could bring some."""
    one_line = " ".join(text.split())
    migration = a_migration(
        1, sql=f"-- Migration: {one_line}\n-- Purpose: {one_line}\n-- Breaking: {one_line}\nSELECT 1;", name="x"
    )
    return a_report(
        Outcome.FAILED,
        environment=text,
        context=on_github(actor=text, ref=text, run_url="", source_url=""),
        target=a_target(database=text),
        plan=replace(a_plan(), pending=(migration.file,)),
        migrations=[migration],
        steps=[
            a_step(
                migration,
                slowest=(StatementTime(line=1, duration=timedelta(seconds=1)),),
                retries=(
                    Retry(
                        attempt=1,
                        why=text,
                        pause=timedelta(seconds=1),
                        in_the_way=(Session(pid=1, application=text, role=text, state=text, query=text),),
                    ),
                ),
            )
        ],
        watched=Watched(locks=(LockHeld(relation=text, mode="ShareLock", duration=timedelta()),)),
        stages=[a_stage(text, text)],
        findings=[
            Finding(
                text, path=PurePosixPath("migrations") / file, line=1, hint=text, detail=text, frame=text, diff=text
            ),
            Finding(text, path=PurePosixPath("migrations") / file, line=1, hint=text, rule=text),
            Finding(f"the file {text} is odd", level=Level.WARNING, hint=text),
        ],
        table=Table(headings=("name", "by"), rows=((text, text), (text, ""))),
        smoke=[a_smoke_test("x", text)],
        undoing=Undoing(why_not=text),
        next_steps=[f"Mend {text} first."],
    )


HARMLESS = seen(report_that_says("harmless"))
ELEMENTS, LINKS = HARMLESS.elements, HARMLESS.links

HOSTILE = {
    "bar": "a | b || c",
    "script": "<script>alert(1)</script>",
    "image": "<img src=x onerror=alert(1)>",
    "closing-tags": "</details></td></table><h1>x</h1>",
    "comment": "<!-- x --> <!--",
    "mention": "@admin and @org/team",
    "issue": "#1 and GH-1",
    "link": "[click](https://evil.example)",
    "picture": "![x](https://evil.example/x.png)",
    "reference": "[x]: https://evil.example",
    "autolink": "<https://evil.example>",
    "emphasis": "*a* **b** _c_ __d__ ~~e~~",
    "heading": "# x",
    "heading-on-the-second-line": "x\n# y",
    "table-behind-a-blank-line": "x\n\n| a | b |\n|---|---|\n| c | d |",
    "underline": "x\n===\ny\n---",
    "fence": "```\nx\n```",
    "longer-fence": "`````\n# x\n````",
    "tilde-fence": "~~~\nx\n~~~",
    "open-backtick": "a ` b",
    "two-backticks": "a `` b `` c",
    "code-with-a-bar": "`a | b` | c",
    "code-with-a-tag": "`<b>x</b>`",
    "code-with-a-backslash": "`\\` | x",
    "backslash": "\\<b>x</b> \\| \\",
    "entity": "&lt;b&gt; &amp; &#60;i&#62;",
    "quote": "> x",
    "rule": "***",
    "template": "{{ report }} {% raw %} {# x #}",
    "dollar": "$$ x $$ and $a$",
    "carriage-return": "a\r| b",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_makes_no_element(text: str) -> None:
    assert seen(report_that_says(text)).elements == ELEMENTS


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_makes_no_link(text: str) -> None:
    assert seen(report_that_says(text)).links == LINKS


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_shown_in_every_place(text: str) -> None:
    shown = without_marks_of_code(seen(report_that_says(text)).text)
    harmless = seen(report_that_says("harmless")).text
    assert shown.count(without_marks_of_code(text)) >= harmless.count("harmless")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_file_name_is_text(text: str) -> None:
    name = " ".join(text.replace("/", "-").split())
    shown = seen(report_that_says("harmless", file=f"01_{name}.sql"))
    assert (shown.elements, shown.links) == (ELEMENTS, LINKS)
    assert f"migrations/01_{name}.sql:1" in shown.text.replace("\u200b", "")


def without_marks_of_code(text: str) -> str:
    """Backticks around a word may make it code; blanks are as the browser shows them."""
    return " ".join(text.replace("`", " ").replace("\\r", " ").replace("\u200b", "").split())


MARKS = st.text("`|<>*_~[]()!#@&\\{}-+=.1: \nab/\"'$", max_size=25)


@settings(deadline=None, derandomize=True, max_examples=60)
@given(MARKS.map(lambda text: f"a{text}z"))
def test_no_text_makes_an_element(text: str) -> None:
    assert seen(report_that_says(text)).elements == ELEMENTS


def test_a_command_that_does_not_exist_is_text_as_well() -> None:
    shown = seen(a_report(Outcome.REFUSED, command="<b>x</b>"))
    assert "b" not in shown.elements


@pytest.mark.parametrize("text", ["a|b", "`a|b` || c"], ids=["code", "code-and-more"])
def test_a_bar_in_code_is_shown_as_it_is_outside_of_a_table(text: str) -> None:
    report = a_report(Outcome.REFUSED, findings=[Finding(f"see `{text}`" if "`" not in text else text)])
    assert "\\" not in seen(report).text


def test_sql_with_a_fence_in_it_stays_one_block_of_code() -> None:
    sql = "SELECT '\n```\n# not a heading\n````\n';"
    html = page(summary(a_report(Outcome.FAILED, findings=[Finding("x", frame=sql)]), str), "test")
    assert html.count("<pre>") == 1
    assert "# not a heading\n````\n';" in html


# Secrets


@pytest.mark.parametrize("secret", ["s3cret", "S3cr_t!*", "a|b<c>", "x`y`z", "p@ss#1", "back\\slash", "[x](y)", "a&b"])
def test_a_secret_is_hidden_in_every_place_even_where_it_would_be_escaped(secret: str) -> None:
    text = f"denied for {secret} there"
    shown = seen(report_that_says(text), Scrubber([secret])).text
    assert secret not in shown
    assert shown.count("denied for *** there") == seen(report_that_says("harmless")).text.count("harmless")


# Places


@pytest.mark.parametrize(
    ("finding", "links"),
    [
        pytest.param(Finding("x"), [], id="nowhere"),
        pytest.param(Finding("x", path=PurePosixPath("migrations/01_x.sql")), ["/migrations/01_x.sql"], id="file"),
        pytest.param(
            Finding("x", path=PurePosixPath("migrations/01_x.sql"), line=7, column=3),
            ["/migrations/01_x.sql#L7"],
            id="line",
        ),
        pytest.param(
            Finding("x", path=PurePosixPath("migrations/01_a (b)#c%d.sql"), line=7),
            ["/migrations/01_a%20%28b%29%23c%25d.sql#L7"],
            id="odd-name",
        ),
        pytest.param(Finding("x", path=PurePosixPath("/elsewhere/01_x.sql"), line=7), [], id="outside-of-the-checkout"),
    ],
)
def test_a_place_in_the_checkout_is_a_link_into_its_commit(finding: Finding, links: Sequence[str]) -> None:
    context = on_github(run_url="", source_url="https://github.com/acme/app/blob/0123abc")
    shown = seen(a_report(Outcome.FAILED, context=context, findings=[finding]))
    assert shown.links == [f"https://github.com/acme/app/blob/0123abc{link}" for link in links]
    assert finding.place in shown.text


def test_without_a_commit_a_place_is_text() -> None:
    shown = seen(a_report(Outcome.FAILED, findings=[Finding("x", path=PurePosixPath("migrations/01_x.sql"), line=7)]))
    assert shown.links == []
    assert "migrations/01_x.sql:7" in shown.text


def test_the_summarys_own_elements_are_elements() -> None:
    assert {"h2", "h3", "table", "pre", "strong", "br", "details", "summary", "sub", "ol", "ul"} <= set(ELEMENTS)


def test_the_page_names_its_language_and_title() -> None:
    html = page("## x", "a title")
    assert html.startswith('<!doctype html>\n<html lang="en">')
    assert "<title>a title</title>" in html
    assert "<h2>x</h2>" in html


def test_templates_compiled_before_render_the_same_and_have_nothing_of_the_process_that_compiled_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in the image: https://jinja.palletsprojects.com/en/stable/api/#bytecode-cache."""
    folder = tmp_path / "bytecode"
    monkeypatch.setattr(render, "BYTECODE", folder)
    before = TEMPLATES["summary"](REPORTS["applied"], str)
    render.environment.cache_clear()
    render.compile_templates()
    compiled = list(folder.iterdir())
    assert len(compiled) == len(list(resources.TEMPLATES.rglob("*.j2")))
    assert not any(render.MARK.encode() in file.read_bytes() for file in compiled)
    for cached in (render.environment, render._compiled):
        cached.cache_clear()
    monkeypatch.setattr(Environment, "compile", lambda *_, **__: pytest.fail("compiled once more"))
    assert TEMPLATES["summary"](REPORTS["applied"], str) == before
