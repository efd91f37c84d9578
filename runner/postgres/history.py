"""The history of a database: what was done to it, as far as somebody asks."""

from datetime import datetime
from typing import Any, LiteralString

from psycopg import errors, rows, sql

from runner.core.listing import History, HistoryEntry
from runner.core.policies import ListingPolicy
from runner.postgres.moments import known
from runner.postgres.session import Connection, reading, usable

AT: LiteralString = known("entry.executed_at")
# A ledger of an earlier shape has no note, which is none then.
ENTRIES: LiteralString = f"""
    SELECT entry.version, entry.action, entry.status, {AT} AS executed_at, entry.execution_time_ms, entry.executed_by,
           entry.environment, entry.error_message, to_jsonb(entry) ->> 'note' AS note, {{run}}
    FROM {{schema}}.migration_history AS entry {{runs}}
    WHERE {{wanted}} ORDER BY {AT} DESC NULLS LAST, entry.id LIMIT %(limit)s"""  # noqa: S608 - of texts of ours
COUNT: LiteralString = "SELECT count(*) FROM {schema}.migration_history AS entry WHERE {wanted}"
WANTED: LiteralString = f"""
    (%(version)s::text IS NULL OR ltrim(entry.version, '0') = ltrim(%(version)s::text, '0'))
    AND (%(action)s::text IS NULL OR entry.action = %(action)s::text)
    AND (%(result)s::text IS NULL OR entry.status = %(result)s::text)
    AND (%(begin)s::timestamptz IS NULL OR {AT} >= %(begin)s::timestamptz)"""
FORMS: tuple[tuple[LiteralString, LiteralString], ...] = (  # the run of an entry, and where it is told
    ("entry.run_id::text, run.run_url", "LEFT JOIN {schema}.migration_runs AS run USING (run_id)"),
    ("entry.run_id::text", ""),  # this role may not read of runs
    ("NULL::text AS run_id", ""),  # a ledger of an earlier shape
)
UNTOLD = (errors.UndefinedTable, errors.UndefinedColumn, errors.InsufficientPrivilege)


def read_history(connection: Connection, schema: str, policy: ListingPolicy, *, now: datetime) -> History:
    """The entries that the policy asks for, as a ledger of any shape tells them. Raises DatabaseUnusable."""
    given = {
        "version": policy.version,
        "action": policy.action,
        "result": policy.result,
        "begin": policy.begin(now),
        "limit": policy.limit,
    }
    *better, last = FORMS
    with usable(connection):
        for form in better:
            try:
                return _read(connection, schema, form, given)
            except UNTOLD:
                continue
        return _read(connection, schema, last, given)


def _read(
    connection: Connection, schema: str, form: tuple[LiteralString, LiteralString], given: dict[str, Any]
) -> History:
    names = {"schema": sql.Identifier(schema), "wanted": sql.SQL(WANTED)}
    run, runs = (sql.SQL(part).format(**names) for part in form)
    with reading(connection):
        entries = connection.cursor(row_factory=rows.class_row(HistoryEntry))
        entries.execute(sql.SQL(ENTRIES).format(**names, run=run, runs=runs), given, binary=True)
        count = connection.execute(sql.SQL(COUNT).format(**names), given)
    shown = tuple(entries.fetchall())
    [matching] = count.fetchone() or (0,)
    return History(entries=shown, left_out=matching - len(shown))
