"""What is written to the ledger of a database that was migrated before: all of it, or nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest

from runner.core.joining import Joined
from runner.core.model import LedgerState
from runner.core.steps import StepResult
from runner.errors import DatabaseUnusable
from runner.postgres.joining import record_joined
from runner.postgres.ledger import LARGEST_BODY, Ledger
from runner.postgres.session import Connection
from runner.postgres.watcher import Mutex, take_mutex
from tests.builders import NOON, a_context, a_migration, on_github
from tests.conftest import ON_NEWEST, Database

pytestmark = ON_NEWEST

OTHER_RUN = "0b0e2f6c-0f0f-4d8e-9a43-6a6f3c6d2b11"
WHAT_IS_KEPT = """
    SELECT version, name, checksum, status, error_message, applied_by, transactional, statements_total, statements_done,
           sql_digest, body, down_body, down_checksum FROM schema_migrations ORDER BY version"""
VERSIONS = "SELECT version, status FROM schema_migrations ORDER BY version"
ONE = a_migration(1, sql="CREATE TABLE one (id int);", down="DROP TABLE one;")
TWO = a_migration(2, sql="CREATE INDEX CONCURRENTLY i ON one (id);\nCREATE INDEX CONCURRENTLY j ON one (id);")


@dataclass
class Joining:
    """A run that holds the mutex, of a database without a ledger."""

    connection: Connection
    watcher: Connection
    mutex: Mutex
    ledger: Ledger

    def record(self, *joined: Joined, state: LedgerState = LedgerState.ABSENT) -> bool:
        return record_joined(
            self.connection,
            self.ledger,
            self.mutex,
            joined,
            state=state,
            environment=self.ledger.environment,
            scrub=lambda text: text.replace("hunter2", "***"),
        )


@pytest.fixture
def joining(database: Database) -> Iterator[Joining]:
    with ExitStack() as stack:
        connection, watcher = (stack.enter_context(closing(database.connect())) for _ in range(2))
        mutex = take_mutex(watcher, "public", wait=timedelta(), tell=pytest.fail)
        ledger = Ledger(schema="public", context=a_context(), environment="staging", command="baseline")
        yield Joining(connection, watcher, mutex, ledger)


def test_a_row_is_as_that_of_a_migration_that_ran(joining: Joining, database: Database) -> None:
    joining.ledger.install(joining.connection)
    for migration in (ONE, TWO):
        step = StepResult(migration=migration, duration=timedelta(), statements_done=migration.statement_count)
        assert joining.ledger.record_completed(
            joining.connection, step, mutex=joining.mutex.key, holder=joining.mutex.holder
        )
    ran = database.query(WHAT_IS_KEPT)
    database.query("DELETE FROM schema_migrations")
    assert joining.record(Joined(migration=ONE), Joined(migration=TWO), state=LedgerState.CURRENT)
    assert database.query(WHAT_IS_KEPT) == ran
    assert database.value("SELECT bool_and(applied_at > now() - interval '1 min') FROM schema_migrations")
    assert database.query("SELECT DISTINCT execution_time_ms FROM schema_migrations") == [(None,)]


def test_history_run_and_environment_are_written_with_it(joining: Joining, database: Database) -> None:
    joining.ledger = replace(joining.ledger, context=on_github())
    assert joining.record(Joined(migration=ONE, note="by hunter2"), Joined(migration=TWO))
    run_id = joining.ledger.context.run_id
    assert database.query(
        "SELECT version, action, status, executed_by, environment, run_id::text, note FROM migration_history "
        "ORDER BY version"
    ) == [
        (version, "baseline", "success", "ada", "staging", run_id, note)
        for version, note in (("01", "by ***"), ("02", None))
    ]
    assert database.query(
        "SELECT run_id::text, command, environment, triggering_actor, outcome, finished_at IS NOT NULL "
        "FROM migration_runs"
    ) == [(run_id, "baseline", "staging", "grace", "applied", True)]
    assert database.query("SELECT environment FROM migration_environment") == [("staging",)]
    assert not database.value("SELECT to_regclass('one')")


def test_the_history_has_them_in_their_order(joining: Joining, database: Database) -> None:
    versions = [f"{number:03d}" for number in range(1, 101)]
    assert joining.record(*(Joined(migration=a_migration(version), note=f"of {version}") for version in versions))
    told = database.query("SELECT version, note FROM migration_history ORDER BY executed_at")
    assert told == [(version, f"of {version}") for version in versions]


def test_what_another_tool_knows_is_kept(joining: Joining, database: Database) -> None:
    at = datetime(2020, 1, 31, 12, 0, 0, 123456, tzinfo=UTC)
    assert joining.record(Joined(migration=ONE, applied_at=at, applied_by="flyway"), Joined(migration=TWO))
    assert database.query("SELECT applied_by, applied_at = %s FROM schema_migrations ORDER BY version", at) == [
        ("flyway", True),
        ("ada", False),
    ]
    assert database.query("SELECT DISTINCT executed_by FROM migration_history") == [("ada",)]


def test_what_an_earlier_run_planned_or_took_back_gives_way(joining: Joining, database: Database) -> None:
    joining.ledger.install(joining.connection)
    database.query(
        "INSERT INTO schema_migrations "
        "(version, name, checksum, status, error_message, transactional, statements_done) VALUES "
        "('1', 'example', 'x', 'failed', 'boom', true, 0), ('02', 'example', 'x', 'pending', NULL, NULL, NULL), "
        "('03', 'example', 'x', 'failed', 'boom', true, 0)"
    )
    assert joining.record(Joined(migration=ONE), Joined(migration=TWO), state=LedgerState.CURRENT)
    assert database.query(VERSIONS) == [("01", "completed"), ("02", "completed"), ("03", "failed")]
    assert database.query("SELECT error_message FROM schema_migrations WHERE version < '03'") == [(None,), (None,)]


@pytest.mark.parametrize(
    "meanwhile",
    [
        "('2', 'example', 'x', 'completed', true, 1)",
        "('02', 'example', 'x', 'running', false, 0)",
        "('02', 'example', 'x', 'failed', false, 1)",
    ],
)
def test_nothing_is_written_when_one_of_them_came_meanwhile(
    joining: Joining, database: Database, meanwhile: str
) -> None:
    joining.ledger.install(joining.connection)
    database.query(
        "INSERT INTO schema_migrations (version, name, checksum, status, transactional, statements_done) "
        f"VALUES {meanwhile}"
    )
    before = database.dump()
    assert not joining.record(Joined(migration=ONE), Joined(migration=TWO), state=LedgerState.CURRENT)
    assert database.dump() == before


@pytest.mark.parametrize(("undoing", "done"), [("running", 0), ("failed", 1)])
def test_nothing_is_written_beside_what_was_half_undone_meanwhile(
    joining: Joining, database: Database, undoing: str, done: int
) -> None:
    assert joining.record(Joined(migration=ONE))
    database.query("UPDATE schema_migrations SET undoing = %s, statements_undone = %s", undoing, done)
    joining.ledger = replace(joining.ledger, context=a_context(run_id=OTHER_RUN))
    assert not joining.record(Joined(migration=TWO), state=LedgerState.CURRENT)
    assert database.query(VERSIONS) == [("01", "completed")]


def test_nothing_is_written_when_the_mutex_is_lost_not_even_a_ledger(joining: Joining, database: Database) -> None:
    joining.watcher.close()
    assert not joining.record(Joined(migration=ONE))
    assert database.tables() == set()
    assert joining.connection.execute("SELECT 1").fetchone() == (1,)


def test_nothing_is_written_to_a_database_that_has_become_another_environments(
    joining: Joining, database: Database
) -> None:
    joining.ledger.install(joining.connection)
    database.query("INSERT INTO migration_environment (environment) VALUES ('production')")
    assert not joining.record(Joined(migration=ONE), state=LedgerState.CURRENT)
    assert database.query(VERSIONS) == []


def test_an_outdated_ledger_is_brought_up_to_date_and_keeps_what_it_has(joining: Joining, database: Database) -> None:
    database.query(
        "CREATE TABLE schema_migrations (version text PRIMARY KEY, name text NOT NULL, applied_at timestamptz, "
        "checksum text NOT NULL, execution_time_ms int, status text NOT NULL, error_message text, applied_by text)"
    )
    database.query("INSERT INTO schema_migrations VALUES ('01', 'example', now(), 'x', 1, 'completed', NULL, 'bob')")
    assert joining.record(Joined(migration=TWO), state=LedgerState.OUTDATED)
    assert database.query("SELECT version, applied_by FROM schema_migrations ORDER BY 1") == [
        ("01", "bob"),
        ("02", "ada"),
    ]


def test_a_text_that_is_too_large_is_not_kept(joining: Joining, database: Database) -> None:
    large = a_migration(3, sql=f"SELECT 1; -- {'x' * LARGEST_BODY}")
    assert joining.record(Joined(migration=large))
    assert database.query("SELECT body, checksum FROM schema_migrations") == [(None, large.file.checksum)]


def test_values_stay_values(joining: Joining, database: Database) -> None:
    odd = a_migration(1, sql="SELECT '%s {schema} \\', 'ä''';", name="o'b;{x}%s")
    assert joining.record(Joined(migration=odd, applied_at=NOON, applied_by="o'b \\ %(x)s"))
    assert database.query("SELECT name, body, applied_by FROM schema_migrations") == [
        ("o'b;{x}%s", odd.file.up.text, "o'b \\ %(x)s")
    ]


def test_a_role_that_may_not_write_is_told(joining: Joining, database: Database) -> None:
    joining.ledger.install(joining.connection)
    joining.connection.execute("GRANT SELECT ON ALL TABLES IN SCHEMA public TO nobody; SET ROLE nobody")
    with pytest.raises(DatabaseUnusable, match="a right is missing"):
        joining.record(Joined(migration=ONE), state=LedgerState.CURRENT)
    assert database.query(VERSIONS) == []
