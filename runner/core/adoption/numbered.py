"""Tools that keep numbers, and little else: dbmate, golang-migrate, goose, Rails, Supabase.

The tables as these tools make them:
https://github.com/amacneil/dbmate/blob/main/pkg/driver/postgres/postgres.go,
https://github.com/golang-migrate/migrate/blob/master/database/postgres/postgres.go,
https://github.com/pressly/goose/blob/main/database/dialect/postgres.go,
https://github.com/rails/rails/blob/main/activerecord/lib/active_record/schema_migration.rb,
https://github.com/supabase/cli/blob/develop/pkg/migration/history.go
"""

from collections.abc import Sequence

from runner.core.adoption.history import Entry, History, Row, Source, by_version, version_of
from runner.errors import Finding

# Columns of other tools' tables of this name, ours among them.
OF_OTHERS = frozenset({"checksum", "dirty", "inserted_at", "statements"})


def _versions(rows: Sequence[Row]) -> History:
    return History(entries=by_version([_entry(row["version"]) for row in rows]))


def _entry(version: str) -> Entry:
    return Entry(name=version, version=version_of(version))


def _supabase(rows: Sequence[Row]) -> History:
    return History(entries=by_version([_with_name(row["version"], row["name"] or "") for row in rows]))


def _with_name(version: str, name: str) -> Entry:
    """Supabase's files are called after both."""
    whole = f"{version}_{name}" if name else version
    return Entry(name=whole, version=version_of(version), title=name)


def _goose(rows: Sequence[Row]) -> History:
    """The last row of each version counts, as one may have been undone and applied again; 0 is the table's own first
    row.
    """
    last = {row["version_id"]: row for row in sorted(rows, key=lambda row: row["id"])}
    return History(
        entries=by_version(
            [
                Entry(name=str(version), version=(version,), applied_at=row["tstamp"])
                for version, row in last.items()
                if row["is_applied"] and version > 0
            ]
        )
    )


def _golang_migrate(rows: Sequence[Row]) -> History:
    """One row: the version up to which everything is applied, or at which it stopped half way."""
    problems = [
        Finding(
            f"version {row['version']} is dirty: golang-migrate has stopped in the middle of it",
            hint="bring the database to where that migration begins or ends, tell that tool with `migrate force "
            "VERSION`, and adopt again",
        )
        for row in rows
        if row["dirty"]
    ]
    entries = [Entry(name=str(row["version"]), version=(row["version"],), reaches_back=True) for row in rows]
    return History(entries=tuple(entries), problems=tuple(problems))


DBMATE = RAILS = Source(
    tables=("schema_migrations",), columns={"version": "text"}, strange=OF_OTHERS, read=_versions
)  # fmt: skip
SUPABASE = Source(
    tables=("supabase_migrations.schema_migrations",),
    columns={"version": "text"},
    optional={"name": "text"},
    strange=OF_OTHERS - {"statements"},
    read=_supabase,
)
GOLANG_MIGRATE = Source(
    tables=("schema_migrations",), columns={"version": "bigint", "dirty": "boolean"}, read=_golang_migrate
)
GOOSE = Source(
    tables=("goose_db_version",),
    columns={"id": "bigint", "version_id": "bigint", "is_applied": "boolean"},
    optional={"tstamp": "timestamptz"},
    read=_goose,
)
