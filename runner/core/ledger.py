"""Which shape the ledger has, judged by the columns of its tables."""

from collections.abc import Collection, Mapping

from runner.core.model import LedgerState
from runner.core.tools import Tool

PROMISED: Mapping[str, frozenset[str]] = {
    "schema_migrations": frozenset(
        ["version", "name", "applied_at", "checksum", "execution_time_ms", "status", "error_message", "applied_by"]
    ),
    "migration_history": frozenset(
        [
            "id",
            "version",
            "action",
            "executed_at",
            "execution_time_ms",
            "status",
            "error_message",
            "executed_by",
            "environment",
        ]
    ),
    "migration_runs": frozenset({"run_id", "command", "environment", "outcome"}),
    "migration_environment": frozenset({"environment"}),
}
"""The columns that make a table ours; without them it belongs to somebody else."""

COMPLETE: Mapping[str, frozenset[str]] = {
    "schema_migrations": PROMISED["schema_migrations"]
    | frozenset(["sql_digest", "transactional", "statements_total", "statements_done", "body", "down_body", "run_id"])
    | frozenset(["down_checksum", "undoing", "statements_undone"]),
    "migration_history": PROMISED["migration_history"] | {"run_id", "note"},
    "migration_runs": PROMISED["migration_runs"]
    | {"plan_digest", "restore_point", "wal_start", "wal_end", "schema_fingerprint", "schema_snapshot"},
    "migration_environment": PROMISED["migration_environment"],
}
"""What the ledger's current shape has; a table that lacks some of it is brought up to date before a run."""


def judge(columns: Mapping[str, Collection[str]], *, answers: bool) -> LedgerState:
    """The ledger's state from its tables' columns; `answers` when view and function of the ledger are there."""
    if foreign_table(columns):
        return LedgerState.FOREIGN
    if "schema_migrations" not in columns:
        return LedgerState.ABSENT
    complete = all(wanted <= set(columns.get(table, ())) for table, wanted in COMPLETE.items())
    return LedgerState.CURRENT if complete and answers else LedgerState.OUTDATED


def foreign_table(columns: Mapping[str, Collection[str]]) -> str | None:
    """The first table with a name of ours that is not ours."""
    return next((table for table, wanted in PROMISED.items() if table in columns and not wanted <= set(columns[table])),
                None)  # fmt: skip


def tool_of(columns: Collection[str]) -> str:
    """The tool whose table has these columns, in the words of the error that names it."""
    match frozenset(columns):
        case shape if {"version", "dirty"} == shape:
            return "golang-migrate"
        case shape if shape == {"version"}:
            return "dbmate, Rails or another tool that keeps only versions"
        case shape if {"version", "inserted_at"} == shape:
            return "Ecto"
        case shape if {"version", "statements"} <= shape:
            return "Supabase"
        case _:
            return "another tool"


def adoptable(columns: Collection[str]) -> tuple[Tool, ...]:
    """The tools that `adopt` reads a `schema_migrations` of these columns for; none where it reads no such table."""
    match frozenset(columns):
        case shape if {"version", "dirty"} == shape:
            return (Tool.GOLANG_MIGRATE,)
        case shape if shape == {"version"}:
            return (Tool.DBMATE, Tool.RAILS)
        case shape if {"version", "statements"} <= shape:
            return (Tool.SUPABASE,)
        case _:
            return ()
