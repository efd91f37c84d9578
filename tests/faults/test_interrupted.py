"""Runs that end in the middle: killed, cut off, left by the server, or without the answer to a COMMIT.

Whatever happened, the next run finishes the job, nothing is done twice, and what the first one told is true.
"""

import json
import re
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from runner.postgres.embedded import NEWEST, EmbeddedServer
from tests import conftest
from tests.conftest import ON_NEWEST, Database, _database
from tests.faults.messages import Message, is_commit, is_commit_answer
from tests.faults.proxy import Proxy, Trap, proxy_to
from tests.faults.runs import PATIENCE, Checkout, Ended
from tests.faults.servers import DurableServer

WORKER = "db-migrate worker"
RUNNERS = "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'db-migrate %' AND datname = current_database()"
LEDGER = ("schema_migrations", "migration_history", "migration_runs", "migration_environment")
SUCCESSES = """
    SELECT version, count(*) FILTER (WHERE status = 'success')
    FROM migration_history GROUP BY version ORDER BY version"""
ROWS = "SELECT version, status, statements_done = statements_total FROM schema_migrations ORDER BY version"

FILES = {
    "01_base": "CREATE TABLE marks (version text);\nCREATE TABLE users (id int, email text, state text);\n"
    "INSERT INTO marks VALUES ('01');",
    "02_rows": "INSERT INTO users SELECT n, n || '@example.org', 'new' FROM generate_series(1, 200) n;\n"
    "INSERT INTO marks VALUES ('02');\nSET search_path = pg_catalog;",
    "03_index": "CREATE INDEX CONCURRENTLY users_email_idx ON users (email);",
    "04_mood": "CREATE TYPE mood AS ENUM ('sad');\nINSERT INTO marks VALUES ('04');",
    "05_happy": "ALTER TYPE mood ADD VALUE 'happy';\nALTER TABLE users ADD COLUMN mood mood DEFAULT 'happy';\n"
    "INSERT INTO marks VALUES ('05');",
    "06_check": "ALTER TABLE users ADD CONSTRAINT named CHECK (email <> '') NOT VALID;\n"
    "INSERT INTO marks VALUES ('06');",
    "07_own": "-- migrate: no-transaction\nBEGIN;\nINSERT INTO marks VALUES ('07a');\nUPDATE users SET state = 'old';\n"
    "COMMIT;\nALTER TABLE users VALIDATE CONSTRAINT named;\nINSERT INTO marks VALUES ('07b');\n"
    "CREATE UNIQUE INDEX CONCURRENTLY users_id_idx ON users (id);\nINSERT INTO marks VALUES ('07c');",
    "08_last": "CREATE VIEW happy AS SELECT id FROM users WHERE mood = 'happy';\nINSERT INTO marks VALUES ('08');",
}
VERSIONS = [name[:2] for name in FILES]
POINTS, RESTARTS = 32, 9
THIRD = 3  # on the older version one point of so many
Place = Callable[[Message], bool]


@dataclass(frozen=True)
class Undisturbed:
    """A run that nothing happened to: what the others are measured against."""

    dump: list[str]
    messages: int  # of the worker, both ways
    commits: Mapping[Place, int]  # asked for, and answered: a block of a file's own is answered without being asked for


def dump(database: Database) -> list[str]:
    """Schema and rows of all but the ledger, whose rows tell of the runs. Rows have no order: a statement that was
    rolled back leaves the next one other places.
    """
    leave = [f"--exclude-table-data={table}" for table in LEDGER]
    done = subprocess.run(
        [database.server.programs / "pg_dump", "--dbname", database.url.value, "--restrict-key=same", *leave],
        capture_output=True,
        text=True,
        check=True,
    )
    schema, *tables = re.split(r"^(?=COPY )", done.stdout, flags=re.MULTILINE)
    return [schema, *(line for table in tables for line in sorted(table.splitlines()))]


@pytest.fixture(scope="module")
def undisturbed(
    servers: Callable[[int], EmbeddedServer], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[int], Undisturbed]:
    """Runs it once a version."""
    known: dict[int, Undisturbed] = {}

    def of(version: int) -> Undisturbed:
        if version not in known:
            known[version] = _undisturbed(servers(version), tmp_path_factory.mktemp("undisturbed"))
        return known[version]

    return of


