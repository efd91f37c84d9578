"""The ledger mended: each change with its entry in the history, all of them or none, and only under the mutex."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from runner.core.model import LedgerState
from runner.core.repair import Mending, Repair
from runner.errors import DatabaseUnusable
from runner.postgres.ledger import Ledger
from runner.postgres.mending import mend
from runner.postgres.session import Connection
from runner.postgres.standing import mutex_is_held
from runner.postgres.watcher import Mutex, take_mutex
from tests.builders import a_context, a_migration_file, applied
from tests.conftest import ON_NEWEST, Database

LEDGER = Ledger(schema="public", context=a_context(actor="grace"), environment="staging", command="repair")
ROW = "INSERT INTO schema_migrations (version, name, checksum, status, transactional, statements_done, body, down_body)"
HISTORY = "SELECT version, action, status, executed_by, environment, run_id::text, note FROM migration_history"
EDITED = a_migration_file(2, sql="-- why\nSELECT 1;\n")
FAILED = applied(1, status="failed", statements_done=1)
DONE = applied(2, statements_done=1)
OF_A_ROW = [mending for mending in Mending if mending is not Mending.MOVE]


def a_repair(mending: Mending, row: str = "", **others: object) -> Repair:
    """Of row 01, which failed, or of row 02, which is completed."""
    values = {
        "before": "staging",
        "after": "testing",
        "note": f"{mending.name} by hunter2",
        "row": {"01": FAILED, "02": DONE}.get(row),
    } | others
    return Repair(mending=mending, **values)  # type: ignore[arg-type]


@dataclass
class Mender:
    """Somebody alone with a ledger of two migrations."""

    database: Database
    connection: Connection
    mutex: Mutex
    ledger: Ledger = LEDGER

    def __call__(self, *repairs: Repair, state: LedgerState = LedgerState.CURRENT) -> bool:
        return mend(
            self.connection,
            self.ledger,
            self.mutex,
            repairs,
            state=state,
            scrub=lambda text: text.replace("hunter2", "***"),
        )

    def rows(self) -> list[tuple[object, ...]]:
        return self.database.query("SELECT version, status, statements_done FROM schema_migrations ORDER BY version")


@pytest.fixture
def mender(database: Database) -> Iterator[Mender]:
    with closing(database.connect()) as connection, closing(database.connect()) as watcher:
        LEDGER.install(connection)
        for row in (FAILED, DONE):
            connection.execute(
                f"{ROW} VALUES (%s, 'x', %s, %s, false, 1, 'was', 'down')".encode(),
                [row.version, row.checksum, row.status],
            )
        connection.execute("INSERT INTO migration_environment (environment) VALUES ('staging')")
        mutex = take_mutex(watcher, "public", wait=timedelta(), tell=lambda _: None)
        yield Mender(database, connection, mutex)


def test_each_change_is_made_and_told(mender: Mender, database: Database) -> None:
    assert mender(
        a_repair(Mending.COUNT, "01", done=3),
        a_repair(Mending.RETEXT, "02", file=EDITED),
        a_repair(Mending.MOVE),
    )
    assert mender.rows() == [("01", "failed", 3), ("02", "completed", 1)]
    assert database.query("SELECT checksum, body, down_body FROM schema_migrations WHERE version = '02'") == [
        (EDITED.checksum, EDITED.up.text, "down")
    ]
    assert database.value("SELECT environment FROM migration_environment") == "testing"
    run_id = LEDGER.context.run_id
    assert database.query(f"{HISTORY} ORDER BY version") == [
        (version, "repair", "success", "grace", "staging", run_id, f"{mending.name} by ***")
        for version, mending in (("01", Mending.COUNT), ("02", Mending.RETEXT), ("environment", Mending.MOVE))
    ]
    assert database.query("SELECT run_id::text, command, actor, outcome FROM migration_runs") == [
        (run_id, "repair", "grace", "applied")
    ]
    assert database.value("SELECT finished_at IS NOT NULL FROM migration_runs") is True


@ON_NEWEST
@pytest.mark.parametrize(("mending", "left"), [(Mending.REMOVE, 2), (Mending.FORGET, 1)])
def test_a_row_goes_and_its_history_only_when_it_is_forgotten(
    mender: Mender, database: Database, mending: Mending, left: int
) -> None:
    for version in ("01", "02"):
        database.query(
            "INSERT INTO migration_history (version, action, status) VALUES (%s, 'apply', 'failed')", version
        )
    assert mender(a_repair(mending, "01"))
    assert mender.rows() == [("02", "completed", 1)]
    assert database.value("SELECT count(*) FROM migration_history WHERE version = '01'") == left
    assert database.value("SELECT count(*) FROM migration_history WHERE version = '02'") == 1


@ON_NEWEST
@pytest.mark.parametrize(("checksum", "down"), [("'of then'", "down"), ("NULL", None)], ids=["kept", "written-later"])
def test_what_undoing_has_left_as_a_whole_is_not_half_undone_any_more(
    mender: Mender, database: Database, checksum: str, down: str | None
) -> None:
    undoing = "undoing = 'failed', statements_undone = 1, error_message = 'no such table'"
    database.query(f"UPDATE schema_migrations SET {undoing}, down_checksum = {checksum} WHERE version = '02'")
    seen = replace(DONE, undoing="failed", statements_undone=1)
    assert mender(replace(a_repair(Mending.KEEP), row=seen))
    assert ("02", "completed", 1) in mender.rows()
    assert database.query(
        "SELECT undoing, statements_undone, error_message, down_body FROM schema_migrations WHERE version = '02'"
    ) == [(None, None, None, down)]


@ON_NEWEST
@pytest.mark.parametrize(
    "changed",
    [
        "UPDATE schema_migrations SET status = 'running' WHERE version = '02'",
        "UPDATE schema_migrations SET statements_done = 2 WHERE version = '02'",
        "UPDATE schema_migrations SET checksum = 'another' WHERE version = '02'",
        "UPDATE schema_migrations SET undoing = 'running' WHERE version = '02'",
        "UPDATE schema_migrations SET statements_undone = 1 WHERE version = '02'",
        "DELETE FROM schema_migrations WHERE version = '02'",
    ],
)
def test_what_is_not_as_it_was_seen_keeps_all_from_being_changed(
    mender: Mender, database: Database, changed: str
) -> None:
    database.query(changed)
    before = database.query("TABLE schema_migrations")
    for mending in OF_A_ROW:
        assert not mender(a_repair(Mending.REMOVE, "01"), a_repair(mending, "02", file=EDITED)), mending
    assert database.query("TABLE schema_migrations") == before
    assert database.query("TABLE migration_history") == database.query("TABLE migration_runs") == []


@ON_NEWEST
def test_a_database_that_was_moved_meanwhile_is_not_moved(mender: Mender, database: Database) -> None:
    database.query("UPDATE migration_environment SET environment = 'production'")
    assert not mender(a_repair(Mending.MOVE))
    assert database.value("SELECT environment FROM migration_environment") == "production"
    assert database.query("TABLE migration_history") == []


@ON_NEWEST
def test_nothing_is_changed_without_the_mutex(mender: Mender, database: Database) -> None:
    mender.mutex.connection.execute("SELECT pg_advisory_unlock_all()")
    with pytest.raises(DatabaseUnusable, match="this run no longer holds the mutex"):
        mender(a_repair(Mending.REMOVE, "01"))
    assert len(mender.rows()) == 2
    assert database.query("TABLE migration_history") == []


@ON_NEWEST
def test_somebody_elses_lock_is_not_this_runs(mender: Mender) -> None:
    mender.mutex = replace(mender.mutex, holder=mender.mutex.holder + 1)
    with pytest.raises(DatabaseUnusable, match="this run no longer holds the mutex"):
        mender(a_repair(Mending.REMOVE, "01"))


@ON_NEWEST
def test_a_ledger_of_an_earlier_shape_is_brought_to_the_current_one(mender: Mender, database: Database) -> None:
    database.query("ALTER TABLE schema_migrations DROP COLUMN statements_done, DROP COLUMN body")
    database.query("ALTER TABLE migration_history DROP COLUMN note CASCADE")  # its view as well
    repair = replace(a_repair(Mending.REMOVE, "01"), row=replace(FAILED, statements_done=None))
    assert mender(repair, state=LedgerState.OUTDATED)
    assert mender.rows() == [("02", "completed", None)]


@ON_NEWEST
def test_the_mutex_is_seen_from_another_session(mender: Mender) -> None:
    assert mutex_is_held(mender.connection, "public")
    assert not mutex_is_held(mender.connection, "another")
