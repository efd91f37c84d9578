"""Tools that keep a row for each thing that happened: Flyway and Liquibase.

The tables: https://documentation.red-gate.com/fd/flyway-schema-history-table-273973417.html and
https://docs.liquibase.com/concepts/tracking-tables/databasechangelog-table.html; Flyway's types of rows:
https://github.com/flyway/flyway/blob/main/flyway-core/src/main/java/org/flywaydb/core/api/CoreMigrationType.java
"""

from collections.abc import Sequence

from runner.core.adoption.history import (
    CHANGE_SET,
    Entry,
    History,
    LeftOut,
    Row,
    Source,
    by_version,
    dotted,
    stem_of,
    title_of,
)
from runner.errors import Finding

BASELINE, SCHEMA, DELETE, UNDO = "BASELINE", "SCHEMA", "DELETE", "UNDO_"
EXECUTED = frozenset({"EXECUTED", "RERAN", "MARK_RAN"})
MARK_RAN = "MARK_RAN"


def _flyway(rows: Sequence[Row]) -> History:
    """The last row of each version counts: an undone one is not applied any more, one of `flyway repair` says that its
    file is gone. Repeatable migrations have no version.
    """
    last: dict[str, Row] = {}
    repeatable: dict[str, Row] = {}
    for row in sorted(rows, key=lambda row: int(row["installed_rank"])):
        if row["type"] == SCHEMA:  # the schema itself, made by Flyway
            continue
        (repeatable if row["version"] is None else last)[row["version"] or row["description"]] = row
    standing = [row for row in last.values() if row["type"] != DELETE and not row["type"].startswith(UNDO)]
    return History(
        entries=by_version([_of_flyway(row) for row in standing if row["success"]]),
        left_out=(
            *(_left_out(row, "marked as deleted by `flyway repair`") for row in last.values() if row["type"] == DELETE),
            *(
                _left_out(row, "repeatable: not recorded, its file runs once more")
                for row in repeatable.values()
                if row["type"] != DELETE
            ),
        ),
        problems=tuple(
            Finding(
                f"{row['script']} has failed in Flyway",
                hint="mend what it has left, tell that tool with `flyway repair`, and adopt again",
            )
            for row in (*standing, *repeatable.values())
            if not row["success"]
        ),
    )


def _of_flyway(row: Row) -> Entry:
    """A baseline says up to where Flyway does not look: by hand, or with a script that takes the place of all files up
    to there.
    """
    by_hand = row["type"] == BASELINE
    return Entry(
        name=f"baseline {row['version']}" if by_hand else stem_of(row["script"]),
        aliases=(row["script"],),
        version=dotted(row["version"]),
        title="" if by_hand else title_of(row["script"]),
        applied_at=row["installed_on"],
        applied_by=row["installed_by"],
        reaches_back=row["type"].endswith(BASELINE),
        needs_file=not by_hand,
    )


def _left_out(row: Row, why: str) -> LeftOut:
    return LeftOut(name=row["script"], why=why, applied_at=row["installed_on"], applied_by=row["installed_by"])


def _liquibase(rows: Sequence[Row]) -> History:
    """A changeset is known by its id, its author and its file, together. Who ran it, nobody keeps."""
    ordered = sorted(rows, key=lambda row: int(row["orderexecuted"]))
    return History(entries=tuple(_changeset(row) for row in ordered if row["exectype"] in EXECUTED))


def _changeset(row: Row) -> Entry:
    identity, author, file = row["id"], row["author"], row["filename"]
    return Entry(
        name=CHANGE_SET.join((file, identity, author)),
        aliases=(f"{author}:{identity}", identity),
        version=dotted(identity),
        title=identity,
        applied_at=row["dateexecuted"],
        note="marked as run: a precondition did not hold" if row["exectype"] == MARK_RAN else "",
    )


FLYWAY = Source(
    tables=("flyway_schema_history", "schema_version"),  # the second one before Flyway 5
    columns={
        "installed_rank": "bigint",
        "version": "text",
        "description": "text",
        "type": "text",
        "script": "text",
        "success": "boolean",
    },
    optional={"installed_on": "timestamptz", "installed_by": "text"},
    read=_flyway,
)
LIQUIBASE = Source(
    tables=("databasechangelog",),
    columns={"id": "text", "author": "text", "filename": "text", "orderexecuted": "bigint", "exectype": "text"},
    optional={"dateexecuted": "timestamptz"},
    read=_liquibase,
)
