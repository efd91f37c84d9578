"""What is known of a migration outside of a transaction when its run returns."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from runner.core.migration import Migration
from runner.core.steps import StepResult
from runner.postgres.ledger import Ledger
from runner.postgres.nontransactional import run_nontransactional
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection
from runner.postgres.watcher import Mutex, take_mutex
from tests.builders import a_context, a_migration
from tests.conftest import Database

LIMITS = Timeouts(lock=timedelta(seconds=5), statement=timedelta())


@dataclass(frozen=True)
class Running:
    """A run that may execute migrations."""

    database: Database
    worker: Connection
    ledger: Ledger
    mutex: Mutex
    counts: list[int] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def run(
        self, sql: str, *, done: int = 0, again: bool = False, failed: bool = False, timeouts: Timeouts = LIMITS
    ) -> StepResult:
        migration = a_migration(1, sql=f"-- migrate: no-transaction\n{sql}")
        self._begin(migration, done)
        return run_nontransactional(
            self.worker,
            self.ledger,
            migration,
            mutex=self.mutex,
            timeouts=timeouts,
            done=done,
            again=again,
            failed=failed,
            counted=self.counts.append,
            tell=self.told.append,
        )

    def _begin(self, migration: Migration, done: int) -> None:
        self.database.query(
            "INSERT INTO schema_migrations (version, name, checksum, status, transactional, statements_done, run_id) "
            "VALUES (%s, %s, %s, 'running', false, %s, %s) "
            "ON CONFLICT (version) DO UPDATE SET checksum = excluded.checksum",
            migration.version,
            migration.file.name,
            migration.file.checksum,
            done,
            self.ledger.context.run_id,
        )

    @property
    def counted(self) -> object:
        return self.database.value("SELECT statements_done FROM schema_migrations")


@pytest.fixture
def running(database: Database) -> Iterator[Running]:
    with database.connect() as worker, database.connect() as watcher:
        ledger = Ledger(schema="public", context=a_context(), environment="test")
        with worker.transaction():
            ledger.install(worker)
        mutex = take_mutex(watcher, "public", wait=timedelta(), tell=print)
        yield Running(database, worker, ledger, mutex)


def test_tells_which_statements_took_longest(running: Running) -> None:
    step = running.run("SELECT pg_sleep(0.02);\nBEGIN; SELECT pg_sleep(0.01);\nCOMMIT;\nSELECT pg_sleep(0.05);")
    assert step.failure is None
    assert [slow.line for slow in step.slowest if slow.duration >= timedelta(milliseconds=10)] == [5, 2, 3]
    assert running.counts == [1, 2, 3]


@pytest.mark.parametrize(
    ("end", "code"),
    [
        ("SELECT 1 / 0;", "22012"),
        ("BEGIN; SELECT 1 / 0; COMMIT;", "22012"),
        ("VACUUM nothing;", "42P01"),
        ("SET statement_timeout = '10ms';\nSELECT pg_sleep(1);", "57014"),
    ],
)
def test_a_failure_has_its_code_and_leaves_a_session_fit_for_use(running: Running, end: str, code: str) -> None:
    step = running.run(f"SET search_path = nowhere;\nCREATE TABLE public.a ();\n{end}")
    assert step.failure is not None
    assert (step.failure.sqlstate, step.sure) == (code, True)
    assert running.counted == step.statements_done
    assert running.worker.execute("SELECT current_setting('search_path')").fetchone() == ('"$user", public',)


def test_a_session_that_may_not_write_runs_each_statement_once(running: Running) -> None:
    running.worker.add_notice_handler(lambda notice: running.told.append(notice.message_primary or ""))
    step = running.run("SET default_transaction_read_only = on;\nDO $$ BEGIN RAISE NOTICE 'once'; END $$;")
    assert step.failure is None
    assert running.told == ["once"]


def test_of_a_step_that_the_server_does_not_take_with_its_count_nobody_knows_when_the_connection_is_lost(
    running: Running,
) -> None:
    running.database.query(
        "CREATE FUNCTION run_alone() RETURNS void LANGUAGE plpgsql AS $$ BEGIN"
        "  IF transaction_timestamp() <> statement_timestamp() THEN RAISE active_sql_transaction; END IF;"
        "  PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(1); END $$"
    )
    step = running.run("SELECT run_alone();")
    assert step.failure is not None
    assert (running.worker.closed, step.sure) == (True, False)


SHORT = Timeouts(lock=timedelta(milliseconds=100), statement=timedelta(seconds=10))
DETACH = "ALTER TABLE parts DETACH PARTITION part"


@pytest.mark.parametrize(
    "sql",
    [
        "SET lock_timeout = '100ms';\nCREATE INDEX CONCURRENTLY i ON parts_2 (id);",
        "-- migrate: lock-timeout=100ms\nCREATE INDEX CONCURRENTLY i ON parts_2 (id);",
        f"{DETACH} CONCURRENTLY;",
    ],
    ids=["set-by-the-file", "set-in-its-header", "detach"],
)
def test_a_lock_timeout_holds_where_the_file_sets_it_or_others_wait_behind(running: Running, sql: str) -> None:
    running.database.query(
        "CREATE TABLE parts (id int) PARTITION BY LIST (id); CREATE TABLE part PARTITION OF parts FOR VALUES IN (1);"
        "CREATE TABLE parts_2 (id int)"
    )
    with running.database.connect() as old:
        old.autocommit = False
        old.execute("SELECT id FROM parts; INSERT INTO parts_2 VALUES (1)")
        step = running.run(sql, timeouts=SHORT)
        assert step.failure is not None
        assert (step.failure.sqlstate, step.sure) == ("55P03", True)
        once_more = running.run(sql, done=step.statements_done, again=True, failed=True, timeouts=SHORT)
        assert once_more.failure is not None  # of the drop of the index, or of FINALIZE
        assert (once_more.failure.sqlstate, once_more.sure) == ("55P03", True)
        old.rollback()
    last = running.run(sql, done=step.statements_done, again=True, failed=True, timeouts=SHORT)
    assert last.failure is None


def test_the_drop_of_an_invalid_index_does_not_wait_for_whoever_comes_to_build_it(running: Running) -> None:
    running.database.query("CREATE TABLE t (id int); CREATE INDEX i ON t (id)")
    running.database.query("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'i'::regclass")
    with running.database.connect() as old:
        old.autocommit = False
        old.execute("INSERT INTO t VALUES (1)")
        step = running.run("CREATE INDEX CONCURRENTLY i ON t (id);", again=True, failed=True, timeouts=SHORT)
        assert step.failure is not None
        assert step.failure.sqlstate == "55P03"


DROP = "DROP INDEX CONCURRENTLY nothing;\nSELECT 1;"


def test_what_is_gone_was_done_by_an_attempt_of_which_nobody_heard(running: Running) -> None:
    step = running.run(DROP, again=True)
    assert (step.failure, running.told) == (None, ['line 2 was done by an earlier attempt: index "nothing" is gone'])


@pytest.mark.parametrize("again", [False, True])
def test_what_never_was_is_an_error_again_and_again(running: Running, *, again: bool) -> None:
    step = running.run(DROP, again=again, failed=again)
    assert step.failure is not None
    assert step.failure.sqlstate == "42704"
    assert running.told == []


@pytest.mark.parametrize(
    ("sql", "done"),
    [("INSERT INTO seen VALUES (1)", False), ("VACUUM seen", True)],
    ids=["counted in its transaction", "counted behind"],
)
def test_without_the_mutex_nothing_more_is_done(running: Running, sql: str, *, done: bool) -> None:
    running.database.query("CREATE TABLE seen (id int)")
    running.database.query("SELECT pg_terminate_backend(%s)", running.mutex.holder)
    step = running.run(f"{sql};\nCREATE TABLE behind ();")
    assert step.failure is not None
    assert (step.statements_done, step.sure) == (int(done), True)
    assert running.database.query("SELECT id FROM seen") == []
    assert "behind" not in running.database.tables()
