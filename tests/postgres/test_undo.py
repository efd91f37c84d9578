"""Migrations undone by their down files, with what the ledger says of it."""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from runner.core.checksum import checksum
from runner.core.migration import Migration
from runner.core.model import Backend
from runner.core.parse import parse_down
from runner.core.policies import RetryPolicy
from runner.core.steps import Retry, StepResult
from runner.core.undoing import Kept
from runner.errors import Cancelled, DatabaseUnusable, Finding
from runner.postgres.execution import Execution
from runner.postgres.ledger import LARGEST_BODY, Ledger
from runner.postgres.sending import Timeouts
from runner.postgres.session import Connection, connect
from runner.postgres.signals import deaf, hear
from runner.postgres.undo import undo_all
from runner.postgres.watcher import take_mutex
from tests.builders import a_context, a_migration_file
from tests.conftest import ON_NEWEST, Database
from tests.faults.messages import Message, is_commit, is_commit_answer
from tests.faults.proxy import proxy_to

LIMITS = Timeouts(lock=timedelta(milliseconds=200), statement=timedelta())
OUTSIDE = "-- migrate: no-transaction\n"
HISTORY = (
    "SELECT version, status, error_message FROM migration_history WHERE action = 'rollback' ORDER BY executed_at, id"
)
LEFT = "SELECT version, status FROM schema_migrations ORDER BY version"
STATE = "SELECT undoing, statements_undone, error_message FROM schema_migrations WHERE version = '02'"
DOWN = "SELECT down_body, down_checksum FROM schema_migrations WHERE version = '02'"
BEGUN = "it was begun, outside of a transaction, and no run has told how it ended"


@dataclass
class Undoing:
    """A run that has applied two migrations and may undo them."""

    database: Database
    execution: Execution
    retries: list[Retry]
    steps: list[StepResult] = field(default_factory=list)  # the last results

    def undo(self, **downs: str) -> list[StepResult]:
        """`_02="DROP …"` is the down file of 02; the highest comes first."""
        self.steps.clear()
        with deaf(), closing(undo_all(self.execution, _parsed(downs))) as results:
            self.steps.extend(results)  # keeps what came before an exception
        return self.steps

    def undo_one(self, down: str, version: str = "_02") -> StepResult:
        [step] = self.undo(**{version: down})
        return step

    @property
    def left(self) -> list[str]:
        return [str(version) for version, _ in self.database.query(LEFT)]

    @property
    def state(self) -> tuple[object, ...]:
        """What the row of 02 has of its undoing."""
        [state] = self.database.query(STATE)
        return state

    @property
    def history(self) -> list[tuple[object, ...]]:
        return self.database.query(HISTORY)


def _parsed(downs: dict[str, str]) -> Sequence[Migration]:
    return [parse_down(a_migration_file(name[1:], down=downs[name])) for name in sorted(downs, reverse=True)]


@pytest.fixture
def undoing(database: Database) -> Iterator[Undoing]:
    with ExitStack() as stack:
        worker, watcher = (stack.enter_context(closing(database.connect())) for _ in range(2))
        ledger = Ledger(schema="public", context=a_context(), environment="test")
        ledger.install(worker)
        mutex = take_mutex(watcher, "public", wait=timedelta(), tell=print)
        worker.execute("CREATE TABLE a (id int)")
        worker.execute("CREATE TABLE b (id int); CREATE INDEX b_id ON b (id)")
        for migration in _parsed({"_01": "SELECT 1;", "_02": "SELECT 1;"}):
            with worker.transaction():
                step = StepResult(migration=migration, duration=timedelta())
                assert ledger.record_completed(worker, step, mutex=mutex.key, holder=mutex.holder)
        retries: list[Retry] = []
        execution = Execution(
            worker=worker,
            backend=_backend(worker),
            ledger=ledger,
            mutex=mutex,
            timeouts=LIMITS,
            starting=lambda _: None,
            retrying=lambda _, retry: retries.append(retry),
            tell=print,
            scrub=lambda text: text.replace("secret", "***"),
            warn=lambda finding: pytest.fail(str(finding)),
            reconnect=lambda: stack.enter_context(closing(database.connect())),
        )
        yield Undoing(database, execution, retries)


def _backend(worker: Connection) -> Backend:
    row = worker.execute("SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()").fetchone()
    assert row is not None
    return Backend(*row)


