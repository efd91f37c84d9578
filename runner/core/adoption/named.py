"""Tools that keep the names of files: graphile-migrate, node-pg-migrate, Prisma.

The tables as these tools make them:
https://github.com/graphile/migrate/blob/main/src/migration.ts,
https://github.com/salsita/node-pg-migrate/blob/main/src/runner.ts,
https://github.com/prisma/prisma-engines/blob/main/schema-engine/ARCHITECTURE.md
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from runner.core.adoption.history import Entry, History, Row, Source, title_of, version_of
from runner.errors import Finding

LONG_AGO = datetime.min.replace(tzinfo=UTC)


def _entry(name: str, applied_at: datetime | None, digest: str = "") -> Entry:
    return Entry(name=name, version=version_of(name), title=title_of(name), applied_at=applied_at, digest=digest)


def _graphile_migrate(rows: Sequence[Row]) -> History:
    """Its names are without what follows the number in those of the files."""
    ordered = sorted(rows, key=lambda row: str(row["filename"]))
    return History(entries=tuple(_entry(row["filename"], row["date"]) for row in ordered))


def _node_pg_migrate(rows: Sequence[Row]) -> History:
    ordered = sorted(rows, key=lambda row: int(row["id"]))
    return History(entries=tuple(_entry(row["name"], row["run_on"]) for row in ordered))


def _prisma(rows: Sequence[Row]) -> History:
    """Each attempt is a row. One that was rolled back does not count, one that came to no end is a problem."""
    ordered = sorted(rows, key=lambda row: row["started_at"] or LONG_AGO)
    counting = [row for row in ordered if not row["rolled_back"]]
    problems = [
        Finding(
            f"{row['migration_name']} was begun by Prisma and has come to no end",
            hint="settle it with `prisma migrate resolve`, as applied or as rolled back, and adopt again",
        )
        for row in counting
        if not row["finished"]
    ]
    finished = {row["migration_name"]: row for row in counting if row["finished"]}
    entries = [_entry(name, row["finished_at"], row["checksum"] or "") for name, row in sorted(finished.items())]
    return History(entries=tuple(entries), problems=tuple(problems))


GRAPHILE_MIGRATE = Source(
    tables=("graphile_migrate.migrations",),
    columns={"hash": "text", "filename": "text", "date": "timestamptz"},
    read=_graphile_migrate,
)
NODE_PG_MIGRATE = Source(
    tables=("pgmigrations",),
    columns={"id": "bigint", "name": "text", "run_on": "timestamptz"},
    read=_node_pg_migrate,
)
PRISMA = Source(
    tables=("_prisma_migrations",),
    columns={
        "migration_name": "text",
        "started_at": "timestamptz",
        "finished_at": "timestamptz",
        "rolled_back_at": "timestamptz",
    },
    optional={"checksum": "text"},
    filled={"finished": "finished_at", "rolled_back": "rolled_back_at"},
    read=_prisma,
)