def _undisturbed(server: EmbeddedServer, folder: Path) -> Undisturbed:
    (folder / "migrations").mkdir()
    checkout = Checkout(folder)
    checkout.write(FILES)
    commits = Counter[Place]()

    def count(message: Message) -> bool:
        commits.update(place for place in (is_commit, is_commit_answer) if place(message))
        return False

    for database in _database(server, "template1"):
        with proxy_to(server.folder) as proxy:
            proxy.trap(count, lambda: None)
            with checkout.running(proxy.url(database.name)) as running:
                ended = running.end()
            assert ended.exit_code == 0, ended.log
            assert ended.applied == VERSIONS
        return Undisturbed(dump(database), proxy.messages(WORKER), commits)
    raise AssertionError


def point(undisturbed: Undisturbed, number: int, points: int) -> Place:
    """One of the points that are spread evenly over the worker's messages."""
    wanted = 1 + round((undisturbed.messages - 2) * number / (points - 1))
    return lambda message: message.application.startswith(WORKER) and message.number == wanted


def at(points: int) -> pytest.MarkDecorator:
    """At each of the points on the newest version, and at every third on the other."""
    cases = [(v, n) for v in conftest.VERSIONS for n in range(0, points, 1 if v == NEWEST else THIRD)]
    return pytest.mark.parametrize(("version", "number"), cases, ids=[f"pg{v}-{n}" for v, n in cases])


def struck(trap: Trap, log: str, *, last: bool = False) -> None:
    """The fault has come. The last point may lie behind the end of a run that needed a message less."""
    assert trap.sprung.wait(2) or last, f"the run ended before its fault:\n{log}"


def wait_until_gone(database: Database) -> None:
    """Until no session of a runner is left on the server."""
    deadline = time.monotonic() + 30
    while database.query(RUNNERS):
        assert time.monotonic() < deadline, database.query(RUNNERS.replace("pid", "*", 1))
        time.sleep(0.01)


def tells_the_truth(ended: Ended, database: Database) -> None:
    """What a run says it applied is what the ledger has of it, once everything of it has ended."""
    wait_until_gone(database)
    completed = (
        [str(version) for (version, status, _) in database.query(ROWS) if status == "completed"]
        if "schema_migrations" in database.tables()
        else []
    )
    assert ended.applied == completed, ended.log
    left = [version for version in VERSIONS if version not in completed]
    planned = "plan   " in ended.log
    assert json.loads(ended.outputs["pending"]) == (left if planned else []), ended.log
    assert ended.exit_code != 0 or not left, ended.log
    assert (ended.outputs["outcome"] == "applied") is (ended.exit_code == 0)


def finishes(checkout: Checkout, database: Database, undisturbed: Undisturbed) -> None:
    """The next run does the rest, and only the rest."""
    ended = checkout.run(database.url)
    assert ended.exit_code == 0, ended.log
    assert database.query(ROWS) == [(version, "completed", True) for version in VERSIONS]
    assert database.query(SUCCESSES) == [(version, 1) for version in VERSIONS]
    assert dump(database) == undisturbed.dump
    assert database.value("SELECT count(*) FROM pg_index WHERE NOT indisvalid") == 0


@at(POINTS)
def test_a_cancelled_run_tells_the_truth(
    checkout: Checkout,
    database: Database,
    proxy: Proxy,
    undisturbed: Callable[[int], Undisturbed],
    version: int,
    number: int,
) -> None:
    whole = undisturbed(version)
    checkout.write(FILES)
    with checkout.running(proxy.url(database.name)) as running:
        trap = proxy.trap(point(whole, number, POINTS), running.process.terminate)
        while not trap.sprung.wait(0.02) and running.process.is_alive():
            pass
        signalled = time.monotonic()
        ended = running.end()
        struck(trap, ended.log, last=number == POINTS - 1)
        assert time.monotonic() - signalled < 6
    assert ended.exit_code in {143, 0}, ended.log
    tells_the_truth(ended, database)
    if "migration_runs" in database.tables():
        outcomes = {outcome for (outcome,) in database.query("SELECT outcome FROM migration_runs")}
        assert outcomes <= {"cancelled", "applied"}, ended.log
    finishes(checkout, database, whole)


@ON_NEWEST
@pytest.mark.parametrize("named", [False, True], ids=["", "with a name of its own"])
def test_a_connection_of_which_only_the_client_knows_that_it_is_lost(
    checkout: Checkout, database: Database, proxy: Proxy, *, named: bool
) -> None:
    name = "SET application_name = 'mine';\n" if named else ""
    checkout.write({"01_slow": f"{name}CREATE TABLE slow ();\nSELECT pg_sleep(3);"})
    with checkout.running(proxy.url(database.name)) as running:
        deadline = time.monotonic() + 20
        while not database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'"):
            assert time.monotonic() < deadline, running.log
            time.sleep(0.02)
        proxy.cut(half=WORKER)
        ended = running.end()
    assert ended.exit_code == 1, ended.log
    assert "was rolled back by PostgreSQL" in ended.log
    assert database.query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'PgSleep'") == []
    assert database.query("SELECT status FROM schema_migrations") == [("failed",)]
    assert "slow" not in database.tables()