@contextmanager
def terminated(after: float) -> Iterator[None]:
    """A SIGTERM comes, as to a run."""
    before = signal.signal(signal.SIGTERM, lambda *_: hear(Cancelled("SIGTERM", signal.SIGTERM)))
    timer = threading.Timer(after, lambda: os.kill(os.getpid(), signal.SIGTERM))
    timer.start()
    try:
        yield
    finally:
        timer.join()
        signal.signal(signal.SIGTERM, before)


# Undone


def test_all_are_undone_and_the_history_keeps_it(undoing: Undoing) -> None:
    steps = undoing.undo(_01="DROP TABLE a;", _02="DROP INDEX b_id;\nDROP TABLE b;")
    assert [(step.migration.version, step.failure, step.statements_done) for step in steps] == [
        ("02", None, 2),
        ("01", None, 1),
    ]
    assert all(step.duration > timedelta() for step in steps)
    assert undoing.left == []
    assert undoing.history == [("02", "success", None), ("01", "success", None)]
    assert undoing.database.tables().isdisjoint({"a", "b"})
    [(actor, environment, run)] = undoing.database.query(
        "SELECT DISTINCT executed_by, environment, run_id::text FROM migration_history WHERE action = 'rollback'"
    )
    assert (actor, environment, run) == ("ada", "test", undoing.execution.ledger.context.run_id)


def test_what_one_sets_does_not_reach_the_ledger_or_the_next(undoing: Undoing) -> None:
    steps = undoing.undo(
        _02="SET search_path = nowhere;\nSET ROLE nobody;\nSELECT 1;",
        _01="SELECT 1 / (current_user = 'postgres')::int;",
    )
    assert [step.failure for step in steps] == [None, None]
    assert undoing.left == []


def test_outside_of_a_transaction_it_runs_step_by_step(undoing: Undoing) -> None:
    step = undoing.undo_one("DROP INDEX CONCURRENTLY b_id;\nDROP TABLE b;")
    assert (step.failure, step.statements_done, step.migration.transactional) == (None, 2, False)
    assert undoing.left == ["01"]
    assert undoing.history == [("02", "success", None)]


def test_outside_of_a_transaction_the_ledger_is_written_as_who_we_are(undoing: Undoing) -> None:
    assert undoing.undo_one(f"{OUTSIDE}SET ROLE nobody;\nSET search_path = nowhere;\nSELECT 1;").failure is None
    assert undoing.left == ["01"]


def test_one_without_a_statement_leaves_the_ledger_all_the_same(undoing: Undoing) -> None:
    assert undoing.undo_one("").failure is None
    assert undoing.left == ["01"]


def test_concurrently_waits_longer_than_the_lock_timeout(undoing: Undoing) -> None:
    with undoing.database.connect() as reader:
        reader.execute("BEGIN; SELECT * FROM b")
        timer = threading.Timer(1, lambda: reader.execute("COMMIT"))
        timer.start()
        step = undoing.undo_one("DROP INDEX CONCURRENTLY b_id;")
        timer.join()
    assert step.failure is None
    assert step.duration > timedelta(milliseconds=500)


# Not undone


def test_the_first_failure_is_the_last_result_and_rolled_back(undoing: Undoing) -> None:
    [step] = undoing.undo(_02="DROP TABLE b;\nSELECT 'secret'::int;", _01="DROP TABLE a;")
    assert step.failure is not None
    said = 'migrations/02_example.down.sql:2:8: invalid input syntax for type integer: "***" (SQLSTATE 22P02)'
    assert (str(step.failure), step.sure, step.statements_done) == (said, True, 1)
    assert undoing.left == ["01", "02"]
    assert undoing.history == [("02", "failed", said)]
    assert {"a", "b"} <= undoing.database.tables()


def test_what_is_deferred_fails_before_the_ledger_is_written(undoing: Undoing) -> None:
    undoing.database.query("CREATE TABLE parents (id int PRIMARY KEY)")
    undoing.database.query("ALTER TABLE b ADD FOREIGN KEY (id) REFERENCES parents DEFERRABLE INITIALLY DEFERRED")
    step = undoing.undo_one("INSERT INTO b VALUES (1);")
    assert step.failure is not None
    assert step.failure.message.startswith("at its end: ")
    assert undoing.left == ["01", "02"]


@pytest.mark.parametrize("down", ["DROP TABLE b;", f"{OUTSIDE}DROP TABLE b;", "DROP INDEX CONCURRENTLY b_id;"])
def test_without_the_mutex_nothing_is_undone(undoing: Undoing, down: str) -> None:
    mutex = undoing.execution.mutex
    mutex.connection.close()
    undoing.database.query(f"SELECT pg_terminate_backend({mutex.holder}, 5000)")  # the server may notice later
    step = undoing.undo_one(down)
    assert step.failure is not None
    assert step.failure.message == (
        "the ledger does not have this migration as completed, or this run no longer holds the mutex: it is not undone"
    )
    assert undoing.left == ["01", "02"]
    assert [(version, status) for version, status, _ in undoing.history] == [("02", "failed")]
    assert undoing.state == (None, None, None)
    assert undoing.database.value("SELECT count(*) FROM pg_class WHERE relname IN ('b', 'b_id')") == 2


def test_outside_of_a_transaction_the_mutex_is_proved_with_each_step(undoing: Undoing) -> None:
    holder = undoing.execution.mutex.holder
    step = undoing.undo_one(
        f"{OUTSIDE}CREATE TABLE c ();\nSELECT pg_terminate_backend({holder}, 5000);\nCREATE TABLE d ();"
    )
    assert step.failure is not None
    assert "no longer holds the mutex" in step.failure.message
    assert (step.statements_done, step.half_done, step.sure) == (1, True, True)
    assert undoing.state == ("running", 1, None)  # another run may be at it by now
    assert "d" not in undoing.database.tables()
    assert undoing.left == ["01", "02"]


@pytest.mark.parametrize("down", ["DROP TABLE b;", f"{OUTSIDE}DROP TABLE b;"])
@pytest.mark.parametrize(
    "changed", ["DELETE FROM schema_migrations WHERE version = '02'", "UPDATE schema_migrations SET status = 'failed'"]
)
def test_what_the_ledger_does_not_have_as_completed_is_not_undone(undoing: Undoing, changed: str, down: str) -> None:
    undoing.database.query(changed)
    step = undoing.undo_one(down)
    assert step.failure is not None
    assert step.failure.message.startswith("the ledger does not have this migration as completed")
    assert "b" in undoing.database.tables()
    assert undoing.history == []


def test_outside_of_a_transaction_what_was_done_stays_and_is_told(undoing: Undoing) -> None:
    step = undoing.undo_one("DROP INDEX CONCURRENTLY b_id;\nDROP TABLE nothing;\nDROP TABLE b;")
    assert step.failure is not None
    assert (step.failure.line, step.failure.sqlstate) == (2, "42P01")
    assert (step.statements_done, step.sure, step.half_done) == (1, True, True)
    assert undoing.left == ["01", "02"]
    assert [(version, status) for version, status, _ in undoing.history] == [("02", "failed")]


def test_outside_of_a_transaction_a_run_that_dies_leaves_a_word_of_it(undoing: Undoing) -> None:
    seen: list[tuple[object, ...]] = []
    timer = threading.Timer(0.5, lambda: seen.extend([*undoing.history, undoing.state]))
    timer.start()
    assert undoing.undo_one(f"{OUTSIDE}DROP TABLE b;\nSELECT pg_sleep(1.5);").failure is None
    timer.join()
    assert seen == [("02", "failed", BEGUN), ("running", 1, None)]
    assert undoing.history == [("02", "success", None)]


# All or none


@pytest.fixture
def together(undoing: Undoing) -> Undoing:
    undoing.execution = replace(undoing.execution, release=True)
    return undoing


@ON_NEWEST
def test_all_together_are_one_transaction(together: Undoing) -> None:
    steps = together.undo(_01="DROP TABLE a;", _02="SET search_path = nowhere;\nSET ROLE nobody;")
    assert [(step.migration.version, step.failure, step.statements_done) for step in steps] == [
        ("02", None, 2),
        ("01", None, 1),
    ]
    assert together.left == []
    assert together.history == [("02", "success", None), ("01", "success", None)]
    transactions = "SELECT count(DISTINCT xmin::text) FROM migration_history WHERE action = 'rollback'"
    assert together.database.value(transactions) == 1


@ON_NEWEST
def test_all_together_none_is_undone_when_one_fails(together: Undoing) -> None:
    before = together.database.dump()
    [step] = together.undo(_01="DROP TABLE nothing;", _02="DROP TABLE b;")
    assert step.failure is not None
    assert (step.migration.version, step.failure.line) == ("01", 1)
    assert together.left == ["01", "02"]
    assert [(version, status) for version, status, _ in together.history] == [("01", "failed")]
    together.database.query("DELETE FROM migration_history WHERE action = 'rollback'")
    assert together.database.dump() == before