@at(POINTS)
def test_a_killed_run_is_finished_by_the_next(
    checkout: Checkout,
    database: Database,
    proxy: Proxy,
    undisturbed: Callable[[int], Undisturbed],
    version: int,
    number: int,
) -> None:
    whole = undisturbed(version)
    checkout.write(FILES)
    with checkout.running(proxy.url(database.name)) as running:
        trap = proxy.trap(point(whole, number, POINTS), running.process.kill)
        running.process.join(PATIENCE)
        assert not running.process.is_alive(), running.log
    struck(trap, running.log, last=number == POINTS - 1)
    finishes(checkout, database, whole)


@at(POINTS)
def test_a_run_that_is_cut_off_tells_the_truth_and_is_finished_by_the_next(
    checkout: Checkout,
    database: Database,
    proxy: Proxy,
    undisturbed: Callable[[int], Undisturbed],
    version: int,
    number: int,
) -> None:
    whole = undisturbed(version)
    checkout.write(FILES)
    trap = proxy.trap(point(whole, number, POINTS), lambda: proxy.cut(reset=number % 2 == 0))
    with checkout.running(proxy.url(database.name)) as running:
        ended = running.end()
    struck(trap, ended.log, last=number == POINTS - 1)
    tells_the_truth(ended, database)
    finishes(checkout, database, whole)


@pytest.mark.parametrize("place", [is_commit, is_commit_answer], ids=["held back", "answer lost"])
def test_a_lost_commit_is_told_as_it_was(
    checkout: Checkout,
    fresh_database: Callable[[], Database],
    undisturbed: Callable[[int], Undisturbed],
    version: int,
    place: Place,
) -> None:
    """At each COMMIT of a run, those of the ledger's own included; on the other version at every third."""
    whole = undisturbed(version)
    checkout.write(FILES)
    assert whole.commits[place] >= len(FILES)
    for number in range(1, whole.commits[place] + 1, 1 if version == NEWEST else THIRD):
        database = fresh_database()
        with proxy_to(database.server.folder) as proxy:
            trap = proxy.trap(nth(place, number), proxy.cut, swallow=True)
            with checkout.running(proxy.url(database.name)) as running:
                ended = running.end()
        struck(trap, ended.log)
        tells_the_truth(ended, database)
        finishes(checkout, database, whole)


def nth(place: Place, number: int) -> Place:
    """The place for the `number`th time."""
    seen = 0

    def accepts(message: Message) -> bool:
        nonlocal seen
        seen += place(message)
        return seen == number and place(message)

    return accepts


@ON_NEWEST
def test_a_lost_commit_without_a_way_back_is_no_claim(
    checkout: Checkout, database: Database, proxy: Proxy, undisturbed: Callable[[int], Undisturbed], version: int
) -> None:
    """The network stays away: nobody can ask, and the run says so and fails."""
    whole = undisturbed(version)
    checkout.write(FILES)

    def cut() -> None:
        proxy.away = True
        proxy.cut()

    last = whole.commits[is_commit_answer] - 2  # behind it two looks, at the ledger and at the schema, change nothing
    proxy.trap(nth(is_commit_answer, last), cut, swallow=True)
    with checkout.running(proxy.url(database.name)) as running:
        ended = running.end()
    assert ended.exit_code != 0
    assert VERSIONS[-1] not in ended.applied
    finishes(checkout, database, whole)


@pytest.fixture
def durable_database(durable_servers: Callable[[int], DurableServer], version: int) -> Iterator[Database]:
    """An empty database of a server that can be restarted."""
    yield from _database(durable_servers(version).server, "template1")


@at(RESTARTS)
def test_a_run_whose_server_restarts_tells_the_truth_and_is_finished_by_the_next(
    checkout: Checkout,
    durable_servers: Callable[[int], DurableServer],
    durable_database: Database,
    undisturbed: Callable[[int], Undisturbed],
    version: int,
    number: int,
) -> None:
    whole = undisturbed(version)
    checkout.write(FILES)
    server = durable_servers(version)
    with proxy_to(server.server.folder) as proxy:
        trap = proxy.trap(point(whole, number, RESTARTS), server.restart)
        with checkout.running(proxy.url(durable_database.name)) as running:
            ended = running.end()
    struck(trap, ended.log, last=number == RESTARTS - 1)
    tells_the_truth(ended, durable_database)
    finishes(checkout, durable_database, whole)