@ON_NEWEST
def test_all_together_are_tried_again_together(together: Undoing) -> None:
    together.execution = replace(together.execution, retry=RetryPolicy(retries=10))
    with locked(together.database, 0.5):
        last, first = together.undo(_01="DROP TABLE b;", _02="DROP TABLE a;")
    assert (last.retries, first.failure) == ((), None)
    assert {retry.why for retry in first.retries} == {"waited 200 ms for a lock"}
    assert together.left == []


@ON_NEWEST
def test_all_together_are_known_to_be_committed_when_the_answer_is_lost(together: Undoing) -> None:
    with proxy_to(together.database.server.folder) as proxy:
        worker = connect(proxy.url(together.database.name), application_name="worker")
        together.execution = replace(together.execution, worker=worker, backend=_backend(worker))
        trap = proxy.trap(is_commit_answer, lambda: proxy.cut(half="worker"), swallow=True)
        steps = together.undo(_01="DROP TABLE a;", _02="DROP TABLE b;")
        assert trap.sprung.is_set()
    assert [(step.migration.version, step.failure) for step in steps] == [("02", None), ("01", None)]
    assert together.left == []


# Begun before


@ON_NEWEST
def test_outside_of_a_transaction_what_is_done_is_counted(undoing: Undoing) -> None:
    step = undoing.undo_one("DROP INDEX CONCURRENTLY b_id;\nDROP TABLE b;\nDROP TABLE nothing;")
    assert (step.statements_done, step.sure) == (2, True)
    assert undoing.state == ("failed", 2, str(step.failure))
    assert undoing.history == [("02", "failed", str(step.failure))]


@ON_NEWEST
def test_of_what_may_stay_in_part_the_ledger_says_that_nobody_knows(undoing: Undoing) -> None:
    step = undoing.undo_one(f"{OUTSIDE}DROP TABLE b;\nDO $$ BEGIN COMMIT; RAISE 'no'; END $$;")
    assert (step.statements_done, step.sure) == (1, False)
    assert undoing.state == ("running", 1, str(step.failure))


@ON_NEWEST
def test_the_entry_that_it_was_begun_stays_where_none_takes_its_place(undoing: Undoing) -> None:
    forget = "DO $$ BEGIN EXECUTE 'DELETE FROM schema_migrations WHERE version = $v$02$v$'; END $$;"
    step = undoing.undo_one(f"{OUTSIDE}DROP TABLE b;\n{forget}")
    assert step.failure is not None
    assert undoing.left == ["01"]
    assert undoing.history == [("02", "failed", BEGUN)]


@ON_NEWEST
@pytest.mark.parametrize(
    ("before", "kept"),
    [
        ("down_body = 'SELECT 1;', down_checksum = 'of then'", ("SELECT 1;", "of then")),
        ("down_body = NULL, down_checksum = 'of then'", (None, "of then")),
        ("down_body = NULL, down_checksum = NULL", (f"{OUTSIDE}DROP TABLE nothing;", None)),
        ("down_body = 'begun', down_checksum = NULL, undoing = 'failed'", (f"{OUTSIDE}DROP TABLE nothing;", None)),
    ],
    ids=["kept-then", "too-large-then", "written-later", "mended-since"],
)
def test_of_a_down_file_that_was_written_later_the_text_is_kept_when_it_is_begun(
    undoing: Undoing, before: str, kept: tuple[object, ...]
) -> None:
    undoing.database.query(f"UPDATE schema_migrations SET {before} WHERE version = '02'")
    assert undoing.undo_one(f"{OUTSIDE}DROP TABLE nothing;").failure is not None
    assert undoing.database.query(DOWN) == [kept]


@ON_NEWEST
def test_of_one_that_is_too_large_to_keep_the_checksum_is(undoing: Undoing) -> None:
    undoing.database.query("UPDATE schema_migrations SET down_body = NULL, down_checksum = NULL")
    large = f"{OUTSIDE}-- {'x' * LARGEST_BODY}\nDROP TABLE nothing;"
    assert undoing.undo_one(large).failure is not None
    assert undoing.database.query(DOWN) == [(None, checksum(large.encode()))]
    ledger, worker = undoing.execution.ledger, undoing.execution.worker
    assert ledger.texts(worker, ["02"]) == {"02": Kept(up="SELECT 1;\n", down_checksum=checksum(large.encode()))}


@ON_NEWEST
def test_it_goes_on_behind_what_is_done(undoing: Undoing) -> None:
    undoing.database.query("DROP TABLE b")
    undoing.execution = replace(undoing.execution, done={"02": 1}, failed=frozenset({"02"}))
    step = undoing.undo_one(f"{OUTSIDE}DROP TABLE b;\nDROP TABLE a;")
    assert (step.failure, step.statements_done) == (None, 2)
    assert undoing.left == ["01"]
    assert undoing.database.tables().isdisjoint({"a", "b"})


@ON_NEWEST
def test_what_nobody_saw_end_is_asked_of_the_catalog(undoing: Undoing) -> None:
    undoing.database.query("DROP INDEX b_id")
    undoing.execution = replace(undoing.execution, done={"02": 0})
    assert undoing.undo_one("DROP INDEX CONCURRENTLY b_id;\nDROP TABLE b;").failure is None
    assert undoing.left == ["01"]


@ON_NEWEST
def test_what_is_set_for_the_session_is_set_again(undoing: Undoing) -> None:
    undoing.database.query("CREATE SCHEMA app; ALTER TABLE b SET SCHEMA app")
    undoing.execution = replace(undoing.execution, done={"02": 1}, failed=frozenset({"02"}))
    assert undoing.undo_one(f"{OUTSIDE}SET search_path = app;\nDROP TABLE b;").failure is None


@ON_NEWEST
def test_all_that_is_done_only_leaves_the_ledger(undoing: Undoing) -> None:
    undoing.execution = replace(undoing.execution, done={"02": 1})
    assert undoing.undo_one(f"{OUTSIDE}DROP TABLE nothing;").failure is None
    assert undoing.left == ["01"]


# Again


@contextmanager
def locked(database: Database, seconds: float) -> Iterator[None]:
    """Somebody reads b for so long."""
    with database.connect() as reader:
        reader.execute("BEGIN; SELECT * FROM b")
        timer = threading.Timer(seconds, lambda: reader.execute("COMMIT"))
        timer.start()
        yield
        timer.join()


@pytest.mark.parametrize("down", ["DROP TABLE b;", f"{OUTSIDE}DROP TABLE b;"])
def test_a_lock_that_is_not_had_in_time_is_asked_for_again(undoing: Undoing, down: str) -> None:
    undoing.execution = replace(undoing.execution, retry=RetryPolicy(retries=10))
    with locked(undoing.database, 0.5):
        step = undoing.undo_one(down)
    assert step.failure is None
    assert list(step.retries) == undoing.retries
    assert {retry.why for retry in step.retries} == {"waited 200 ms for a lock"}
    assert undoing.history == [("02", "success", None)]


@ON_NEWEST
def test_the_retries_have_an_end(undoing: Undoing) -> None:
    undoing.execution = replace(undoing.execution, retry=RetryPolicy(retries=1))
    with locked(undoing.database, 2.5):
        step = undoing.undo_one("DROP TABLE b;")
    assert step.failure is not None
    assert (step.failure.sqlstate, step.failure.detail.split("\n")[-1]) == ("55P03", "tried 2 times")
    assert [status for _, status, _ in undoing.history] == ["failed"]


def test_the_down_file_has_limits_of_its_own(undoing: Undoing) -> None:
    with locked(undoing.database, 0.6):
        assert undoing.undo_one("-- migrate: lock-timeout=5s\nDROP TABLE b;").failure is None


def test_half_of_it_is_not_begun_again(undoing: Undoing) -> None:
    undoing.execution = replace(undoing.execution, retry=RetryPolicy(retries=5))
    with locked(undoing.database, 1):
        step = undoing.undo_one(f"{OUTSIDE}CREATE TABLE c ();\nDROP TABLE b;")
    assert step.failure is not None
    assert (step.retries, step.failure.sqlstate, step.half_done) == ((), "55P03", True)


# Cancelled, or lost


@pytest.mark.parametrize("header", ["", OUTSIDE])
def test_a_cancel_rolls_back_is_recorded_and_goes_on_its_way(undoing: Undoing, header: str) -> None:
    began = time.monotonic()
    with terminated(after=0.5), pytest.raises(Cancelled):
        undoing.undo(_02=f"{header}DROP TABLE b;\nSELECT pg_sleep(20);", _01="DROP TABLE a;")
    assert time.monotonic() - began < 4
    [step] = undoing.steps
    assert str(step.failure) == "migrations/02_example.down.sql: cancelled by SIGTERM"
    assert undoing.left == ["01", "02"]
    cancelled = "migrations/02_example.down.sql: cancelled by SIGTERM"
    assert undoing.history == [("02", "failed", cancelled)]
    assert undoing.state == (("failed", 1, cancelled) if header else (None, None, None))
    assert ("b" in undoing.database.tables()) == (header == "")
    assert step.half_done == (header == OUTSIDE)


@ON_NEWEST
def test_a_cancel_between_two_attempts_is_heard(undoing: Undoing) -> None:
    undoing.execution = replace(undoing.execution, retry=RetryPolicy(retries=99))
    with locked(undoing.database, 3), terminated(after=0.4), pytest.raises(Cancelled):
        undoing.undo_one("DROP TABLE b;")
    assert undoing.left == ["01", "02"]
    assert [status for _, status, _ in undoing.history] == ["failed"]


@ON_NEWEST
@pytest.mark.parametrize("header", ["", OUTSIDE])
def test_a_cancel_before_the_first_statement_is_heard(undoing: Undoing, header: str) -> None:
    with deaf(), terminated(after=0):
        steps = undo_all(undoing.execution, _parsed({"_02": f"{header}DROP TABLE b;"}))
        time.sleep(0.2)  # the signal is there, and nobody hears it
        with pytest.raises(Cancelled):
            undoing.steps.extend(steps)
    [step] = undoing.steps
    assert (step.statements_done, str(step.failure).endswith("cancelled by SIGTERM")) == (0, True)
    assert (undoing.left, undoing.state[0]) == (["01", "02"], None)


@ON_NEWEST
def test_a_cancel_before_the_first_statement_settles_nothing(undoing: Undoing) -> None:
    undoing.database.query("UPDATE schema_migrations SET undoing = 'running', statements_undone = 0")
    undoing.execution = replace(undoing.execution, done={"02": 0})
    with deaf(), terminated(after=0):
        steps = undo_all(undoing.execution, _parsed({"_02": "DROP INDEX CONCURRENTLY b_id;"}))
        time.sleep(0.2)
        with pytest.raises(Cancelled):
            undoing.steps.extend(steps)
    assert undoing.state[0] == "running"


@ON_NEWEST
def test_what_the_catalog_cannot_tell_stays_open(undoing: Undoing) -> None:
    undoing.database.query("UPDATE schema_migrations SET undoing = 'running', statements_undone = 0")
    undoing.database.query("CREATE INDEX other ON b (id DESC)")
    undoing.execution = replace(undoing.execution, done={"02": 0})
    step = undoing.undo_one("CREATE INDEX CONCURRENTLY other ON b (id);")
    assert step.failure is not None
    assert (step.sure, undoing.state[0]) == (False, "running")


def test_a_lost_connection_undoes_nothing_and_is_told_by_another(undoing: Undoing) -> None:
    step = undoing.undo_one("DROP TABLE b;\nSELECT pg_terminate_backend(pg_backend_pid());")
    assert step.failure is not None
    assert undoing.execution.worker.closed
    assert step.sure
    assert undoing.left == ["01", "02"]
    assert [(version, status) for version, status, _ in undoing.history] == [("02", "failed")]


@pytest.mark.parametrize(
    ("place", "left", "status"),
    [(is_commit, ["01", "02"], "failed"), (is_commit_answer, ["01"], "success")],
    ids=["before", "behind"],
)
def test_a_connection_that_is_lost_at_the_commit_is_asked_about(
    undoing: Undoing, place: Callable[[Message], bool], left: list[str], status: str
) -> None:
    with proxy_to(undoing.database.server.folder) as proxy:
        worker = connect(proxy.url(undoing.database.name), application_name="worker")
        undoing.execution = replace(undoing.execution, worker=worker, backend=_backend(worker))
        trap = proxy.trap(place, lambda: proxy.cut(half="worker"), swallow=True)
        step = undoing.undo_one("DROP TABLE b;")
        assert trap.sprung.is_set()
    assert worker.closed
    assert (step.completed, step.sure) == (status == "success", True)
    assert undoing.left == left
    assert [(version, word) for version, word, _ in undoing.history] == [("02", status)]
    assert ("b" in undoing.database.tables()) == (status == "failed")


def test_when_nobody_answers_nobody_knows(undoing: Undoing) -> None:
    def refuse() -> Connection:
        raise DatabaseUnusable(Finding("it is gone"))

    undoing.execution = replace(undoing.execution, reconnect=refuse)
    step = undoing.undo_one("SELECT pg_terminate_backend(pg_backend_pid());")
    assert step.failure is not None
    assert not step.sure
    assert step.failure.detail.endswith("the history could not be told: it is gone")
